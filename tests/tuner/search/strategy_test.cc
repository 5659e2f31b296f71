// What every strategy owes: only configurations of the space, each once, to the end, and the same again from a seed.
#include "tuner/search/strategy.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "tests/tuner/search/synthetic.h"

namespace hetero {
namespace {

using testing_search::convolution_like;
using testing_search::gemm_like;
using testing_search::rugged;
using testing_search::small_like;

struct Visit {
  ConfigId config;
  int repetitions;
  friend bool operator==(const Visit&, const Visit&) = default;
};

std::vector<Visit> visits(const RecordedSearch& recording, const std::string& name, const StrategyOptions& options,
                          std::size_t most) {
  const auto strategy = make_strategy(name, recording.space, options);
  const std::vector<std::int32_t> row_of = recording.row_of();
  std::vector<Visit> seen;
  while (seen.size() < most) {
    const std::optional<Proposal> proposal = strategy->next();
    if (!proposal) break;
    seen.push_back({proposal->config, proposal->repetitions});
    if (proposal->config >= recording.space.size()) return seen;
    strategy->tell(recording.rows[static_cast<std::size_t>(row_of[proposal->config])].result);
  }
  return seen;
}

class EveryStrategy : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Names, EveryStrategy, testing::ValuesIn(strategy_names()));

TEST_P(EveryStrategy, VisitsEverythingOnceAndEnds) {
  for (const RecordedSearch& recording : {small_like(), rugged(3)}) {
    for (const int repetitions : {1, 7}) {
      StrategyOptions options;
      options.repetitions = repetitions;
      const std::vector<Visit> seen = visits(recording, GetParam(), options, 10 * recording.space.size());
      std::map<ConfigId, std::set<int>> looks;
      for (const Visit& v : seen) {
        ASSERT_LT(v.config, recording.space.size());
        EXPECT_GE(v.repetitions, 1);
        EXPECT_LE(v.repetitions, repetitions);
        EXPECT_TRUE(looks[v.config].insert(v.repetitions).second) << "twice: " << recording.space.text(v.config);
        if (GetParam() != "successive_halving") {
          EXPECT_EQ(v.repetitions, repetitions);
        }
      }
      EXPECT_EQ(looks.size(), recording.space.size());
    }
  }
}

TEST_P(EveryStrategy, RepeatsFromItsSeed) {
  const RecordedSearch recording = gemm_like();
  StrategyOptions options;
  options.seed = 11;
  const std::vector<Visit> first = visits(recording, GetParam(), options, 150);
  EXPECT_EQ(first, visits(recording, GetParam(), options, 150));
  options.seed = 12;
  if (GetParam() != "exhaustive") {
    EXPECT_NE(first, visits(recording, GetParam(), options, 150));
  }
}

TEST_P(EveryStrategy, BeginsWithTheDefault) {
  if (GetParam() == "exhaustive") GTEST_SKIP() << "goes in order";
  const RecordedSearch recording = small_like();
  StrategyOptions options;
  options.first = 17;
  EXPECT_EQ(visits(recording, GetParam(), options, 1).front().config, 17U);
}

TEST_P(EveryStrategy, OutlivesInvalidConfigurations) {
  RecordedSearch recording = small_like();
  // Everything is invalid but one, then everything.
  for (RecordedRow& row : recording.rows) {
    row.result.status = static_cast<SearchStatus>(1 + row.config % 5);
  }
  recording.rows[40].result = {SearchStatus::kOk, 1};
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(visits(recording, GetParam(), {}, 10 * recording.space.size()).size(), recording.space.size());
    recording.rows[40].result.status = SearchStatus::kCrash;
  }
}

TEST_P(EveryStrategy, EndsOnASpaceOfOne) {
  RecordedSearch recording;
  recording.space = SearchSpace::combinations({{"tile", {std::int64_t{8}}}});
  recording.rows = {{0, {SearchStatus::kOk, 2}, {}, 0, "", ""}};
  EXPECT_EQ(visits(recording, GetParam(), {}, 10).size(), 1U);
}

TEST_P(EveryStrategy, DoesNotStumbleOverEqualOrExtremeTimes) {
  RecordedSearch recording = small_like();
  for (RecordedRow& row : recording.rows) row.result.value = 1;
  EXPECT_EQ(visits(recording, GetParam(), {}, 1000).size(), recording.space.size());
  for (RecordedRow& row : recording.rows) row.result.value = row.config % 2 == 0 ? 1e-300 : 1e300;
  EXPECT_EQ(visits(recording, GetParam(), {}, 1000).size(), recording.space.size());
}

TEST(SuccessiveHalving, GivesTheBestALongerLook) {
  const RecordedSearch recording = convolution_like();
  StrategyOptions options;
  options.repetitions = 9;
  const std::vector<Visit> seen = visits(recording, "successive_halving", options, 39);
  std::map<int, std::vector<ConfigId>> rungs;
  for (const Visit& v : seen) rungs[v.repetitions].push_back(v.config);
  ASSERT_EQ(rungs.size(), 3U);
  EXPECT_EQ(rungs[1].size(), 27U);
  EXPECT_EQ(rungs[3].size(), 9U);
  EXPECT_EQ(rungs[9].size(), 3U);
  // Nobody who was left behind is better than one who went on.
  const auto value = [&](ConfigId c) {
    const SearchResult& r = recording.rows[c].result;
    return r.ok() ? r.value : 1e9;
  };
  for (const ConfigId on : rungs[3]) {
    for (const ConfigId c : rungs[1]) {
      const bool went_on = std::find(rungs[3].begin(), rungs[3].end(), c) != rungs[3].end();
      if (!went_on) {
        EXPECT_LE(value(on), value(c));
      }
    }
  }
}

TEST(Strategies, AnUnknownNameIsAUsageError) {
  const RecordedSearch recording = small_like();
  try {
    make_strategy("clairvoyant", recording.space, {});
    FAIL() << "was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
  }
}

}  // namespace
}  // namespace hetero
