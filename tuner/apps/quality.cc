#include "tuner/apps/quality.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "tuner/apps/table.h"
#include "tuner/fit/regression.h"

namespace hetero {
namespace {

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * fraction);
  return text;
}
std::string seconds(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", value);
  return text;
}

// "matmul q4_0", "rope"
std::string words(const HeldOut& op) {
  return std::string(name_of(op.kind)) + (op.kind == OpKind::kMatmul ? " " + std::string(info(op.w).name) : "");
}

void read_trust(const std::vector<Sample>& samples, Quality& quality) {
  std::map<std::string, Quality::Trust> trust;
  for (const Sample& s : samples) {
    Quality::Trust& device = trust[s.device];
    device.device = s.device;
    ++device.samples;
    if (s.status == SampleStatus::kUntrusted) ++device.untrusted;
  }
  for (auto& [id, device] : trust) quality.trust.push_back(std::move(device));
}

void read_anchors(const std::vector<Sample>& samples, Quality& quality) {
  struct Checks {
    std::vector<double> ns;
    int drifted = 0;
  };
  std::map<std::pair<std::string, std::string>, Checks> anchors;
  for (const Sample& s : samples) {
    if (s.kind != SampleKind::kAnchor) continue;
    Checks& checks = anchors[{s.device, s.subject}];
    checks.ns.push_back(s.device_ns);
    if (s.status == SampleStatus::kUntrusted) ++checks.drifted;
  }
  for (auto& [key, checks] : anchors) {
    const double usual = median_and_mad(checks.ns).median;
    for (double& ns : checks.ns) ns = std::abs(ns / usual - 1);
    quality.anchors.push_back({key.first, key.second, static_cast<int>(checks.ns.size()), checks.drifted,
                               median_and_mad(checks.ns).median,
                               *std::max_element(checks.ns.begin(), checks.ns.end())});
  }
}

// "prefill 256 plan" -> "prefill 256"
void read_plans(const std::vector<Sample>& samples, Quality& quality) {
  constexpr std::string_view kPlan = " plan";
  std::vector<std::pair<std::string, std::vector<double>>> measured;  // in the order of the gate
  std::map<std::string, double> predicted;
  for (const Sample& s : samples) {
    const auto prediction = s.params.find("predicted_ns");
    if (s.kind != SampleKind::kGate || prediction == s.params.end() || !s.subject.ends_with(kPlan)) continue;
    const std::string bucket = s.subject.substr(0, s.subject.size() - kPlan.size());
    if (predicted.emplace(bucket, static_cast<double>(prediction->second)).second) measured.push_back({bucket, {}});
    std::find_if(measured.begin(), measured.end(), [&](const auto& m) {
      return m.first == bucket;
    })->second.push_back(s.device_ns);
  }
  for (auto& [bucket, ns] : measured) {
    quality.plans.push_back({bucket, predicted.at(bucket), median_and_mad(std::move(ns)).median});
  }
}

void print_held_out(const Quality& quality) {
  Table table({"errors, held out", "op", "shapes", "kept", "curves: half, p95", "trees", "curves+trees"});
  for (const Quality::Fitted& device : quality.fitted) {
    for (const HeldOut& op : device.ops) {
      std::vector<std::string> row = {shortened(device.device, 20), words(op), std::to_string(op.shapes),
                                      op.errors.empty() ? "curves" : std::string(name_of(op.kept))};
      if (op.errors.empty()) row.emplace_back("too few");
      for (const HeldOutError& e : op.errors) row.push_back(percent(e.median) + ", " + percent(e.p95));
      table.add(std::move(row));
    }
  }
  std::printf("%s\n", table.text().c_str());
}

void print_steps(const Quality& quality) {
  Table table({"whole steps", "rows", "took, over the sum of the ops", "spread"});
  bool any = false;
  for (const Quality::Fitted& device : quality.fitted) {
    for (const StepFactors::Point& p : device.steps) {
      char factor[32];
      std::snprintf(factor, sizeof factor, "%.3f", p.factor.value);
      table.add({shortened(device.device, 20), std::to_string(p.m), factor, percent(p.factor.spread)});
      any = true;
    }
  }
  if (any) std::printf("%s\n", table.text().c_str());
}

nlohmann::ordered_json steps_json(const Quality& quality) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Quality::Fitted& device : quality.fitted) {
    for (const StepFactors::Point& p : device.steps) {
      list.push_back(
          {{"device", device.device}, {"rows", p.m}, {"factor", p.factor.value}, {"spread", p.factor.spread}});
    }
  }
  return list;
}

nlohmann::ordered_json held_out_json(const Quality& quality) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Quality::Fitted& device : quality.fitted) {
    for (const HeldOut& op : device.ops) {
      nlohmann::ordered_json errors = nlohmann::ordered_json::object();
      for (const HeldOutError& e : op.errors) {
        errors[std::string(name_of(e.family))] = {{"median", e.median}, {"p95", e.p95}, {"mean", e.mean}};
      }
      list.push_back({{"device", device.device},
                      {"op", words(op)},
                      {"shapes", op.shapes},
                      {"kept", name_of(op.kept)},
                      {"errors", std::move(errors)}});
    }
  }
  return list;
}

}  // namespace

