// Replays: the sums are right, and the guided strategy does what it is there for.
#include "tuner/search/replay.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "tests/tuner/search/synthetic.h"

namespace hetero {
namespace {

// Four configurations with values 4, 3, 2, 1, in this order.
RecordedSearch four() {
  RecordedSearch r;
  std::vector<ParameterValue> values;
  for (std::int64_t i = 1; i <= 4; ++i) values.emplace_back(i);
  r.space = SearchSpace::combinations({{"x", values}});
  for (ConfigId c = 0; c < 4; ++c) r.rows.push_back({c, {SearchStatus::kOk, 4.0 - c}, {}, 0, "", ""});
  return r;
}

TEST(Replay, CountsEvaluations) {
  RecordedSearch r = four();
  ReplaySummary s = replay(r, "exhaustive", {.seeds = 3, .most_evaluations = 0});
  ASSERT_EQ(s.runs.size(), 3U);
  EXPECT_EQ(s.median_evaluations_close, 4);
  EXPECT_EQ(s.share_close, 1);
  EXPECT_EQ(median_percent_after(s, 1, 1), 25);
  EXPECT_EQ(median_percent_after(s, 1, 3.5), 50);
  EXPECT_EQ(median_percent_after(s, 1, 4), 100);
  r.rows[0].result.status = SearchStatus::kTimeout;  // costs its evaluation, finds nothing
  s = replay(r, "exhaustive", {.seeds = 1, .most_evaluations = 0});
  EXPECT_EQ(median_percent_after(s, 1, 1), 0);
  EXPECT_EQ(s.median_evaluations_close, 4);
}

TEST(Replay, SaysWhenTheOptimumWasNotReached) {
  const ReplaySummary s = replay(four(), "exhaustive", {.seeds = 2, .most_evaluations = 2});
  EXPECT_TRUE(std::isinf(s.median_evaluations_close));
  EXPECT_EQ(s.share_close, 0);
  EXPECT_EQ(s.runs[0].evaluations, 2);
}

// n configurations of which c are close: random search without repetition needs (n + 1) / (c + 1) on average.
TEST(Replay, RandomSearchIsRandom) {
  const RecordedSearch r = testing_search::convolution_like();
  double close = 0;
  for (const RecordedRow& row : r.rows) close += row.result.ok() && row.result.value <= 1.05 * optimum_of(r) ? 1 : 0;
  const ReplaySummary s = replay(r, "random", {.seeds = 400, .most_evaluations = 0});
  double mean = 0;
  for (const ReplayRun& run : s.runs) mean += run.evaluations_until(1.05 * optimum_of(r)) / 400;
  const double expected = (static_cast<double>(r.space.size()) + 1) / (close + 1);
  // About geometric, so the mean of 400 has a deviation of 5 %: four of those.
  EXPECT_NEAR(mean, expected, 0.2 * expected);
}

TEST(Replay, CountsFewerRepetitionsAsParts) {
  RecordedSearch r = testing_search::small_like();
  for (RecordedRow& row : r.rows) row.runtimes.assign(9, row.result.value);
  EXPECT_EQ(repetitions_of(r), 9);
  const ReplaySummary s = replay(r, "successive_halving", {.seeds = 1, .most_evaluations = 3});
  // The first look at a configuration has one of nine repetitions.
  EXPECT_DOUBLE_EQ(s.runs[0].improvements.front().evaluations, 1.0 / 9);
  r.rows[5].runtimes.pop_back();
  EXPECT_EQ(repetitions_of(r), 8);
  r.rows[5].runtimes.clear();
  EXPECT_EQ(repetitions_of(r), 1);
}

double of_random(const RecordedSearch& r, const std::string& strategy) {
  const ReplayOptions options{.seeds = 50, .most_evaluations = 0};
  return replay(r, strategy, options).median_evaluations_close / replay(r, "random", options).median_evaluations_close;
}

// The aim: within 5 % of the optimum after a quarter of the evaluations that random search needs.
TEST(Replay, GuidedNeedsAQuarterOfRandomWhereFewAreGood) {
  EXPECT_LE(of_random(testing_search::gemm_like(), "guided"), 0.25);
  EXPECT_LE(of_random(testing_search::rugged(1), "guided"), 0.25);
}

// One configuration in some 170 is good, so chance finds one before much is learnt: docs/search.md.
TEST(Replay, GuidedNeedsAThirdOfRandomWhereManyAreGood) {
  EXPECT_LE(of_random(testing_search::convolution_like(), "guided"), 1.0 / 3);
}

// What docs/search.md says of the recorded spaces. So much of them is good that chance needs few evaluations; guided
// begins with the default, and must not lose much by that.
TEST(Replay, OfRecordedKernelsIsAsDocumented) {
  struct Documented {
    const char* file;
    std::size_t configurations;
    double guided, random;  // evaluations
  };
  for (const Documented& space :
       {Documented{"gemm_q8.json", 72, 9, 10}, Documented{"vnni_many_rows.json", 80, 6, 3.5}}) {
    std::ifstream file(std::string(SEARCH_DATA) + space.file);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const RecordedSearch r = recording_from_json(text, space.file);
    EXPECT_EQ(r.rows.size(), space.configurations) << space.file;
    const ReplayOptions options{.seeds = 50, .most_evaluations = 0};
    const ReplaySummary guided = replay(r, "guided", options);
    EXPECT_EQ(guided.median_evaluations_close, space.guided) << space.file;
    EXPECT_EQ(guided.share_close, 1) << space.file;
    EXPECT_EQ(replay(r, "random", options).median_evaluations_close, space.random) << space.file;
  }
}

TEST(Replay, IsTheSameEveryTime) {
  const RecordedSearch r = testing_search::rugged(5);
  const ReplaySummary a = replay(r, "guided", {.seeds = 6, .most_evaluations = 60});
  const ReplaySummary b = replay(r, "guided", {.seeds = 6, .most_evaluations = 60});
  for (std::size_t i = 0; i < a.runs.size(); ++i) {
    EXPECT_EQ(a.runs[i].evaluations, b.runs[i].evaluations);
    EXPECT_EQ(a.runs[i].best_after(60), b.runs[i].best_after(60));
  }
}

TEST(Replay, CurvePointsEndWhereTheyShould) {
  EXPECT_EQ(curve_points(1), (std::vector<double>{1}));
  EXPECT_EQ(curve_points(30), (std::vector<double>{1, 2, 5, 10, 20, 30}));
}

}  // namespace
}  // namespace hetero
