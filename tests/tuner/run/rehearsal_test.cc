// What a rehearsed plan predicts is what the engine takes on simulated devices, for every strategy; and what may be
// used beyond a set of strategies or graphs never makes a plan slower.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "base/rng.h"
#include "runtime/llm/engine.h"
#include "runtime/model/decoder_graph.h"
#include "tests/tuner/run/run_fixture.h"
#include "tuner/rehearse/rehearsed_plan.h"

namespace hetero {
namespace {

using testing_sim::figure;

constexpr std::int64_t kContext = 64;

struct Problem {
  ModelShape shape = testing_run::small_shape();
  SystemProfile system{"made-up", "Made up", {}};
  std::int64_t rows = 1;
};

double between(Rng& rng, double low, double high) { return low * std::pow(high / low, rng.uniform()); }

// Two or three devices of which the last may be static; joins from cheap to dearer than a block; slices that would look
// fast if the weight's shape were forgotten.
Problem random_problem(Rng& rng, bool with_static) {
  Problem problem;
  problem.shape.layers = 2 + static_cast<int>(rng.below(3));
  problem.shape.heads = problem.shape.kv_heads = 4;
  problem.shape.width = 128;
  problem.shape.ffn_width = 256;
  problem.rows = 8 + static_cast<std::int64_t>(rng.below(40));
  const int count = 2 + static_cast<int>(rng.below(2));
  for (int d = 0; d < count; ++d) {
    DeviceProfile p = testing_sim::device_profile("made-up/" + std::string(1, static_cast<char>('a' + d)));
    p.feature_align = 32;
    p.memory_bytes = 0;
    double rate = between(rng, 0.2, 2);
    p.matmul[0].points.clear();
    for (const std::int64_t m : {1, 8, 64}) {
      p.matmul[0].points.push_back({m, figure(between(rng, 10, 3000)), figure(rate)});
      rate *= between(rng, 1, 8);
    }
    if (rng.below(2) == 0) p.matmul[0].shape_factors.push_back({1, 128, 256, figure(between(rng, 0.5, 3))});
    p.launch_ns = figure(between(rng, 50, 3000));
    p.join_ns = {{"poll", figure(between(rng, 50, 60000))}};
    for (int other = 0; other < count; ++other) {
      if (other == d) continue;
      p.slowdowns.push_back({{"made-up/" + std::string(1, static_cast<char>('a' + other))},
                             figure(between(rng, 1, 2)),
                             figure(between(rng, 1, 1.5))});
    }
    problem.system.devices.push_back(std::move(p));
  }
  if (with_static) problem.system.devices.back().standard_sizes = {1, 8, 16, 32};
  return problem;
}

std::string name_in_plans(const std::string& device) { return "sim:" + device; }

std::vector<DeviceProfile> profiles_of(const Problem& problem) {
  std::vector<DeviceProfile> profiles = problem.system.devices;
  for (DeviceProfile& p : profiles) {
    p.device = name_in_plans(p.device);
    for (Slowdown& s : p.slowdowns) {
      for (std::string& other : s.with) other = name_in_plans(other);
    }
  }
  return profiles;
}

Plan plan_for(const Problem& problem, const std::vector<Strategy>& strategies) {
  const CostModel costs(profiles_of(problem));
  std::vector<SolveDevice> devices;
  for (const DeviceProfile& p : costs.profiles()) {
    devices.push_back({p.device, p.standard_sizes, p.feature_align, p.memory_bytes});
  }
  SolveOptions options;
  options.buckets = {problem.rows};
  options.decode_context = problem.rows + 1;
  options.strategies = strategies;
  return rehearsed_plan(problem.shape, costs, devices, options);
}

const PlanBucket& bucket_in(const Plan& plan, Phase phase) { return *bucket_for(plan, phase, 1); }

struct Times {
  double prefill_ns = 0;
  double decode_ns = 0;
};

Times times_of(const Problem& problem, const Plan& plan) {
  VirtualTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<Device*> pointers;
  for (const DeviceProfile& p : problem.system.devices) {
    devices.push_back(open_sim_device(problem.system, p.device.substr(p.device.rfind('/') + 1), context));
    pointers.push_back(devices.back().get());
  }
  const Graph graph = graph_from_shape(problem.shape);
  Engine engine(graph, timeline, pointers, plan, {kContext, kContext, 1});
  engine.warm_up(problem.rows, LogitsRows::kLast);
  engine.warm_up(1, LogitsRows::kLast);
  const auto timed = [&](std::int64_t tokens) {
    const Nanos begin = timeline.now();
    engine.run(std::vector<TokenId>(static_cast<std::size_t>(tokens), 0), LogitsRows::kLast);
    return to_ns(timeline.now() - begin);
  };
  Times times;
  times.prefill_ns = timed(problem.rows);
  times.decode_ns = timed(1);
  return times;
}

TEST(Rehearsal, PredictsTheVirtualTimelineUnderEveryStrategy) {
  Rng rng(11);
  std::set<Strategy> seen;
  for (int round = 0; round < 24; ++round) {
    const Problem problem = random_problem(rng, round % 2 == 0);
    for (int s = 0; s < kStrategies; ++s) {
      const auto strategy = static_cast<Strategy>(s);
      const Plan plan = plan_for(problem, {Strategy::kSingle, strategy});
      const Times times = times_of(problem, plan);
      const double prefill = bucket_in(plan, Phase::kPrefill).predicted_ns;
      const double decode = bucket_in(plan, Phase::kDecode).predicted_ns;
      EXPECT_NEAR(times.prefill_ns, prefill, 0.01 * prefill) << "round " << round << ", " << name_of(strategy);
      EXPECT_NEAR(times.decode_ns, decode, 0.01 * decode) << "round " << round << ", " << name_of(strategy);
      for (const PlanBucket& bucket : plan.buckets) {
        for (const BlockPlan& block : bucket.blocks) seen.insert(block.strategy);
      }
    }
  }
  EXPECT_EQ(seen.size(), static_cast<std::size_t>(kStrategies)) << "not every strategy was chosen somewhere";
}

TEST(Rehearsal, MoreStrategiesAreNeverSlower) {
  Rng rng(12);
  for (int round = 0; round < 24; ++round) {
    const Problem problem = random_problem(rng, round % 2 == 0);
    const std::vector<std::vector<Strategy>> growing = {
        {Strategy::kSingle},
        {Strategy::kSingle, Strategy::kRows, Strategy::kPad},
        {Strategy::kSingle, Strategy::kRows, Strategy::kSequence, Strategy::kHybrid, Strategy::kPad},
        {}};
    Times before{1e300, 1e300};
    for (const std::vector<Strategy>& strategies : growing) {
      const Times times = times_of(problem, plan_for(problem, strategies));
      EXPECT_LE(times.prefill_ns, before.prefill_ns) << "round " << round;
      EXPECT_LE(times.decode_ns, before.decode_ns) << "round " << round;
      before = times;
    }
  }
}

TEST(Rehearsal, AnotherGraphSizeIsNeverSlower) {
  Rng rng(13);
  int restricted = 0;
  for (int round = 0; round < 24; ++round) {
    Problem problem = random_problem(rng, true);
    DeviceProfile& npu = problem.system.devices.back();
    // Small graphs cost nearly what large ones do: a remainder of 20 rows is better padded than added up.
    npu.matmul[0].points = {
        {1, figure(100), figure(0.2)}, {16, figure(100), figure(1)}, {64, figure(100), figure(1.2)}};
    npu.standard_sizes = {1, 64};
    const Times one = times_of(problem, plan_for(problem, {}));
    npu.standard_sizes = {1, 16, 64};
    const Plan plan = plan_for(problem, {});
    const Times two = times_of(problem, plan);
    EXPECT_LE(two.prefill_ns, one.prefill_ns) << "round " << round;
    restricted += bucket_in(plan, Phase::kPrefill).graph_sizes.empty() ? 0 : 1;
  }
  EXPECT_GT(restricted, 0) << "no plan had reason to leave a size out";
}

}  // namespace
}  // namespace hetero
