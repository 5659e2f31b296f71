#include "reports/collect.h"

#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "reports/statistics.h"
#include "reports/words.h"

namespace hetero {
namespace {

// The gate names its samples "decode plan", "prefill 256 single" and gives each the rows of its step.
std::optional<GateTiming> timing_of(const std::vector<Sample>& gate, const std::string& subject) {
  GateTiming timing;
  for (const Sample& sample : gate) {
    if (sample.subject != subject) continue;
    timing.rows = sample.param("rows");
    timing.predicted_ns = static_cast<double>(sample.param("predicted_ns"));
    timing.samples_ns.push_back(sample.device_ns);
    timing.devices = {sample.device};
    std::stringstream others(sample.active_with);
    for (std::string id; std::getline(others, id, '+');) timing.devices.push_back(id);
  }
  if (timing.samples_ns.empty()) return std::nullopt;
  timing.median_ns = median_of(timing.samples_ns);
  timing.mad_ns = mad_of(timing.samples_ns);
  return timing;
}

PlanReport plan_report(const Store& store, const Store::PlanRow& row, const std::vector<Store::RunRow>& runs) {
  PlanReport report{.run = row.run, .started_utc = "", .model_name = "", .plan = row.plan, .gate = {}};
  for (const Store::RunRow& run : runs) {
    if (run.id == row.run) report.started_utc = run.info.started_utc;
  }
  if (const std::optional<ModelShape> shape = store.shape(row.plan.model_fingerprint)) {
    report.model_name = shape->name;
    report.layers = shape->layers;
  }
  // Only of the run that made the plan: another run's gate judged another plan, perhaps of another model.
  const std::vector<Sample> gate = store.samples({.kind = SampleKind::kGate, .run = row.run});
  for (const PlanBucket& bucket : row.plan.buckets) {
    // Where the neighbour's division was tried and won, its samples are those of the plan.
    std::string label = label_of(bucket);
    const bool again = bucket.verdict && bucket.verdict->adopted && timing_of(gate, label + " again plan");
    if (again) label += " again";
    report.gate.push_back({timing_of(gate, label + " plan"), timing_of(gate, label + " single")});
  }
  return report;
}

[[noreturn]] void unknown_model(const std::string& wanted, const std::string& database,
                                const std::set<std::string>& known) {
  std::string list;
  for (const std::string& model : known) list += (list.empty() ? "" : ", ") + model;
  throw input_error("database " + database + " knows no model '" + wanted + "'",
                    list.empty() ? "hetero-tune run --model FILE.gguf tunes one" : "it knows " + list);
}

}  // namespace

Report collect(const Store& store, const std::string& database, const std::string& model_fingerprint) {
  const auto wanted = [&](const std::string& model) { return model_fingerprint.empty() || model == model_fingerprint; };
  Report report{.database = database,
                .model_fingerprint = model_fingerprint,
                .runs = {},
                .samples = {},
                .devices = {},
                .plans = {}};
  const std::vector<Store::RunRow> runs = store.runs();
  std::set<std::string> models;
  std::set<RunId> run_ids;
  for (const Store::RunRow& run : runs) {
    if (!run.info.model_fingerprint.empty()) models.insert(run.info.model_fingerprint);
    if (!wanted(run.info.model_fingerprint)) continue;
    report.runs.push_back(run);
    run_ids.insert(run.id);
  }
  for (const Store::StatusCount& count : store.status_counts()) {
    if (run_ids.contains(count.run)) report.samples[count.status] += count.samples;
  }
  report.devices = store.profiles();
  report.kernels = store.kernel_choices();
  for (const Store::PlanRow& row : store.plans()) {
    models.insert(row.plan.model_fingerprint);
    if (wanted(row.plan.model_fingerprint)) report.plans.push_back(plan_report(store, row, runs));
  }
  if (!model_fingerprint.empty() && !models.contains(model_fingerprint)) {
    unknown_model(model_fingerprint, database, models);
  }
  return report;
}

}  // namespace hetero