Quality quality_of(const Store& store) {
  Quality quality;
  for (Store::RunRow& run : store.runs()) {
    if (run.samples > 0) quality.run = std::move(run);
  }
  if (quality.run.samples == 0) {
    throw input_error("nothing has been measured yet", "'hetero-tune run --model FILE.gguf' does");
  }
  const std::vector<Sample> samples = store.samples({.trusted_only = false, .run = quality.run.id});
  read_trust(samples, quality);
  read_anchors(samples, quality);
  read_plans(samples, quality);
  quality.stages = store.stages(quality.run.id);
  for (const Store::ProfileRow& row : store.profiles()) {
    // The profiles that the run fitted, else those of the devices that it measured: it may have ended before fitting.
    const bool measured = std::any_of(samples.begin(), samples.end(), [&](const Sample& s) {
      return s.device == row.profile.device && s.exact_fingerprint == row.profile.exact_fingerprint;
    });
    if (row.run != quality.run.id && !measured) continue;
    const auto steps = std::find_if(row.profile.steps.begin(), row.profile.steps.end(), [&](const StepFactors& s) {
      return s.model == quality.run.info.model_fingerprint;
    });
    quality.fitted.push_back({row.profile.device, row.profile.held_out,
                              steps == row.profile.steps.end() ? std::vector<StepFactors::Point>() : steps->points});
    std::vector<Sample> of_device = store.samples({.exact_fingerprint = row.profile.exact_fingerprint});
    std::erase_if(of_device, [&](const Sample& s) { return s.device != row.profile.device; });
    for (HeldOutSlowdown& s : held_out_slowdowns(row.profile.device, of_device)) {
      quality.slowdowns.push_back({row.profile.device, std::move(s)});
    }
  }
  return quality;
}

void print_quality(const Quality& quality) {
  std::printf("run %lld, %s, %s, %lld samples\n%s\n\n", static_cast<long long>(quality.run.id),
              quality.run.info.started_utc.c_str(),
              quality.run.outcome.empty() ? "unfinished" : quality.run.outcome.c_str(),
              static_cast<long long>(quality.run.samples), shortened(quality.run.info.command, 100).c_str());
  if (!quality.fitted.empty()) print_held_out(quality);
  print_steps(quality);

  Table trust({"samples", "taken", "untrusted", "share"});
  for (const Quality::Trust& t : quality.trust) {
    trust.add({shortened(t.device, 40), std::to_string(t.samples), std::to_string(t.untrusted),
               percent(static_cast<double>(t.untrusted) / static_cast<double>(t.samples))});
  }
  std::printf("%s\n", trust.text().c_str());

  if (!quality.anchors.empty()) {
    Table anchors({"anchor", "checks", "drifted", "off its median: half", "most", "op"});
    for (const Quality::Anchor& a : quality.anchors) {
      anchors.add({shortened(a.device, 20), std::to_string(a.checks), std::to_string(a.drifted), percent(a.median),
                   percent(a.worst), shortened(a.subject, 36)});
    }
    std::printf("%s\n", anchors.text().c_str());
  }
  if (!quality.slowdowns.empty()) {
    Table slowdowns({"slow-down of", "beside", "measured", "predicted", "error", "op"});
    for (const auto& [device, s] : quality.slowdowns) {
      char measured[32];
      char predicted[32];
      std::snprintf(measured, sizeof measured, "%.3f", s.measured);
      std::snprintf(predicted, sizeof predicted, "%.3f", s.predicted);
      slowdowns.add({shortened(device, 16), shortened(s.with, 20), measured, predicted,
                     percent(s.predicted / s.measured - 1), shortened(s.subject, 34)});
    }
    std::printf("%s\n", slowdowns.text().c_str());
  }
  if (!quality.plans.empty()) {
    Table plans({"plan", "predicted", "measured", "error"});
    for (const Quality::Predicted& p : quality.plans) {
      plans.add({p.bucket, format_duration_ns(p.predicted_ns), format_duration_ns(p.measured_ns), percent(p.error())});
    }
    std::printf("%s\n", plans.text().c_str());
  }
  if (!quality.stages.empty()) {
    Table stages({"stage", "took", "of"});
    for (const StageTime& s : quality.stages) {
      stages.add({s.stage, seconds(s.seconds), s.budget_seconds > 0 ? seconds(s.budget_seconds) : "-"});
    }
    std::printf("%s", stages.text().c_str());
  }
}

void print_quality_json(const Quality& quality) {
  using Json = nlohmann::ordered_json;
  Json document;
  document["run"] = {{"id", quality.run.id},
                     {"started_utc", quality.run.info.started_utc},
                     {"outcome", quality.run.outcome},
                     {"samples", quality.run.samples},
                     {"command", quality.run.info.command}};
  document["held_out"] = held_out_json(quality);
  document["steps"] = steps_json(quality);
  document["trust"] = Json::array();
  for (const Quality::Trust& t : quality.trust) {
    document["trust"].push_back({{"device", t.device}, {"samples", t.samples}, {"untrusted", t.untrusted}});
  }
  document["anchors"] = Json::array();
  for (const Quality::Anchor& a : quality.anchors) {
    document["anchors"].push_back({{"device", a.device},
                                   {"subject", a.subject},
                                   {"checks", a.checks},
                                   {"drifted", a.drifted},
                                   {"median_drift", a.median},
                                   {"worst_drift", a.worst}});
  }
  document["slowdowns"] = Json::array();
  for (const auto& [device, s] : quality.slowdowns) {
    document["slowdowns"].push_back({{"device", device},
                                     {"with", s.with},
                                     {"subject", s.subject},
                                     {"measured", s.measured},
                                     {"predicted", s.predicted}});
  }
  document["plans"] = Json::array();
  for (const Quality::Predicted& p : quality.plans) {
    document["plans"].push_back(
        {{"bucket", p.bucket}, {"predicted_ns", p.predicted_ns}, {"measured_ns", p.measured_ns}, {"error", p.error()}});
  }
  document["stages"] = Json::array();
  for (const StageTime& s : quality.stages) {
    document["stages"].push_back({{"stage", s.stage}, {"seconds", s.seconds}, {"budget_seconds", s.budget_seconds}});
  }
  std::printf("%s\n", document.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
}

}  // namespace hetero
