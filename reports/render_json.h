// A Report as JSON for programs: nothing is left out. Pure.
#pragma once

#include <string>

#include "reports/report.h"

namespace hetero {

// "hetero.report", version 1; indented, ends in '\n'. Times in nanoseconds, bandwidths in GB/s (10^9). What was not
// measured or predicted is null, never 0. Every time says where it comes from ("times", "provenance").
std::string render_json(const Report& report);

}  // namespace hetero
