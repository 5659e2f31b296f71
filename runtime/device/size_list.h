// Row counts of graphs as a device's option gives them: "1.32.128".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hetero {

// Ascending numbers from 1 to 65536, separated by dots. Throws usage_error.
std::vector<std::int64_t> parse_size_list(const std::string& text);
std::string size_list_text(const std::vector<std::int64_t>& sizes);  // "1.32.128"

}  // namespace hetero
