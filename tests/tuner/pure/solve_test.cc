// The solver on cases worked out by hand, and the promises it makes: never above the best single device, within the
// memory budget, deterministic, one order of devices.
#include "tuner/solve/solve.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "tests/tuner/pure/small_problem.h"
#include "tuner/solve/families.h"

namespace hetero {
namespace {

const BlockPlan& block_of(const Solution& s, Phase phase, std::int64_t tokens, BlockKind kind, int layer = -1) {
  return *block_plan_for(bucket_of(s.plan, phase, tokens), kind, layer);
}

const Candidate* candidate_of(const Solution& s, Phase phase, BlockKind kind, Strategy strategy) {
  for (const Solution::Explained& e : s.explained) {
    if (e.phase != phase || e.block != kind) continue;
    for (const Candidate& c : e.candidates) {
      if (c.block.strategy == strategy) return &c;
    }
  }
  return nullptr;
}

// Device a: 1 ns a weight. width = 256, ffn = 512: out 65536 weights, gate + up 262144, down 131072, q k v 196608 (4
// heads, 4 KV heads), head 65536. Other ops take no time unless said.
ModelShape hand_shape() { return small_shape(2, 256, 512, 4); }
constexpr double kLayerWeights = 196608 + 65536 + 262144 + 131072;
constexpr double kHeadWeights = 65536;

TEST(Solve, SingleDeviceIsOneLaunchAndOneJoin) {
  const CostModel costs({small_profile("a", 1, 10, 1000, 5000)});
  const Solution s = solve(hand_shape(), costs, {solve_device("a")}, {});
  // Other ops of a layer at 10 ns each: 2 norms, 2 ropes, attention, swiglu; the head's norm.
  const double expected = 2 * (kLayerWeights + 60) + kHeadWeights + 10 + 1000 + 5000;
  EXPECT_DOUBLE_EQ(bucket_of(s.plan, Phase::kDecode, 1).predicted_ns, expected);
  for (const BlockPlan& block : bucket_of(s.plan, Phase::kDecode, 1).blocks)
    EXPECT_EQ(block.strategy, Strategy::kSingle);
  EXPECT_EQ(s.plan.devices, std::vector<std::string>{"a"});
  EXPECT_EQ(s.plan.device_fingerprints.at("a"), "fp-a");
  EXPECT_EQ(s.plan.waiters.at("a"), "poll");
  EXPECT_EQ(s.plan.origin, "tuned");
  EXPECT_EQ(s.plan.model_fingerprint, fingerprint(hand_shape()));
}

TEST(Solve, RowsAreBalancedByRate) {
  // b is three times as slow: 3/4 to a. No launch, no join: every op is divided at no cost.
  const CostModel costs({small_profile("a", 1, 0, 0, 0), small_profile("b", 3, 0, 0, 0)});
  SolveOptions options;
  options.strategies = {Strategy::kRows};
  const Solution s = solve(hand_shape(), costs, {solve_device("a"), solve_device("b")}, options);
  const BlockPlan& out = block_of(s, Phase::kDecode, 1, BlockKind::kAttentionOut);
  EXPECT_EQ(out.strategy, Strategy::kRows);
  EXPECT_EQ(out.features, (std::vector<Share>{{"a", 0.75}, {"b", 0.25}}));
  EXPECT_DOUBLE_EQ(out.predicted_ns, 0.75 * 65536);
  EXPECT_DOUBLE_EQ(bucket_of(s.plan, Phase::kDecode, 1).predicted_ns, 0.75 * (2 * kLayerWeights + kHeadWeights));
  const Candidate* candidate = candidate_of(s, Phase::kDecode, BlockKind::kAttentionOut, Strategy::kRows);
  ASSERT_NE(candidate, nullptr);
  EXPECT_DOUBLE_EQ(candidate->device_ns.at("a"), 49152);
  EXPECT_DOUBLE_EQ(candidate->device_ns.at("b"), 49152);
}

// What a bucket is divided into does not depend on the others, as long as memory is no matter.
TEST(Solve, ABucketForItselfIsTheOneAmongOthers) {
  const DeviceProfile a = small_profile("a", 1, 10, 700, 300);
  const DeviceProfile b = small_profile("b", 0.7, 10, 900, 2000);
  const CostModel costs({a, b});
  SolveOptions options;
  options.buckets = {64, 96};
  const std::vector<SolveDevice> devices = {solve_device("a"), solve_device("b", {1, 32, 64})};
  const Solution s = solve(hand_shape(), costs, devices, options);
  const std::vector<SolveDevice> order = fastest_first(hand_shape(), costs, devices, options);
  ASSERT_EQ(order.size(), 2U);
  EXPECT_EQ(order.front().id, "b");
  EXPECT_EQ(order.front().standard_sizes, devices[1].standard_sizes);
  ASSERT_EQ(s.plan.buckets.size(), 3U);
  for (const PlanBucket& bucket : s.plan.buckets) {
    EXPECT_EQ(solve_bucket(hand_shape(), costs, order, options, bucket.phase, bucket.tokens), bucket)
        << name_of(bucket.phase) << ' ' << bucket.tokens;
  }
}

TEST(Solve, FamiliesHoldEveryStrategy) {
  std::set<Strategy> seen;
  for (const std::vector<Strategy>& family : strategy_families()) {
    for (const Strategy undivided : {Strategy::kSingle, Strategy::kPad}) {
      EXPECT_NE(std::find(family.begin(), family.end(), undivided), family.end()) << name_of(undivided);
    }
    seen.insert(family.begin(), family.end());
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kStrategies));
}

TEST(Solve, SlowdownLaunchAndJoinAreCounted) {
  // Together each takes twice as long; launch 100 each, one after the other; the dearer join counts.
  DeviceProfile a = small_profile("a", 1, 0, 100, 300);
  DeviceProfile b = small_profile("b", 1, 0, 100, 200);
  a.slowdowns = {{{"b"}, figure(2), figure(1)}};
  b.slowdowns = {{{"a"}, figure(2), figure(1)}};
  const CostModel costs({a, b});
  const Solution s = solve(hand_shape(), costs, {solve_device("a"), solve_device("b")}, {});
  const Candidate* rows = candidate_of(s, Phase::kDecode, BlockKind::kFfnOut, Strategy::kRows);
  ASSERT_NE(rows, nullptr);
  EXPECT_DOUBLE_EQ(rows->total_ns, 2 * 65536 + 200 + 300);
  EXPECT_DOUBLE_EQ(rows->join_ns, 300);
  // Nothing is gained in decode, so nothing is divided.
  for (const BlockPlan& block : bucket_of(s.plan, Phase::kDecode, 1).blocks)
    EXPECT_EQ(block.strategy, Strategy::kSingle);
}

TEST(Solve, SequenceGivesTheRestToTheDynamicDevice) {
  // 96 rows: 64 as one graph on the NPU (half the time a row), 32 on the GPU. Rows of features are forbidden.
  const CostModel costs({small_profile("gpu", 2, 0, 0, 0), small_profile("npu", 1, 0, 0, 0)});
  SolveOptions options;
  options.buckets = {96};
  options.strategies = {Strategy::kSequence};
  const Solution s = solve(hand_shape(), costs, {solve_device("gpu"), solve_device("npu", {64})}, options);
  const BlockPlan& out = block_of(s, Phase::kPrefill, 96, BlockKind::kFfnOut);
  EXPECT_EQ(out.strategy, Strategy::kSequence);
  ASSERT_EQ(out.rows.size(), 2U);
  EXPECT_EQ(out.rows[0].device, "npu");
  EXPECT_DOUBLE_EQ(out.rows[0].fraction, 64.0 / 96.0);
  EXPECT_EQ(out.rows[1].device, "gpu");
  EXPECT_DOUBLE_EQ(out.predicted_ns, 64.0 * 131072);  // npu: 64 rows at 1; gpu: 32 rows at 2
}

TEST(Solve, PadWinsJustBelowASize) {
  // 60 rows in a graph of 64; the GPU is much slower, and joins are dear.
  const CostModel costs({small_profile("gpu", 50, 0, 1000, 1e6), small_profile("npu", 1, 0, 1000, 1e6)});
  SolveOptions options;
  options.buckets = {60};
  const Solution s = solve(hand_shape(), costs, {solve_device("gpu"), solve_device("npu", {32, 64})}, options);
  const BlockPlan& in = block_of(s, Phase::kPrefill, 60, BlockKind::kFfnIn);
  EXPECT_EQ(in.features, (std::vector<Share>{{"npu", 1.0}}));
  const Candidate* pad = candidate_of(s, Phase::kPrefill, BlockKind::kFfnIn, Strategy::kPad);
  ASSERT_NE(pad, nullptr);
  EXPECT_DOUBLE_EQ(pad->device_ns.at("npu"), 64.0 * 262144);
}

TEST(Solve, HybridDividesTheGraphAndLeavesTheRest) {
  // 96 rows, one graph size of 64. npu 1, gpu 1: the GPU has the 32 rows that fit no graph (32 * W) and a part g of the
  // graph's features (64 * W * g); balanced at 64 (1 - g) = 64 g + 32: g = 1/4, time 48 W.
  const CostModel costs({small_profile("gpu", 1, 0, 0, 0), small_profile("npu", 1, 0, 0, 0)});
  SolveOptions options;
  options.buckets = {96};
  options.strategies = {Strategy::kHybrid};
  const Solution s = solve(hand_shape(), costs, {solve_device("gpu"), solve_device("npu", {64})}, options);
  const BlockPlan& out = block_of(s, Phase::kPrefill, 96, BlockKind::kFfnOut);
  EXPECT_EQ(out.strategy, Strategy::kHybrid);
  EXPECT_DOUBLE_EQ(out.predicted_ns, 48.0 * 131072);
  ASSERT_EQ(out.rows.size(), 2U);
  EXPECT_EQ(out.rows[0].device, "npu");
  double gpu_features = 0;
  for (const Share& share : out.features) gpu_features += share.device == "gpu" ? share.fraction : 0;
  EXPECT_DOUBLE_EQ(gpu_features, 0.25);
}

TEST(Solve, PairedSavesJoinsWhenTheyAreDear) {
  // Two equal devices, joins of 20000 ns: feed-forward by rows is 131072 + 65536 + 2 joins, paired has one, and adds
  // two partial sums at 10 ns.
  const CostModel costs({small_profile("a", 1, 10, 0, 20000), small_profile("b", 1, 10, 0, 20000)});
  const Solution s = solve(hand_shape(), costs, {solve_device("a"), solve_device("b")}, {});
  const BlockPlan& in = block_of(s, Phase::kDecode, 1, BlockKind::kFfnIn);
  const BlockPlan& out = block_of(s, Phase::kDecode, 1, BlockKind::kFfnOut);
  EXPECT_EQ(in.strategy, Strategy::kPaired);
  EXPECT_EQ(out.strategy, Strategy::kPaired);
  EXPECT_EQ(in.features, out.features);
  EXPECT_NEAR(in.predicted_ns + out.predicted_ns, 131072 + 65536 + 20000 + 20 + 20, 1e-6);  // norm, swiglu; two sums
}

TEST(Solve, AStaticDeviceWithoutARemainderHasNoSequence) {
  // 40 rows, graphs of 64 only: nothing that adds up, and no graph shorter than the prompt.
  const CostModel costs({small_profile("gpu", 1, 0, 0, 0), small_profile("npu", 1, 0, 0, 0)});
  SolveOptions options;
  options.buckets = {40};
  options.strategies = {Strategy::kSequence, Strategy::kHybrid};
  const Solution s = solve(hand_shape(), costs, {solve_device("gpu"), solve_device("npu", {64})}, options);
  for (const BlockPlan& block : bucket_of(s.plan, Phase::kPrefill, 40).blocks) {
    EXPECT_EQ(block.strategy, Strategy::kSingle);
  }
}

TEST(Solve, LayersOfAnotherFormatHaveEntriesOnlyWhereTheyDiffer) {
  // q6_k is dear on b, so layer 1's down projection stays on a; its other blocks are those of layer 0 and 2.
  ModelShape shape = small_shape(3, 256, 512, 4);
  shape.layer_types = {LayerTypes{}, LayerTypes{}, LayerTypes{}};
  shape.layer_types[1].down = DType::kQ6_K;
  std::vector<DeviceProfile> profiles = {small_profile("a", 1, 0, 0, 0), small_profile("b", 1, 0, 0, 0)};
  for (DeviceProfile& profile : profiles) {
    MatmulCurve curve = profile.matmul[0];
    curve.w = DType::kQ6_K;
    if (profile.device == "b") curve.points[0].fixed_ns = figure(1e9);
    profile.matmul.push_back(curve);
  }
  SolveOptions options;
  options.strategies = {Strategy::kRows};
  const Solution s = solve(shape, CostModel(profiles), {solve_device("a"), solve_device("b")}, options);
  EXPECT_EQ(block_of(s, Phase::kDecode, 1, BlockKind::kFfnOut).strategy, Strategy::kRows);
  EXPECT_EQ(block_of(s, Phase::kDecode, 1, BlockKind::kFfnOut, 1).strategy, Strategy::kSingle);
  int own = 0;
  for (const BlockPlan& block : bucket_of(s.plan, Phase::kDecode, 1).blocks) own += block.layer >= 0 ? 1 : 0;
  EXPECT_EQ(own, 1);
}

TEST(Solve, NeverAboveTheBestSingleDevice) {
  Rng rng(99);
  for (int round = 0; round < 60; ++round) {
    std::vector<DeviceProfile> profiles;
    std::vector<SolveDevice> devices;
    const int count = 2 + static_cast<int>(rng.below(3));
    for (int d = 0; d < count; ++d) {
      const std::string id(1, static_cast<char>('a' + d));
      profiles.push_back(small_profile(id, 0.1 + rng.uniform(), 1000 * rng.uniform(), 2e4 * rng.uniform(),
                                       4e5 * rng.uniform() * rng.uniform()));
      devices.push_back(solve_device(id));
      if (d == 1) devices.back().standard_sizes = {32, 64, 256};
    }
    SolveOptions options;
    options.buckets = {32, 100, 300};
    const ModelShape shape = small_shape(4, 256, 512, 4);
    const CostModel costs(profiles);
    const Solution s = solve(shape, costs, devices, options);
    check(s.plan);
    for (const SolveDevice& device : devices) {
      const Solution alone = solve(shape, costs, {device}, options);
      for (std::size_t b = 0; b < s.plan.buckets.size(); ++b) {
        EXPECT_LE(s.plan.buckets[b].predicted_ns, alone.plan.buckets[b].predicted_ns * (1 + 1e-12))
            << "round " << round << " device " << device.id;
      }
    }
    EXPECT_EQ(plan_from_json(to_json(s.plan)), s.plan);
    EXPECT_EQ(to_json(solve(shape, costs, devices, options).plan), to_json(s.plan));
  }
}

TEST(Solve, KeepsTheMemoryBudget) {
  const ModelShape shape = hand_shape();
  // Bytes of all weights: 18 bytes per 32 weights in q4_0.
  const double all = (2 * kLayerWeights + kHeadWeights) * 18 / 32;
  const CostModel costs({small_profile("a", 1, 0, 10, 100), small_profile("b", 2, 0, 10, 100)});
  const auto with_limits = [&](double a, double b) {
    std::vector<SolveDevice> devices = {solve_device("a"), solve_device("b")};
    devices[0].memory_bytes = static_cast<std::uint64_t>(a * all);
    devices[1].memory_bytes = static_cast<std::uint64_t>(b * all);
    return devices;
  };
  const auto held = [](const Solution& s, const std::string& id) {
    const auto found = s.plan.memory_bytes.find(id);
    return found == s.plan.memory_bytes.end() ? 0.0 : static_cast<double>(found->second);
  };
  // Unlimited: what both hold is at least the model, since each weight is somewhere.
  const Solution free = solve(shape, costs, with_limits(0, 0), {});
  EXPECT_GE(held(free, "a") + held(free, "b"), all - 1);
  // Only the slow device can hold the model.
  const Solution slow = solve(shape, costs, with_limits(0.05, 1.01), {});
  EXPECT_LE(held(slow, "a"), 0.05 * all);
  EXPECT_LE(held(slow, "b"), 1.01 * all);
  // Neither can alone, both can together.
  const Solution both = solve(shape, costs, with_limits(0.55, 0.55), {});
  EXPECT_LE(held(both, "a"), 0.55 * all);
  EXPECT_LE(held(both, "b"), 0.55 * all);
  EXPECT_NEAR(held(both, "a") + held(both, "b"), all, 1);
  // Nobody can.
  EXPECT_THROW(solve(shape, costs, with_limits(0.3, 0.3), {}), Error);
}

TEST(Solve, MoreMemoryNeverCostsTime) {
  const ModelShape shape = hand_shape();
  const double all = (2 * kLayerWeights + kHeadWeights) * 18 / 32;
  const CostModel costs({small_profile("a", 1, 0, 10, 100), small_profile("b", 2, 0, 10, 100)});
  const Solution free = solve(shape, costs, {solve_device("a"), solve_device("b")}, {});
  double last = 1e300;
  double alone = 0;
  for (int part = 0; part <= 24; ++part) {
    std::vector<SolveDevice> devices = {solve_device("a"), solve_device("b")};
    // 1 byte: nothing; 0 would be no limit.
    devices[0].memory_bytes = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(all * part / 16));
    const Solution s = solve(shape, costs, devices, {});
    const auto held = s.plan.memory_bytes.find("a");
    if (held != s.plan.memory_bytes.end()) {
      EXPECT_LE(held->second, devices[0].memory_bytes);
    }
    double regret = 0;
    for (std::size_t b = 0; b < s.plan.buckets.size(); ++b) {
      regret += s.plan.buckets[b].predicted_ns / free.plan.buckets[b].predicted_ns;
    }
    EXPECT_LE(regret, last * (1 + 1e-9)) << part << " sixteenths";
    if (part == 0) alone = regret;
    last = regret;
  }
  EXPECT_NEAR(last, static_cast<double>(free.plan.buckets.size()), 1e-9) << "enough is as good as no limit";
  EXPECT_GT(alone, 1.5 * last);
}

TEST(Solve, TheLeadHasTheLargestShareOfDecode) {
  const CostModel costs({small_profile("slow", 3, 0, 0, 0), small_profile("fast", 1, 0, 0, 0)});
  const Solution s = solve(hand_shape(), costs, {solve_device("slow"), solve_device("fast")}, {});
  ASSERT_EQ(s.plan.devices.size(), 2U);
  EXPECT_EQ(s.plan.devices[0], "fast");
}

TEST(Solve, RefusesWhatItCannotSolve) {
  const CostModel costs({small_profile("a", 1, 0, 0, 0)});
  EXPECT_THROW(solve(hand_shape(), costs, {}, {}), Error);
  EXPECT_THROW(solve(hand_shape(), costs, {solve_device("b")}, {}), Error);  // no profile
  ModelShape other = hand_shape();
  other.head_type = DType::kQ8_0;  // no curve
  EXPECT_THROW(solve(other, costs, {solve_device("a")}, {}), Error);
}

}  // namespace
}  // namespace hetero
