#include "reports/html/render_html.h"

#include "base/units.h"
#include "profiles/cost_model.h"
#include "reports/html/sections.h"

namespace hetero {
namespace {

HtmlSection machine_section(const Report& report) {
  std::string body;
  if (report.runs.empty()) {
    body = paragraph("No run is stored. hetero-tune run --model FILE.gguf makes one.");
  } else {
    const Store::RunRow& run = report.runs.back();
    body = definitions(
        {{"Processor", run.info.cpu},
         {"Host", run.info.host},
         {"Program", "hetero " + run.info.program_version + ", " + run.info.build_type + " build"},
         {"Latest run", std::to_string(run.id) + " of " + std::to_string(report.runs.size()) + ", " +
                            run.info.started_utc + ", " + (run.outcome.empty() ? "unfinished" : run.outcome)},
         {"Load average", number_text("%.2f", run.info.load_average)},
         {"Command", run.info.command},
         {"Database", report.database}});
  }
  HtmlTable samples{{"status", "#samples"}, {}};
  for (const auto& [status, count] : report.samples) {
    samples.rows.push_back({std::string(name_of(status)), std::to_string(count)});
  }
  return {"machine", "Machine and run", body + (samples.rows.empty() ? "" : html_of(samples))};
}

HtmlSection devices_section(const Report& report) {
  if (report.devices.empty()) return {"devices", "Devices", paragraph("No profile is stored.")};
  HtmlTable table{{"device", "kind", "name", "driver", "times", "bandwidth", "launch", "best join"}, {}};
  bool emulated = false;
  for (const Store::ProfileRow& row : report.devices) {
    const DeviceProfile& d = row.profile;
    const std::string times = times_of(d);
    emulated = emulated || times == "emulated" || times == "simulated";
    std::string join = "-";
    if (!d.join_ns.empty()) {
      const std::string waiter = CostModel({d}).best_waiter(d.device);
      const Figure& best = d.join_ns.at(waiter);
      join = waiter + ": " + figure_text(d, best, format_duration_ns(best.value));
    }
    table.rows.push_back({d.device, d.kind, d.name, d.driver, times,
                          figure_text(d, d.bandwidth_gbps, number_text("%.1f GB/s", d.bandwidth_gbps.value)),
                          figure_text(d, d.launch_ns, format_duration_ns(d.launch_ns.value)), join});
  }
  std::string body = html_of(table);
  if (emulated) {
    body += paragraph(
        "Devices whose times are emulated or simulated are not hardware: their times come from a profile,"
        " none of them is a measurement of such a device.",
        "note");
  }
  return {"devices", "Devices", body};
}

}  // namespace

DeviceColours device_colours(const Report& report, const Characteristics& characteristics, const Extras& extras) {
  DeviceColours colours;
  const auto add = [&](const std::string& id) { colours.emplace(id, static_cast<int>(colours.size())); };
  for (const Store::ProfileRow& row : report.devices) add(row.profile.device);
  for (const OpSamples& op : characteristics.ops) add(op.device);
  for (const PlanReport& plan : report.plans) {
    for (const std::string& id : plan.plan.devices) add(id);
  }
  if (extras.trace) {
    for (const std::string& id : extras.trace->trace.devices) add(id);
  }
  return colours;
}

std::string device_label(const Report& report, const std::string& id) {
  const std::string times = times_of(report, {id});
  return times == "measured" ? id : id + " (" + times + ")";
}

std::string render_html(const Report& report, const Characteristics& characteristics, const Extras& extras) {
  const DeviceColours colours = device_colours(report, characteristics, extras);
  std::vector<HtmlSection> sections = {machine_section(report), devices_section(report), gate_section(report, colours)};
  if (characteristics.out_of_date > 0) {
    sections[1].body += paragraph(std::to_string(characteristics.out_of_date) +
                                  " samples are left out of the charts: their device has changed since.");
  }
  if (!extras.rates.empty()) sections.push_back(rates_section(extras.rates, characteristics, colours));
  sections.push_back(plan_section(report, colours));
  if (extras.trace) sections.push_back(timeline_section(*extras.trace, colours));
  sections.push_back(prediction_section(report, characteristics, colours));
  sections.push_back(compute_section(report, characteristics, colours));
  sections.push_back(memory_section(report, characteristics, colours));
  sections.push_back(latency_section(report, characteristics, colours));
  if (!extras.searches.empty() || !report.kernels.empty()) {
    sections.push_back(search_section(report, extras.searches, colours));
  }
  return html_page("hetero report", sections);
}

}  // namespace hetero
