// The family of cost model that predicts held-out shapes best is kept, says so, and survives its document.
#include "tuner/fit/held_out.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "profiles/cost_model.h"

namespace hetero {
namespace {

constexpr std::int64_t kWeights[][2] = {{256, 256},  {512, 256},  {768, 256},  {1024, 256}, {2048, 256},
                                        {1536, 256}, {256, 512},  {512, 512},  {1024, 512}, {256, 1024},
                                        {512, 1024}, {256, 2048}, {512, 2048}, {1536, 512}, {2048, 512},
                                        {384, 768},  {384, 1536}, {512, 1536}, {768, 1536}};

// `time` of a matmul of m rows on a weight n x k.
template <typename Time>
std::vector<OpTiming> matmuls(const Time& time, const std::vector<std::int64_t>& rows = {1, 32, 64, 128, 256}) {
  std::vector<OpTiming> timings;
  for (const std::int64_t m : rows) {
    for (const auto& weight : kWeights) {
      const OpDesc op{.kind = OpKind::kMatmul, .m = m, .n = weight[0], .k = weight[1], .w = DType::kQ4_0};
      timings.push_back(
          {op, {time(static_cast<double>(m), static_cast<double>(op.n), static_cast<double>(op.k)), 0, 7}});
    }
  }
  return timings;
}

DeviceProfile profile_with(const std::vector<OpTiming>& timings) {
  DeviceProfile profile;
  profile.device = "cpu:0";
  profile.kind = "cpu";
  fit_costs(timings, profile);
  return profile;
}

double line(double m, double n, double k) { return 500 * m + n * k * (0.1 + 0.01 * m); }

TEST(HeldOut, WhereTheLineHoldsCurvesStay) {
  const DeviceProfile profile = profile_with(matmuls(line));
  ASSERT_EQ(profile.held_out.size(), 1u);
  EXPECT_EQ(profile.held_out[0].kept, CostFamily::kCurves);
  EXPECT_EQ(profile.held_out[0].shapes, 95);
  EXPECT_TRUE(profile.trees.empty());
  ASSERT_EQ(profile.held_out[0].errors.size(), 3u);
  EXPECT_EQ(profile.held_out[0].errors[0].family, CostFamily::kCurves);
  EXPECT_LT(profile.held_out[0].errors[0].p95, 1e-6);
  EXPECT_GT(profile.held_out[0].errors[1].p95, profile.held_out[0].errors[0].p95);
}

// A weight that is deeper than wide is slow, by more the deeper. With one number of rows, the factor of a shape says
// nothing of another.
double with_order(double m, double n, double k) { return line(m, n, k) * (k > n ? 2 + 0.5 * std::log2(k / n) : 1); }

TEST(HeldOut, TreesWinWhereASpanOfShapesDeparts) {
  const DeviceProfile profile = profile_with(matmuls(with_order, {64}));
  const HeldOut& matmul = profile.held_out.at(0);
  ASSERT_NE(matmul.kept, CostFamily::kCurves);
  ASSERT_EQ(profile.trees.size(), 1u);
  EXPECT_EQ(profile.trees[0].family, matmul.kept);
  EXPECT_NE(profile.trees[0].scale.source.find("held-out"), std::string::npos);
  double curves = 0;
  double kept = 0;
  for (const HeldOutError& e : matmul.errors) {
    if (e.family == CostFamily::kCurves) curves = e.mean;
    if (e.family == matmul.kept) kept = e.mean;
  }
  EXPECT_LT(kept, 0.7 * curves);
  // And the cost model uses them: a deep weight that nobody measured is slow.
  const CostModel costs({profile});
  const OpDesc deep{.kind = OpKind::kMatmul, .m = 64, .n = 384, .k = 1536, .w = DType::kQ4_0};
  EXPECT_NEAR(costs.op("cpu:0", deep).median_ns / with_order(64, 384, 1536), 1, 0.2);
  EXPECT_GT(costs.op("cpu:0", deep).spread_ns, 0);
}

TEST(HeldOut, TreesAloneWinWhereTimeFollowsNoCurve) {
  // The cost of a multiply-add depends on the size of the weight alone, in steps, and on nothing linear.
  const auto steps = [](double m, double n, double k) {
    return m * n * k * (n * k > 600e3 ? 0.5 : n * k > 200e3 ? 0.02 : 0.2);
  };
  const DeviceProfile profile = profile_with(matmuls(steps, {64}));
  EXPECT_NE(profile.held_out.at(0).kept, CostFamily::kCurves);
}

TEST(HeldOut, TooFewShapesAreNotJudged) {
  std::vector<OpTiming> timings = matmuls(line);
  timings.resize(4);
  const DeviceProfile profile = profile_with(timings);
  EXPECT_TRUE(profile.held_out.at(0).errors.empty());
  EXPECT_EQ(profile.held_out.at(0).kept, CostFamily::kCurves);
}

TEST(HeldOut, TheSameSamplesGiveTheSameProfile) {
  EXPECT_EQ(profile_with(matmuls(with_order, {64})), profile_with(matmuls(with_order, {64})));
}

TEST(HeldOut, TreesSurviveTheirDocument) {
  SystemProfile system{"s", "", {profile_with(matmuls(with_order, {64}))}};
  ASSERT_FALSE(system.devices[0].trees.empty());
  EXPECT_EQ(system_profile_from_json(to_json(system)), system);
}

TEST(HeldOut, ATreeThatLeadsBackIsRefused) {
  SystemProfile system{"s", "", {profile_with(matmuls(with_order, {64}))}};
  for (RegressionTree& tree : system.devices[0].trees[0].trees) tree.front() = {0, 1.0, 0, 0, 0};
  EXPECT_THROW(system_profile_from_json(to_json(system)), Error);
  for (RegressionTree& tree : system.devices[0].trees[0].trees) tree.front() = {99, 1.0, 1, 2, 0};
  EXPECT_THROW(system_profile_from_json(to_json(system)), Error);
}

}  // namespace
}  // namespace hetero
