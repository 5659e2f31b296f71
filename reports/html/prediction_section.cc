// How well steps and ops were foreseen.
#include <algorithm>
#include <cmath>
#include <map>

#include "reports/html/chart.h"
#include "reports/html/sections.h"
#include "reports/markup.h"
#include "reports/statistics.h"
#include "reports/words.h"

namespace hetero {
namespace {

// What solve foresaw of a step, against what the gate measured of it: samples that no fit has seen.
std::string step_figure(const Report& report) {
  BarChart chart{"error of predicted steps", {}, {"measured over predicted", "%", Scale::kLinear}, {}};
  HtmlTable table{{"plan", "bucket", "#predicted", "#measured", "#measured over predicted", "times"}, {}};
  for (auto plan = report.plans.rbegin(); plan != report.plans.rend(); ++plan) {
    const std::string name = plan->model_name.empty() ? plan->plan.model_fingerprint : plan->model_name;
    const std::string series = name + " on " + joined(plan->plan.devices, " + ");
    chart.series.push_back({series, static_cast<int>(chart.series.size()) + 2, {}});
    for (std::size_t i = 0; i < plan->plan.buckets.size() && i < plan->gate.size(); ++i) {
      const PlanBucket& bucket = plan->plan.buckets[i];
      const std::optional<double> error = prediction_error(bucket, plan->gate[i]);
      if (!error) continue;
      const std::string label = label_of(bucket);
      auto at = std::find(chart.categories.begin(), chart.categories.end(), label);
      if (at == chart.categories.end()) at = chart.categories.insert(at, label);
      const auto index = static_cast<std::size_t>(at - chart.categories.begin());
      std::vector<std::optional<double>>& values = chart.series.back().values;
      values.resize(std::max(values.size(), index + 1));
      values[index] = 100 * *error;
      const GateTiming& timing = *plan->gate[i].plan;
      table.rows.push_back({series, label, format_value(predicted_ns(bucket, plan->gate[i]), "ns"),
                            format_value(timing.median_ns, "ns"), number_text("%+.1f %%", 100 * *error),
                            times_of(report, timing.devices)});
    }
  }
  for (BarSeries& series : chart.series) series.values.resize(chart.categories.size());
  return figure(
      "Error of prediction: how much longer the candidate plan took in the gate than the solver had foreseen. To the "
      "right of zero it was slower. The gate's times took no part in fitting.",
      html_of(chart), table);
}

// Where the profile departs from what it was fitted to, by kind of op.
std::string kind_figure(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  StripChart chart{
      "error of the profile by kind of op", {"the profile over the measured median", "%", Scale::kLinear}, {}};
  HtmlTable table{{"device", "op", "#ops", "#median error", "#least", "#most"}, {}};
  for (const std::string& id : devices_with_ops(characteristics)) {
    std::map<std::string, std::vector<double>> kinds;
    for (const OpSamples& s : characteristics.ops) {
      if (s.device != id || !s.fitted_ns) continue;
      std::string kind(name_of(s.op.kind));
      if (s.op.kind == OpKind::kMatmul) kind += s.op.m == 1 ? ", decode" : ", prefill";
      kinds[kind].push_back(100 * (*s.fitted_ns / median_of(s.samples_ns) - 1));
    }
    for (const auto& [kind, errors] : kinds) {
      chart.rows.push_back({device_label(report, id) + " " + kind, colours.at(id), errors, std::nullopt});
      const auto [least, most] = std::minmax_element(errors.begin(), errors.end());
      table.rows.push_back({device_label(report, id), kind, std::to_string(errors.size()),
                            number_text("%+.1f %%", median_of(errors)), number_text("%+.1f %%", *least),
                            number_text("%+.1f %%", *most)});
    }
  }
  return figure("The same by kind of op: every mark is an op, the bar their median.", html_of(chart), table);
}

std::string fit_figure(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  XyChart chart{"fitted against measured times of ops",
                {"measured median", "ns", Scale::kLog},
                {"the profile says", "ns", Scale::kLog},
                {}};
  HtmlTable table{{"device", "op", "#measured", "#the profile says", "#error"}, {}};
  double least = 1e300;
  double most = 0;
  for (const std::string& id : devices_with_ops(characteristics)) {
    Series points{device_label(report, id), colours.at(id), SeriesStyle::kPoints, {}};
    std::vector<double> errors;
    for (const OpSamples& s : characteristics.ops) {
      if (s.device != id || !s.fitted_ns) continue;
      const double measured = median_of(s.samples_ns);
      points.points.push_back({measured, *s.fitted_ns, canonical_text(s.op)});
      errors.push_back(std::abs(*s.fitted_ns / measured - 1));
      table.rows.push_back({id, canonical_text(s.op), format_value(measured, "ns"), format_value(*s.fitted_ns, "ns"),
                            number_text("%+.1f %%", 100 * (*s.fitted_ns / measured - 1))});
      least = std::min(least, measured);
      most = std::max(most, measured);
    }
    if (points.points.empty()) continue;
    points.name += number_text(", median error %.1f %%", 100 * median_of(errors));
    chart.series.push_back(points);
  }
  if (most > 0) chart.series.push_back({"equal", 7, SeriesStyle::kDashedLine, {{least, least}, {most, most}}});
  return figure(
      "What the fitted profile says of each op against the median that was measured of it. These samples are the ones "
      "that were fitted: it shows what the model cannot express, not how well it foresees.",
      html_of(chart), table);
}

}  // namespace

HtmlSection prediction_section(const Report& report, const Characteristics& characteristics,
                               const DeviceColours& colours) {
  return {"prediction", "Error of prediction",
          step_figure(report) + fit_figure(report, characteristics, colours) +
              kind_figure(report, characteristics, colours)};
}

}  // namespace hetero
