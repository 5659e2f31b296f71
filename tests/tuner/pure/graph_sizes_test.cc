// Which graphs a static device should have.
#include "tuner/solve/graph_sizes.h"

#include <gtest/gtest.h>

#include "tests/tuner/pure/small_problem.h"

namespace hetero {
namespace {

const std::vector<std::int64_t> kOffered = {1, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024};

// Rows cost in stages of `stage`; a launch and a graph's compilation cost what they are given as.
CostModel costs_of(std::int64_t stage, double launch_ns, double compile_fixed_ns) {
  DeviceProfile npu = small_profile("npu", 0.001, 10, launch_ns, 0);
  npu.stage = stage;
  npu.standard_sizes = kOffered;
  npu.graph_compile_fixed_ns = figure(compile_fixed_ns);
  return CostModel({npu});
}

const ModelShape kShape = small_shape(4, 256, 1024, 4);

TEST(GraphSizes, OneAtATimeFindsTheBestSubset) {
  const std::vector<std::int64_t> few = {32, 64, 128, 192, 256, 512, 1024};
  const SolveDevice device = solve_device("npu", few);
  for (const double compile_ns : {0.0, 1e6, 1e8, 1e10}) {
    for (const double launch_ns : {0.0, 1e5}) {
      SCOPED_TRACE("compile " + std::to_string(compile_ns) + " launch " + std::to_string(launch_ns));
      const CostModel costs = costs_of(32, launch_ns, compile_ns);
      double best = std::numeric_limits<double>::infinity();
      for (unsigned mask = 1; mask < 1U << few.size(); ++mask) {
        std::vector<std::int64_t> sizes;
        for (std::size_t i = 0; i < few.size(); ++i) {
          if ((mask >> i & 1U) != 0) sizes.push_back(few[i]);
        }
        best = std::min(best, cost_of_sizes(kShape, costs, device, sizes, {}));
      }
      const double chosen = cost_of_sizes(kShape, costs, device, choose_graph_sizes(kShape, costs, device, {}), {});
      EXPECT_LE(chosen, 1.01 * best);
    }
  }
}

TEST(GraphSizes, TheDearerCompilationTheFewerGraphs) {
  const SolveDevice device = solve_device("npu", kOffered);
  std::size_t before = kOffered.size() + 1;
  for (const double compile_ns : {0.0, 1e7, 1e9, 1e12}) {
    const std::vector<std::int64_t> sizes = choose_graph_sizes(kShape, costs_of(1, 1e4, compile_ns), device, {});
    EXPECT_LE(sizes.size(), before) << compile_ns;
    EXPECT_EQ(sizes.front(), 1) << "decode has a graph";
    EXPECT_TRUE(std::is_sorted(sizes.begin(), sizes.end()));
    before = sizes.size();
  }
  EXPECT_EQ(before, 2U) << "at that price there is one graph for prompts";
}

TEST(GraphSizes, SizesWithinOneStageAreNotKeptTwice) {
  // A stage of 128 rows: graphs of 32, 64 and 96 rows take as long as one of 128.
  const std::vector<std::int64_t> sizes =
      choose_graph_sizes(kShape, costs_of(128, 1e3, 1e3), solve_device("npu", kOffered), {});
  const auto within = std::count_if(sizes.begin(), sizes.end(), [](std::int64_t s) { return s > 1 && s <= 128; });
  EXPECT_EQ(within, 1);
}

TEST(GraphSizes, MemoryLimitsTheirNumber) {
  SolveDevice device = solve_device("npu", kOffered);
  const CostModel costs = costs_of(32, 1e4, 0);
  EXPECT_GT(choose_graph_sizes(kShape, costs, device, {}).size(), 3U);
  device.memory_bytes = 2 * 3 * 4 * (4 * 256 * 256 + 3 * 256 * 1024) * 9 / 16;  // three copies in half of it
  EXPECT_EQ(choose_graph_sizes(kShape, costs, device, {}).size(), 3U);
}

TEST(GraphSizes, ADynamicDeviceHasNone) {
  EXPECT_TRUE(choose_graph_sizes(kShape, costs_of(1, 0, 0), solve_device("npu"), {}).empty());
  EXPECT_EQ(choose_graph_sizes(kShape, costs_of(1, 0, 0), solve_device("npu", {1}), {}), std::vector<std::int64_t>{1});
}

}  // namespace
}  // namespace hetero
