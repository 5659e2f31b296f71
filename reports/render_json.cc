#include "reports/render_json.h"

#include <nlohmann/json.hpp>

#include "profiles/cost_model.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

Json text_or_null(const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); }
Json positive_or_null(double value) { return value > 0 ? Json(value) : Json(nullptr); }

Json json_of(const Store::RunRow& run) {
  return {{"id", run.id},
          {"started_utc", run.info.started_utc},
          {"outcome", text_or_null(run.outcome)},
          {"host", run.info.host},
          {"cpu", run.info.cpu},
          {"program_version", run.info.program_version},
          {"build_type", run.info.build_type},
          {"command", run.info.command},
          {"load_average", run.info.load_average},
          {"model_fingerprint", text_or_null(run.info.model_fingerprint)},
          {"samples", run.samples}};
}

Json json_of(const std::map<SampleStatus, std::int64_t>& samples) {
  std::int64_t total = 0;
  Json by_status = Json::object();
  for (const auto& [status, count] : samples) {
    total += count;
    by_status[std::string(name_of(status))] = count;
  }
  return {{"total", total}, {"by_status", by_status}};
}

Json json_of(const DeviceProfile& device, const Figure& figure) {
  if (!(figure.value > 0)) return nullptr;
  return {{"value", figure.value},
          {"spread", figure.spread},
          {"provenance", std::string(name_of(shown_provenance(device, figure)))},
          {"source", figure.source}};
}
Json json_of(const DeviceProfile& device, const std::map<std::string, Figure>& figures) {
  Json json = Json::object();
  for (const auto& [name, figure] : figures) json[name] = json_of(device, figure);
  return json;
}

Json json_of(const Store::ProfileRow& row) {
  const DeviceProfile& d = row.profile;
  return {{"id", d.device},
          {"kind", d.kind},
          {"name", d.name},
          {"driver", d.driver},
          {"times", times_of(d)},
          {"run", row.run},
          {"exact_fingerprint", d.exact_fingerprint},
          {"bandwidth_gbps", json_of(d, d.bandwidth_gbps)},
          {"bandwidth_together_gbps", json_of(d, d.bandwidth_together_gbps)},
          {"launch_ns", json_of(d, d.launch_ns)},
          {"join_ns", json_of(d, d.join_ns)},
          {"best_waiter", d.join_ns.empty() ? Json(nullptr) : Json(CostModel({d}).best_waiter(d.device))},
          {"standard_sizes", d.standard_sizes},
          {"memory_bytes", d.memory_bytes}};
}

Json json_of(const Report& report, const KernelChoice& choice) {
  return {{"family_fingerprint", choice.family_fingerprint},
          {"devices", devices_of_family(report, choice.family_fingerprint)},
          {"variant", choice.variant},
          {"revision", choice.revision},
          {"op", choice.subject},
          {"params", choice.params},
          {"best_ns", choice.best_ns},
          {"default_ns", choice.default_ns}};
}

Json json_of(const std::vector<Share>& shares) {
  Json json = Json::array();
  for (const Share& share : shares) json.push_back({{"device", share.device}, {"fraction", share.fraction}});
  return json;
}

Json json_of(const BlockPlan& block) {
  return {{"block", std::string(name_of(block.block))},
          {"layer", block.layer < 0 ? Json(nullptr) : Json(block.layer)},
          {"strategy", std::string(name_of(block.strategy))},
          {"features", json_of(block.features)},
          {"rows", json_of(block.rows)},
          {"predicted_ns", positive_or_null(block.predicted_ns)}};
}

Json json_of(const Report& report, const std::optional<GateTiming>& timing) {
  if (!timing) return nullptr;
  const double rows = static_cast<double>(timing->rows);
  return {{"devices", timing->devices},
          {"times", times_of(report, timing->devices)},
          {"rows", timing->rows},
          {"median_ns", timing->median_ns},
          {"mad_ns", timing->mad_ns},
          {"tok_per_s", timing->median_ns > 0 ? Json(rows / timing->median_ns * 1e9) : Json(nullptr)},
          {"samples_ns", timing->samples_ns}};
}

Json json_of(const std::optional<PlanBucket::Verdict>& verdict) {
  if (!verdict) return nullptr;
  return {{"adopted", verdict->adopted},
          {"best_single", verdict->best_single},
          {"plan_over_single", positive_or_null(verdict->plan_over_single)},
          {"noise", verdict->noise},
          {"reason", verdict->reason}};
}

Json json_of(const Report& report, const PlanReport& plan) {
  Json buckets = Json::array();
  for (std::size_t i = 0; i < plan.plan.buckets.size(); ++i) {
    const PlanBucket& bucket = plan.plan.buckets[i];
    const GateTimes gate = i < plan.gate.size() ? plan.gate[i] : GateTimes{};
    const std::optional<double> error = prediction_error(bucket, gate);
    Json blocks = Json::array();
    for (const BlockPlan& block : bucket.blocks) blocks.push_back(json_of(block));
    buckets.push_back({{"phase", std::string(name_of(bucket.phase))},
                       {"tokens", bucket.tokens},
                       {"predicted_ns", positive_or_null(predicted_ns(bucket, gate))},
                       {"gate", {{"plan", json_of(report, gate.plan)}, {"single", json_of(report, gate.single)}}},
                       {"prediction_error", error ? Json(*error) : Json(nullptr)},
                       {"verdict", json_of(bucket.verdict)},
                       {"blocks", blocks}});
  }
  return {{"run", plan.run},
          {"started_utc", plan.started_utc},
          {"model", {{"name", text_or_null(plan.model_name)}, {"fingerprint", plan.plan.model_fingerprint}}},
          {"origin", plan.plan.origin},
          {"devices", plan.plan.devices},
          {"device_fingerprints", plan.plan.device_fingerprints},
          {"changed_devices", changed_devices(report, plan.plan)},
          {"memory_bytes", plan.plan.memory_bytes},
          {"waiters", plan.plan.waiters},
          {"graph_sizes", plan.plan.graph_sizes},
          {"buckets", buckets}};
}

}  // namespace

std::string render_json(const Report& report) {
  Json runs = Json::array();
  for (const Store::RunRow& run : report.runs) runs.push_back(json_of(run));
  Json devices = Json::array();
  for (const Store::ProfileRow& row : report.devices) devices.push_back(json_of(row));
  Json plans = Json::array();
  for (const PlanReport& plan : report.plans) plans.push_back(json_of(report, plan));
  Json kernels = Json::array();
  for (const KernelChoice& choice : report.kernels) kernels.push_back(json_of(report, choice));
  const Json document = {{"schema", "hetero.report"},
                         {"version", 1},
                         {"database", report.database},
                         {"model_fingerprint", text_or_null(report.model_fingerprint)},
                         {"runs", runs},
                         {"samples", json_of(report.samples)},
                         {"devices", devices},
                         {"plans", plans},
                         {"kernels", kernels}};
  // A driver's name that is not UTF-8 must not make a report unwritable.
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace hetero
