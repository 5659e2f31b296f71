#include "reports/characteristics.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "base/error.h"
#include "profiles/cost_model.h"

namespace hetero {
namespace {

void add(std::vector<SampleGroup>& groups, const Sample& sample, double value) {
  if (!(value > 0)) return;
  for (SampleGroup& group : groups) {
    if (group.device == sample.device && group.subject == sample.subject && group.active_with == sample.active_with) {
      group.values.push_back(value);
      return;
    }
  }
  groups.push_back({sample.device, sample.subject, sample.active_with, {value}});
}

auto order_of(const OpSamples& s) { return std::tuple(s.device, s.op.kind, s.op.w, s.op.n, s.op.k, s.op.m); }

std::optional<double> fitted(const CostModel& model, const std::string& device, const OpDesc& op) {
  if (!model.knows(device)) return std::nullopt;
  try {
    return model.op(device, op).median_ns;
  } catch (const Error&) {  // the profile has no curve for this kind of op
    return std::nullopt;
  }
}

}  // namespace

Characteristics characteristics(const Store& store, const Report& report) {
  std::map<std::string, DeviceProfile> current;  // the latest of each device
  for (const Store::ProfileRow& row : report.devices) current[row.profile.device] = row.profile;
  std::vector<DeviceProfile> profiles;
  for (const auto& [id, profile] : current) profiles.push_back(profile);
  const CostModel model(std::move(profiles));

  Characteristics result;
  std::map<std::pair<std::string, std::string>, OpSamples> ops;  // by device and op text
  for (const Store::RunRow& run : report.runs) {
    for (const Sample& sample : store.samples({.run = run.id})) {
      const auto profile = current.find(sample.device);
      if (profile != current.end() && profile->second.exact_fingerprint != sample.exact_fingerprint) {
        ++result.out_of_date;
        continue;
      }
      switch (sample.kind) {
        case SampleKind::kOp:
          if (sample.device_ns > 0 && sample.active_with.empty()) {
            ops[{sample.device, sample.subject}].samples_ns.push_back(sample.device_ns);
          }
          break;
        case SampleKind::kBandwidth:
          add(result.bandwidth_gbps, sample, sample.value);
          break;
        case SampleKind::kLaunch:
          add(result.launch_ns, sample, sample.launch_ns);
          break;
        case SampleKind::kJoin:
          add(result.join_ns, sample, sample.join_ns);
          break;
        case SampleKind::kGraphCompile:
          add(result.graph_compile_ns, sample, sample.compile_ns);
          break;
        case SampleKind::kContention:
        case SampleKind::kGate:
        case SampleKind::kAnchor:
        case SampleKind::kStep:
        case SampleKind::kVariant:
          break;
      }
    }
  }
  for (auto& [key, samples] : ops) {
    samples.device = key.first;
    samples.op = parse_op_desc(key.second);
    samples.fitted_ns = fitted(model, key.first, samples.op);
    result.ops.push_back(std::move(samples));
  }
  std::sort(result.ops.begin(), result.ops.end(),
            [](const OpSamples& a, const OpSamples& b) { return order_of(a) < order_of(b); });
  return result;
}

}  // namespace hetero
