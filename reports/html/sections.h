// Internal to html/: the sections of the page and what they share. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "reports/characteristics.h"
#include "reports/html/page.h"
#include "reports/html/render_html.h"
#include "reports/report.h"
#include "reports/words.h"

namespace hetero {

// Device id -> colour, the same in every chart.
using DeviceColours = std::map<std::string, int>;
DeviceColours device_colours(const Report& report, const Characteristics& characteristics, const Extras& extras);

// "cpu:0", or "sim:x/npu (emulated)": no figure of it may pass for a measured one.
std::string device_label(const Report& report, const std::string& id);

// In order, each once.
std::vector<std::string> devices_with_ops(const Characteristics& characteristics);

// device_sections.cc: what each device can do.
HtmlSection compute_section(const Report& report, const Characteristics& characteristics, const DeviceColours& colours);
HtmlSection memory_section(const Report& report, const Characteristics& characteristics, const DeviceColours& colours);
HtmlSection latency_section(const Report& report, const Characteristics& characteristics, const DeviceColours& colours);

// prediction_section.cc: how well it was foreseen.
HtmlSection prediction_section(const Report& report, const Characteristics& characteristics,
                               const DeviceColours& colours);

// run_sections.cc: what other files tell.
HtmlSection timeline_section(const TraceFile& file, const DeviceColours& colours);
HtmlSection search_section(const Report& report, const std::vector<SearchRecord>& searches,
                           const DeviceColours& colours);
HtmlSection rates_section(std::vector<RateRow> rates, const Characteristics& characteristics,
                          const DeviceColours& colours);

// plan_sections.cc: what was decided and gained.
HtmlSection plan_section(const Report& report, const DeviceColours& colours);
HtmlSection gate_section(const Report& report, const DeviceColours& colours);

}  // namespace hetero
