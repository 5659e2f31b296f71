// A Report and the samples behind it as one HTML page that opens without network. Pure.
#pragma once

#include <string>

#include "reports/characteristics.h"
#include "reports/report.h"

namespace hetero {

// Every chart has its figures as a table; no script; light, dark and print by style sheet. What is emulated or
// simulated says so wherever it is shown.
std::string render_html(const Report& report, const Characteristics& characteristics);

}  // namespace hetero
