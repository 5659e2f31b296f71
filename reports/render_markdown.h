// A Report as GitHub-flavoured Markdown for a pull request or a job summary. Pure.
#pragma once

#include <string>
#include <string_view>

#include "reports/rates.h"
#include "reports/report.h"

namespace hetero {

// No report is longer, whatever the database holds: what is left out is counted, and `hetero-report json` has it.
inline constexpr int kMostMarkdownLines = 60;

// The latest plan whole, others by name. Lines end in '\n'.
std::string render_markdown(const Report& report);
// With measured rates below it, a line for each of what was compared, as far as there is room. `limits` are the
// database's, for rows that have none of their own.
std::string render_markdown(const Report& report, std::vector<RateRow> rates, const MachineLimits& limits);

// Text that shows as it is in a table cell or a line: no markup, no HTML, no column or line break, no mention of a
// user.
std::string escape_markdown(std::string_view text);

}  // namespace hetero
