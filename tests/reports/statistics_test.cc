// Against values worked out by hand or by counting every case, and against each other.
#include "reports/statistics.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/rng.h"

namespace hetero {
namespace {

using Values = std::vector<double>;

TEST(MannWhitney, ExactValuesByHand) {
  // 20 ways to choose 3 of 6; one has the least rank sum 6, one has 7.
  EXPECT_NEAR(mann_whitney_p(Values{1, 2, 3}, Values{4, 5, 6}), 2 * 1.0 / 20, 1e-12);
  EXPECT_NEAR(mann_whitney_p(Values{1, 2, 4}, Values{3, 5, 6}), 2 * 2.0 / 20, 1e-12);
  EXPECT_NEAR(mann_whitney_p(Values{4, 5, 6}, Values{1, 2, 3}), 2 * 1.0 / 20, 1e-12) << "either side may be the lower";
  EXPECT_NEAR(mann_whitney_p(Values{1, 2, 3, 4, 5}, Values{6, 7, 8, 9, 10}), 2 * 1.0 / 252, 1e-12);
  // U = 2: of 252 ways one has U = 0, one has 1, two have 2.
  EXPECT_NEAR(mann_whitney_p(Values{1, 2, 3, 4, 7}, Values{5, 6, 8, 9, 10}), 2 * 4.0 / 252, 1e-12);
  // Sides of different sizes, 2 of 6: 15 ways, of which rank sum 3 and 4 have one each.
  EXPECT_NEAR(mann_whitney_p(Values{1, 3}, Values{2, 4, 5, 6}), 2 * 2.0 / 15, 1e-12);
  EXPECT_NEAR(mann_whitney_p(Values{2, 4, 5, 6}, Values{1, 3}), 2 * 2.0 / 15, 1e-12);
}

TEST(MannWhitney, TiesShareTheirMeanRank) {
  // Ranks 1, 3, 3, 3, 5.5, 5.5: the sum 7 comes from the 1 and two of the three 3s, and nothing is less.
  EXPECT_NEAR(mann_whitney_p(Values{1, 2, 2}, Values{2, 3, 3}), 2 * 3.0 / 20, 1e-12);
  EXPECT_EQ(mann_whitney_p(Values{5, 5, 5, 5}, Values{5, 5, 5}), 1);
  EXPECT_EQ(mann_whitney_p(Values(40, 5.0), Values(40, 5.0)), 1) << "by the normal approximation";
}

TEST(MannWhitney, ManySamplesByTheNormalApproximation) {
  Values a;
  Values b;
  for (int i = 1; i <= 30; ++i) {
    a.push_back(i);
    b.push_back(i + 15.5);
  }
  // U = 1 + 2 + .. + 14 = 105 of 900, variance 900 * 61 / 12 = 4575: z = (450 - 105 - 0.5) / 67.639 = 5.0932.
  EXPECT_NEAR(mann_whitney_p(a, b) / 3.52005763e-07, 1, 1e-6);
  // 30 values a side, each twice: ties take (t^3 - t) * 30 = 180 from the variance.
  Values twice_a;
  Values twice_b;
  for (int i = 0; i < 30; ++i) {
    twice_a.push_back(i);
    twice_b.push_back(i);
  }
  EXPECT_EQ(mann_whitney_p(twice_a, twice_b), 1) << "U is exactly in the middle";
}

TEST(MannWhitney, NothingToCompare) {
  EXPECT_EQ(mann_whitney_p(Values{}, Values{1}), 1);
  EXPECT_EQ(mann_whitney_p(Values{1}, Values{2}), 1) << "2 of 2 ways are as extreme";
}

TEST(MannWhitney, TheSmallestP) {
  EXPECT_NEAR(smallest_p(3, 3), 0.1, 1e-12);
  EXPECT_NEAR(smallest_p(5, 5), 2.0 / 252, 1e-12);
  EXPECT_NEAR(smallest_p(2, 4), 2.0 / 15, 1e-12);
  EXPECT_EQ(smallest_p(1, 1), 1);
  EXPECT_EQ(smallest_p(0, 9), 1);
}

TEST(Ratio, IsTheMedianOfAllQuotients) {
  // 0.5 1 1 2 2 2 4 4 8
  const Ratio odd = ratio_of({4, 1, 2}, {8, 2, 4}, 0.95);
  EXPECT_NEAR(odd.estimate, 2, 1e-12);
  EXPECT_FALSE(odd.interval) << "three a side cannot be 95 % sure of anything";
  // 2 3 4 6: between the middle two.
  EXPECT_NEAR(ratio_of({1, 0.5}, {2, 3}, 0.95).estimate, 3.5, 1e-12);
}

TEST(Ratio, TheIntervalLeavesOutWhatTheTestWouldReject) {
  // 5 x 5: P(U < 3) = 4 / 252 = 1.6 %, P(U < 4) = 2.8 %; so from the 3rd to the 23rd quotient.
  const Ratio ratio = ratio_of({1, 1, 1, 1, 1}, {1, 2, 3, 4, 5}, 0.95);
  ASSERT_TRUE(ratio.interval);
  EXPECT_NEAR(ratio.estimate, 3, 1e-12);
  EXPECT_NEAR(ratio.interval->low, 1, 1e-12);
  EXPECT_NEAR(ratio.interval->high, 5, 1e-12);
}

TEST(Ratio, AgreesWithTheTest) {
  Rng rng(11);
  int rejected = 0;
  for (int i = 0; i < 300; ++i) {
    Values a;
    Values b;
    for (int j = 0; j < 8; ++j) {
      a.push_back(std::exp(0.1 * rng.normal()));
      b.push_back(std::exp(0.1 * rng.normal() + 0.1));
    }
    const Ratio ratio = ratio_of(a, b, 0.95);
    ASSERT_TRUE(ratio.interval);
    EXPECT_LE(ratio.interval->low, ratio.estimate);
    EXPECT_LE(ratio.estimate, ratio.interval->high);
    const bool apart = ratio.interval->low > 1 || ratio.interval->high < 1;
    EXPECT_EQ(apart, mann_whitney_p(a, b) <= 0.05) << "pair " << i;
    rejected += apart ? 1 : 0;
  }
  EXPECT_GT(rejected, 30);
  EXPECT_LT(rejected, 270);
}

TEST(Ratio, ManySamplesWithoutAllPairsInMemory) {
  Rng rng(12);
  Values a;
  Values b;
  for (int i = 0; i < 60; ++i) a.push_back(100 + rng.uniform());
  for (int i = 0; i < 50; ++i) b.push_back(110 + rng.uniform());
  Values quotients;
  for (const double x : a) {
    for (const double y : b) quotients.push_back(y / x);
  }
  std::sort(quotients.begin(), quotients.end());
  const Ratio ratio = ratio_of(a, b, 0.95);
  EXPECT_NEAR(ratio.estimate, (quotients[1499] + quotients[1500]) / 2, 1e-12);
  // 1500 - 1.95996 * sqrt(3000 * 111 / 12) = 1173.5: the 1173rd from either end.
  ASSERT_TRUE(ratio.interval);
  EXPECT_NEAR(ratio.interval->low, quotients[1172], 1e-12);
  EXPECT_NEAR(ratio.interval->high, quotients[3000 - 1173], 1e-12);
}

TEST(Holm, ByHand) {
  const std::vector<double> adjusted = holm_adjusted({0.01, 0.04, 0.03, 0.005});
  EXPECT_NEAR(adjusted[3], 0.02, 1e-12);  // 4 * 0.005
  EXPECT_NEAR(adjusted[0], 0.03, 1e-12);  // 3 * 0.01
  EXPECT_NEAR(adjusted[2], 0.06, 1e-12);  // 2 * 0.03
  EXPECT_NEAR(adjusted[1], 0.06, 1e-12);  // 1 * 0.04 would be less than the one before
  EXPECT_EQ(holm_adjusted({0.9, 0.8}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm_adjusted({}).empty());
}

TEST(Spread, MedianAndMad) {
  EXPECT_EQ(median_of({3, 1, 2}), 2);
  EXPECT_EQ(median_of({4, 1, 2, 3}), 2.5);
  EXPECT_EQ(median_of({}), 0);
  EXPECT_EQ(mad_of({1, 2, 9}), 1);
}

}  // namespace
}  // namespace hetero
