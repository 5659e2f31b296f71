// Which differences are found, and how often one is seen where there is none.
#include "reports/compare.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/rng.h"

namespace hetero {
namespace {

constexpr int kPairs = 1000;

std::vector<double> times(Rng& rng, double centre, double noise, int count) {
  std::vector<double> values;
  for (int i = 0; i < count; ++i) values.push_back(centre * (1 + noise * rng.normal()));
  return values;
}

BenchmarkSet set_of(const std::string& source, std::vector<Benchmark> benchmarks) {
  return {source, {{"protocol", "test"}}, std::move(benchmarks), {}};
}
Benchmark timed(const std::string& name, std::vector<double> samples) {
  return {name, "ns", Direction::kTime, std::move(samples)};
}

// kPairs pairs, b slower by `slowdown`.
std::pair<BenchmarkSet, BenchmarkSet> pairs(std::uint64_t seed, double noise, double slowdown) {
  Rng rng(seed);
  BenchmarkSet a = set_of("a", {});
  BenchmarkSet b = set_of("b", {});
  for (int i = 0; i < kPairs; ++i) {
    a.benchmarks.push_back(timed(std::to_string(i), times(rng, 1000, noise, 20)));
    b.benchmarks.push_back(timed(std::to_string(i), times(rng, 1000 * (1 + slowdown), noise, 20)));
  }
  return {a, b};
}

// Each pair a table of its own, so that nothing but the test itself holds errors down.
std::size_t found_alone(const std::pair<BenchmarkSet, BenchmarkSet>& sets, Finding finding) {
  std::size_t found = 0;
  for (int i = 0; i < kPairs; ++i) {
    const auto at = static_cast<std::size_t>(i);
    const Comparison one =
        compare(set_of("a", {sets.first.benchmarks[at]}), set_of("b", {sets.second.benchmarks[at]}), {});
    found += one.count(finding);
  }
  return found;
}

TEST(Compare, OfAThousandPairsFromOneDistributionAtMostOnePercentAreRegressions) {
  const std::size_t most = kPairs / 100;
  for (const double noise : {0.02, 0.2}) {  // at 20 % the threshold is no help
    const auto sets = pairs(2024, noise, 0);
    EXPECT_LE(found_alone(sets, Finding::kSlower), most) << "noise " << noise << ", seed 2024";
    EXPECT_LE(found_alone(sets, Finding::kFaster), most) << "noise " << noise << ", seed 2024";
    const Comparison table = compare(sets.first, sets.second, {});
    EXPECT_EQ(table.count(Finding::kSlower) + table.count(Finding::kFaster), 0u) << "in one table";
  }
}

TEST(Compare, OfAThousandThatAreFivePercentSlowerAtLeastNinetyNinePercentAreFound) {
  const auto sets = pairs(7, 0.02, 0.05);
  EXPECT_GE(found_alone(sets, Finding::kSlower), kPairs * 99 / 100u) << "seed 7";
  EXPECT_GE(compare(sets.first, sets.second, {}).count(Finding::kSlower), kPairs * 99 / 100u) << "in one table";
}

TEST(Compare, AChangeBelowTheThresholdDoesNotMatter) {
  Rng rng(3);
  const BenchmarkSet a = set_of("a", {timed("x", times(rng, 1000, 0.001, 20))});
  const BenchmarkSet b = set_of("b", {timed("x", times(rng, 1020, 0.001, 20))});
  EXPECT_EQ(compare(a, b, {}).benchmarks[0].finding, Finding::kSame);
  EXPECT_LT(compare(a, b, {}).benchmarks[0].p, 1e-6) << "although it is certain";
  EXPECT_EQ(compare(a, b, {.threshold = 0.01}).benchmarks[0].finding, Finding::kSlower);
  EXPECT_EQ(compare(b, a, {.threshold = 0.01}).benchmarks[0].finding, Finding::kFaster);
}

TEST(Compare, OfRatesMoreIsFaster) {
  Rng rng(4);
  BenchmarkSet a = set_of("a", {timed("x", times(rng, 100, 0.01, 10))});
  BenchmarkSet b = set_of("b", {timed("x", times(rng, 80, 0.01, 10))});
  a.benchmarks[0].direction = b.benchmarks[0].direction = Direction::kRate;
  const ComparedBenchmark row = compare(a, b, {}).benchmarks[0];
  EXPECT_EQ(row.finding, Finding::kSlower);
  EXPECT_NEAR(row.time_ratio->estimate, 1.25, 0.02);
  EXPECT_NEAR(row.median_b, 80, 1) << "medians stay in the unit";
}

TEST(Compare, WhatTheNoiseCouldHideIsSaid) {
  Rng rng(3);
  const auto compared = [&](double noise) {
    return compare(set_of("a", {timed("x", times(rng, 1000, noise, 20))}),
                   set_of("b", {timed("x", times(rng, 1000, noise, 20))}), {});
  };
  EXPECT_TRUE(compared(0.005).warnings.empty()) << "the interval lies within the threshold";
  const Comparison noisy = compared(0.3);
  ASSERT_EQ(noisy.benchmarks[0].finding, Finding::kSame);
  ASSERT_EQ(noisy.warnings.size(), 1u);
  EXPECT_NE(noisy.warnings[0].find("in 1 of 1 benchmarks without a finding the noise could hide a difference"),
            std::string::npos)
      << noisy.warnings[0];
}

TEST(Compare, TooFewSamplesAreSaid) {
  const BenchmarkSet a = set_of("a", {timed("x", {1, 2, 3}), timed("y", {1, 2, 3})});
  const BenchmarkSet b = set_of("b", {timed("x", {7, 8, 9}), timed("y", {7, 8, 9})});
  const Comparison comparison = compare(a, b, {});
  EXPECT_EQ(comparison.count(Finding::kTooFew), 2u);
  ASSERT_EQ(comparison.warnings.size(), 1u);
  // Of two tests the smaller p must be below 0.005: 2 / C(12, 6) = 0.0022, but 2 / C(10, 5) = 0.0079.
  EXPECT_NE(comparison.warnings[0].find("2 of 2 benchmarks have too few samples"), std::string::npos)
      << comparison.warnings[0];
  EXPECT_NE(comparison.warnings[0].find(": 6 on each side"), std::string::npos) << comparison.warnings[0];
  EXPECT_EQ(comparison.warnings[0].find("--filter"), std::string::npos) << "three are too few even for one";

  const std::vector<double> low = {1, 2, 3, 4, 5};
  const std::vector<double> high = {7, 8, 9, 10, 11};
  const Comparison five =
      compare(set_of("a", {timed("x", low), timed("y", low)}), set_of("b", {timed("x", high), timed("y", high)}), {});
  EXPECT_NE(five.warnings.at(0).find("fewer in a shorter one (--filter)"), std::string::npos) << five.warnings[0];
}

TEST(Compare, WhatOnlyOneSideHas) {
  const BenchmarkSet a = set_of("a", {timed("x", {1, 2}), timed("old", {1, 2})});
  const BenchmarkSet b = set_of("b", {timed("new", {1, 2}), timed("x", {1, 2})});
  const Comparison comparison = compare(a, b, {});
  ASSERT_EQ(comparison.benchmarks.size(), 3u);
  EXPECT_EQ(comparison.benchmarks[1].finding, Finding::kOnlyInFirst);
  EXPECT_EQ(comparison.benchmarks[2].name, "new");
  EXPECT_EQ(comparison.benchmarks[2].finding, Finding::kOnlyInSecond);
  EXPECT_EQ(comparison.benchmarks[2].samples_a, 0u);
}

TEST(Compare, NothingInCommonIsAnError) {
  const BenchmarkSet a = set_of("a", {timed("x", {1, 2})});
  const BenchmarkSet b = set_of("b", {timed("y", {1, 2})});
  try {
    compare(a, b, {});
    ADD_FAILURE() << "there is nothing to compare";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnusableInput);
  }
  try {
    compare(a, a, {.filter = "z"});
    ADD_FAILURE() << "the filter leaves nothing";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
  }
  EXPECT_EQ(compare(a, a, {.filter = "x"}).benchmarks.size(), 1u);
}

TEST(Compare, DifferentCircumstancesAreNamed) {
  BenchmarkSet a = set_of("a", {});
  BenchmarkSet b = set_of("b", {});
  EXPECT_TRUE(differences(a, b).empty());
  a.circumstances = {{"model", "m1"}, {"build type", "Release"}, {"cpu", "one"}, {"device x", "1"}};
  b.circumstances = {{"model", "m1"}, {"build type", "Debug"}, {"device y", "1"}};
  EXPECT_EQ(differences(a, b), std::vector<std::string>{"build type: Release against Debug"});
  EXPECT_EQ(recorded_once(a, b), std::vector<std::string>{"cpu"});
}

}  // namespace
}  // namespace hetero
