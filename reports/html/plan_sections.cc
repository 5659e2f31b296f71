#include <map>

#include "reports/html/chart.h"
#include "reports/html/plan_picture.h"
#include "reports/html/sections.h"
#include "reports/markup.h"
#include "reports/words.h"

namespace hetero {
namespace {

std::string title_of(const PlanReport& plan) {
  return (plan.model_name.empty() ? plan.plan.model_fingerprint : plan.model_name) + " on " +
         joined(plan.plan.devices, " + ");
}

GateTimes gate_of(const PlanReport& plan, std::size_t bucket) {
  return bucket < plan.gate.size() ? plan.gate[bucket] : GateTimes{};
}

double rate(double rows, double ns) { return rows / ns * 1e9; }

std::string rate_text(const std::optional<GateTiming>& timing) {
  if (!timing || !(timing->median_ns > 0)) return "-";
  return format_value(rate(static_cast<double>(timing->rows), timing->median_ns), "tok/s") +
         number_text(" (MAD %.1f %%, ", 100 * timing->mad_ns / timing->median_ns) +
         std::to_string(timing->samples_ns.size()) + " samples)";
}

StripRow strip_row(const Report& report, const std::string& label, const GateTiming& timing, int colour,
                   double predicted_step_ns) {
  const std::string times = times_of(report, timing.devices);
  StripRow row{label + (times == "measured" ? "" : " (" + times + ")"), colour, {}, std::nullopt};
  const double rows = static_cast<double>(timing.rows);
  for (const double ns : timing.samples_ns) row.values.push_back(rate(rows, ns));
  if (predicted_step_ns > 0) row.expected = rate(rows, predicted_step_ns);
  return row;
}

// Nothing was rejected where the single device was all that was proposed.
std::string verdict_text(const std::optional<PlanBucket::Verdict>& verdict, const GateTimes& gate) {
  if (!verdict) return "not judged";
  return (!verdict->adopted && gate.plan ? "rejected, " : "") + sentence_of(*verdict);
}

std::string gate_text(const Report& report, const PlanReport& plan, const DeviceColours& colours) {
  // Apart, since prefill is many times as fast.
  std::map<Phase, StripChart> charts = {
      {Phase::kDecode, {"tokens per second of decode in the gate", {"decode", "tok/s", Scale::kLog}, {}}},
      {Phase::kPrefill, {"tokens per second of prefill in the gate", {"prefill", "tok/s", Scale::kLog}, {}}}};
  HtmlTable table{{"bucket", "candidate plan", "best single device", "predicted", "#gate over predicted", "times"}, {}};
  HtmlTable verdicts{{"bucket", "~verdict", "#plan over single (time, median of pairs)", "#noise"}, {}};
  // A colour that no device of the plan has, for what they do together.
  const int together = static_cast<int>(colours.size());
  for (std::size_t i = 0; i < plan.plan.buckets.size(); ++i) {
    const PlanBucket& bucket = plan.plan.buckets[i];
    const GateTimes gate = gate_of(plan, i);
    const std::string label = label_of(bucket);
    StripChart& chart = charts.at(bucket.phase);
    const std::optional<double> error = prediction_error(bucket, gate);
    const double predicted = predicted_ns(bucket, gate);
    if (gate.plan) {
      chart.rows.push_back(strip_row(report, label + ", plan", *gate.plan, together, error ? predicted : 0));
    }
    if (gate.single) {
      const std::string& id = gate.single->devices.front();
      const auto colour = colours.find(id);
      chart.rows.push_back(
          strip_row(report, label + ", " + id, *gate.single, colour == colours.end() ? 0 : colour->second, 0));
    }
    if (gate.plan || gate.single) {
      std::vector<std::string> all = gate.plan ? gate.plan->devices : gate.single->devices;
      if (gate.single) all.insert(all.end(), gate.single->devices.begin(), gate.single->devices.end());
      table.rows.push_back({label, rate_text(gate.plan),
                            gate.single ? gate.single->devices.front() + ": " + rate_text(gate.single) : "-",
                            predicted > 0 ? format_value(predicted, "ns") + " a step" : "-",
                            error ? number_text("%+.1f %%", 100 * *error) : "-", times_of(report, all)});
    }
    const auto& verdict = bucket.verdict;
    verdicts.rows.push_back(
        {label, verdict_text(verdict, gate),
         verdict && verdict->plan_over_single > 0 ? number_text("%.3f", verdict->plan_over_single) : "-",
         verdict && verdict->noise > 0 ? number_text("%.1f %%", 100 * verdict->noise) : "-"});
  }
  return "<h3>" + escape_markup(title_of(plan)) + "</h3>\n" +
         figure(
             "Tokens per second of the candidate plan and of the best single device, interleaved in one run. Every "
             "dot is a sample, the bar the median, the hollow diamond what was predicted.",
             html_of(charts.at(Phase::kDecode)) + html_of(charts.at(Phase::kPrefill)), table) +
         html_of(verdicts);
}

}  // namespace

HtmlSection plan_section(const Report& report, const DeviceColours& colours) {
  std::string body;
  for (auto plan = report.plans.rbegin(); plan != report.plans.rend(); ++plan) {
    HtmlTable table{{"bucket", "~division", "#predicted step"}, {}};
    for (const PlanBucket& bucket : plan->plan.buckets) {
      for (const std::string& line : division_lines(bucket)) {
        table.rows.push_back(
            {label_of(bucket), line, bucket.predicted_ns > 0 ? format_value(bucket.predicted_ns, "ns") : "-"});
      }
    }
    body += "<h3>" + escape_markup(title_of(*plan)) + "</h3>\n";
    if (const std::vector<std::string> changed = changed_devices(report, plan->plan); !changed.empty()) {
      body += paragraph("Changed since the plan was made: " + joined(changed, ", ") + ".", "note");
    }
    body += figure("The plan in force, origin " + plan->plan.origin + ", run " + std::to_string(plan->run) +
                       ". Colours are devices: output features are divided from left to right, rows of the prompt from "
                       "top to bottom. A bucket whose candidate was rejected shows the single device.",
                   plan_picture(plan->plan, colours, plan->layers), table);
  }
  if (body.empty()) body = paragraph("No plan is stored. hetero-tune run --model FILE.gguf makes one.");
  return {"plan", "Plan", body};
}

HtmlSection gate_section(const Report& report, const DeviceColours& colours) {
  std::string body;
  for (auto plan = report.plans.rbegin(); plan != report.plans.rend(); ++plan) {
    body += gate_text(report, *plan, colours);
  }
  if (body.empty()) body = paragraph("No plan has been judged.");
  return {"gate", "Gain, and what the gate rejected", body};
}

}  // namespace hetero
