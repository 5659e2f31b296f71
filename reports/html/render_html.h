// A Report and the samples behind it as one HTML page that opens without network. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "profiles/trace.h"
#include "reports/characteristics.h"
#include "reports/rates.h"
#include "reports/report.h"
#include "reports/search_record.h"

namespace hetero {

struct TraceFile {
  std::string source;  // a path
  Trace trace;
};

// What the database does not hold and other files may tell.
struct Extras {
  std::optional<TraceFile> trace;
  std::vector<SearchRecord> searches;
  std::vector<RateRow> rates;
};

// Every chart has its figures as a table, which is all that there is where scripts do not run; light, dark and print.
// What has no data is left out. What is emulated or simulated says so wherever it is shown.
std::string render_html(const Report& report, const Characteristics& characteristics, const Extras& extras);

}  // namespace hetero
