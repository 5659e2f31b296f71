// Table 3 of "Characterizing Mobile SoC for Accelerating Heterogeneous LLM Inference" (arXiv 2501.14794v2): its six
// rows with single values, under the assumptions that reproduce them: shares on the grid {1/4, 2/5, 1/2, 3/4} or one
// device alone, latencies linear in the share, a synchronisation between 0 and 164 us that everything but the GPU alone
// pays. Derived, not published: on finer grids other shares win, and no match with the paper may be claimed from it.
#include <gtest/gtest.h>

#include "tests/tuner/pure/small_problem.h"
#include "tuner/solve/options.h"

namespace hetero {
namespace {

struct Row {
  std::int64_t n, k, rows;  // weight [n, k], prompt rows
  double gpu_us, npu_us;    // alone
  double gpu_share;         // the strategy of the table as the GPU's share
};
const Row kRows[] = {
    {4096, 4096, 1, 511, 693, 0.5},         // weight-centric 1:1
    {28672, 4096, 1, 1903, 3886, 0.75},     // weight-centric 3:1
    {4096, 14336, 1, 1467, 6506, 1},        // GPU alone
    {4096, 4096, 128, 7306, 912, 0},        // NPU alone
    {4096, 4096, 256, 10841, 1884, 0},      // NPU alone
    {4096, 14336, 256, 35231, 23445, 0.4},  // weight-centric 2:3
};

DeviceProfile linear(const std::string& id, const Row& row, double us, double join_us) {
  const double per_weight = us * 1000 / static_cast<double>(row.n * row.k);
  DeviceProfile profile = small_profile(id, per_weight, 0, 0, join_us * 1000);
  profile.matmul[0].points[0].m = row.rows;
  return profile;
}

TEST(Table3, SingleValuedRowsFollowFromTheObjective) {
  for (const double sync_us : {1.0, 80.0, 160.0}) {
    for (const Row& row : kRows) {
      // One output projection of this shape: [n, k] with k = heads * head_dim.
      ModelShape shape = small_shape(1, row.n, 32, 1);
      shape.heads = shape.kv_heads = 1;
      shape.head_dim = row.k;
      const CostModel costs({linear("gpu", row, row.gpu_us, sync_us), linear("npu", row, row.npu_us, sync_us)});
      SolveProblem problem;
      problem.shape = &shape;
      problem.costs = &costs;
      problem.devices = {solve_device("gpu"), solve_device("npu")};
      problem.facts.resize(2);
      problem.facts[0].id = "gpu";
      problem.facts[1].id = "npu";
      problem.fact_pointers = {&problem.facts[0], &problem.facts[1]};
      const SpanTimes span(problem, {BlockKind::kAttentionOut}, SpanForm::kByColumns, 0, row.rows, row.rows);
      const Phase phase = row.rows == 1 ? Phase::kDecode : Phase::kPrefill;
      const Option divided = best_by_features(problem, span, phase, 0b11, {0, 0.25, 0.4, 0.5, 0.75, 1});
      const auto alone = [&](const std::string& id) {
        BlockPlan plan;
        plan.features = {{id, 1.0}};
        return evaluate(problem, span, phase, plan);
      };
      // T = min(max(T_gpu, T_npu) + T_sync, T_gpu(all), T_npu(all) + T_sync)
      const Option gpu = alone("gpu");
      const double gpu_ns = gpu.total_ns - gpu.join_ns;
      const double npu_ns = alone("npu").total_ns;
      double share = divided.features[0].fraction;
      if (gpu_ns <= divided.total_ns && gpu_ns <= npu_ns) share = 1;
      if (npu_ns < gpu_ns && npu_ns <= divided.total_ns) share = 0;
      EXPECT_NEAR(share, row.gpu_share, 1e-12) << row.n << " x " << row.k << " at " << row.rows << ", sync " << sync_us;
    }
  }
}

}  // namespace
}  // namespace hetero
