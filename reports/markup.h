// Text and numbers as HTML, SVG and XML take them. Pure.
#pragma once

#include <string>
#include <string_view>

namespace hetero {

// Text that shows as it is between tags and inside quoted attributes, in HTML and in XML 1.0: the five characters of
// markup become entities, bytes that are not UTF-8 become U+FFFD, and control characters (which XML cannot hold at
// all) become spaces.
std::string escape_markup(std::string_view text);

// The same with its line breaks kept.
std::string escape_markup_lines(std::string_view text);

// Three significant digits and the unit; times in "ns" get the unit that suits: "1.25 ms", "35.1 tok/s".
std::string format_value(double value, const std::string& unit);

}  // namespace hetero
