// A Report written by hand, which the renderers' tests render: a prefill bucket that was adopted, a decode bucket where
// the single device stayed. For tests only.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "reports/report.h"

namespace hetero {

inline Figure measured(double value) { return {value, 0.02, Provenance::kMeasured, "7 samples"}; }

inline DeviceProfile device(const std::string& id, const std::string& name, const std::string& driver) {
  DeviceProfile d;
  d.device = id;
  d.kind = "cpu";
  d.name = name;
  d.driver = driver;
  d.exact_fingerprint = "exact " + id;
  d.bandwidth_gbps = measured(12.25);
  d.launch_ns = measured(1500);
  d.join_ns = {{"poll", measured(800)}, {"driver", measured(9000)}};
  return d;
}

inline BlockPlan rows(BlockKind kind, double first) {
  BlockPlan block;
  block.block = kind;
  block.strategy = Strategy::kRows;
  block.features = {{"cpu:0", first}, {"opencl:0@1", 1 - first}};
  return block;
}

inline BlockPlan single(BlockKind kind, const std::string& id) {
  BlockPlan block;
  block.block = kind;
  block.features = {{id, 1}};
  return block;
}

inline GateTiming timing(std::int64_t step_rows, double ns, std::vector<std::string> devices) {
  return {.rows = step_rows,
          .median_ns = ns,
          .mad_ns = ns / 100,
          .samples_ns = {ns, ns, ns},
          .devices = std::move(devices)};
}

// A prefill bucket that was adopted, a decode bucket where the single device stayed.
inline Report report() {
  Report r;
  r.database = "my.db";
  r.runs.push_back({.id = 7,
                    .info = {.program_version = "0.1.0",
                             .host = "box",
                             .cpu = "Some CPU",
                             .started_utc = "2026-01-02T03:04:05Z",
                             .build_type = "Release",
                             .command = "hetero-tune run | tee <log>",
                             .load_average = 0.5,
                             .model_fingerprint = "m1"},
                    .outcome = "done",
                    .samples = 12});
  r.samples = {{SampleStatus::kOk, 10}, {SampleStatus::kWrongResult, 2}};
  r.devices.push_back({7, device("cpu:0", "Some CPU", "avx2")});
  r.devices.push_back({7, device("opencl:0@1", "Other | name", "PoCL 3.1")});
  r.devices[0].profile.bandwidth_together_gbps["opencl:0@1"] = measured(9.5);

  PlanReport plan{
      .run = 7, .started_utc = "2026-01-02T03:04:05Z", .model_name = "Little_Model", .plan = {}, .gate = {}};
  plan.plan.model_fingerprint = "m1";
  plan.plan.devices = {"cpu:0", "opencl:0@1"};
  plan.plan.device_fingerprints = {{"cpu:0", "exact cpu:0"}, {"opencl:0@1", "exact opencl:0@1"}};
  plan.plan.memory_bytes = {{"cpu:0", 1 << 20}};
  plan.plan.origin = "tuned";
  PlanBucket prefill;
  prefill.phase = Phase::kPrefill;
  prefill.tokens = 256;
  prefill.blocks = {rows(BlockKind::kFfnIn, 0.62), rows(BlockKind::kFfnOut, 0.62), single(BlockKind::kHead, "cpu:0")};
  prefill.predicted_ns = 100e6;
  prefill.verdict = {
      .adopted = true, .best_single = "cpu:0", .plan_over_single = 0.55, .noise = 0.02, .reason = "it won"};
  PlanBucket decode;
  decode.phase = Phase::kDecode;
  decode.tokens = 1;
  decode.blocks = {single(BlockKind::kFfnIn, "cpu:0"), single(BlockKind::kFfnOut, "cpu:0")};
  decode.verdict = {
      .adopted = false, .best_single = "cpu:0", .plan_over_single = 1.2, .noise = 0.03, .reason = "it lost"};
  plan.plan.buckets = {decode, prefill};
  plan.gate.push_back({timing(1, 12e6, {"cpu:0", "opencl:0@1"}), timing(1, 10e6, {"cpu:0"})});
  plan.gate[0].plan->predicted_ns = 9e6;  // of the candidate that lost
  plan.gate.push_back({timing(256, 110e6, {"cpu:0", "opencl:0@1"}), timing(256, 200e6, {"cpu:0"})});
  r.plans.push_back(plan);
  return r;
}

inline void make_emulated(Report& r, const std::string& manner) {
  DeviceProfile npu = device("sim:x/npu", manner + " NPU", manner + " from profile x");
  npu.kind = "npu";
  r.devices.push_back({7, npu});
  r.plans[0].gate[1].plan->devices.push_back("sim:x/npu");
}

}  // namespace hetero
