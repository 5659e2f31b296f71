// A Comparison for a terminal, for a pull request, for programs and for CI systems. Pure.
#pragma once

#include <string>

#include "reports/compare.h"

namespace hetero {

// All end in '\n'. Ratios are of times, B over A: 1.05 means that B takes 5 % longer.
std::string render_text(const Comparison& comparison);
// At most kMostMarkdownLines: what differs first, then the rest as far as there is room.
std::string render_markdown(const Comparison& comparison);
// "hetero.compare", version 1: reports/schema/compare.schema.json.
std::string render_json(const Comparison& comparison);
// A test case a benchmark: a regression is a failure; what could not be compared is skipped.
std::string render_junit(const Comparison& comparison);

}  // namespace hetero
