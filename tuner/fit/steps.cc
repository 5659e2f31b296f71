#include "tuner/fit/steps.h"

#include <cstdint>
#include <utility>

#include "base/error.h"
#include "profiles/cost_model.h"
#include "tuner/fit/curves.h"

namespace hetero {
namespace {

constexpr std::size_t kFewestSamples = 2;  // one alone may be anything

// A step's time is layers * factor(rows) + head * factor(1): the head has one row.
struct Sum {
  double layers_ns = 0;
  double head_ns = 0;
};

// Throws input_error where the profile has no curve for an op.
Sum sum_of_ops(const CostModel& costs, const std::string& device, const ModelShape& shape, std::int64_t rows,
               std::int64_t context) {
  Sum sum;
  const auto add = [&](double& to, BlockKind kind, int layer, std::int64_t m) {
    for (const OpDesc& op : block_ops(shape, kind, layer, m, context)) to += costs.op(device, op).median_ns;
  };
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int kind = 0; kind < kBlockKinds; ++kind) {
      if (static_cast<BlockKind>(kind) != BlockKind::kHead) {
        add(sum.layers_ns, static_cast<BlockKind>(kind), layer, rows);
      }
    }
  }
  add(sum.head_ns, BlockKind::kHead, 0, 1);
  return sum;
}

}  // namespace

std::vector<StepFactors> fit_steps(const std::vector<const Sample*>& samples, const DeviceProfile& profile,
                                   const std::map<std::string, ModelShape>& shapes) {
  struct Rows {
    std::int64_t context = 0;
    std::vector<double> ns;
  };
  std::map<std::string, std::map<std::int64_t, Rows>> by_model;
  for (const Sample* s : samples) {
    const std::int64_t rows = s->param("rows");
    if (s->kind != SampleKind::kStep || rows < 1 || s->device_ns <= 0) continue;
    Rows& of_rows = by_model[model_of_step(s->subject)][rows];
    of_rows.context = s->param("context");
    of_rows.ns.push_back(s->device_ns);
  }
  const CostModel costs({profile});
  std::vector<StepFactors> result;
  for (auto& [model, rows] : by_model) {
    const auto shape = shapes.find(model);
    if (shape == shapes.end()) continue;
    StepFactors factors{model, layer_weights(shape->second), {}};
    double of_head = 1;
    for (auto& [m, measured] : rows) {  // ascending: decode, whose factor is the head's too, comes first
      if (measured.ns.size() < kFewestSamples) continue;
      const Spread ns = fastest_state(std::move(measured.ns));
      Sum sum;
      try {
        sum = sum_of_ops(costs, profile.device, shape->second, m, measured.context);
      } catch (const Error&) {
        continue;
      }
      const double factor =
          m == 1 ? ns.median / (sum.layers_ns + sum.head_ns) : (ns.median - of_head * sum.head_ns) / sum.layers_ns;
      if (!(factor > 0)) continue;
      if (m == 1) of_head = factor;
      factors.points.push_back({m, {factor, ns.mad, Provenance::kMeasured, source_text(ns.count)}});
    }
    if (!factors.points.empty()) result.push_back(std::move(factors));
  }
  return result;
}

}  // namespace hetero
