// Search spaces: what is feasible is all there is, and everything is found again.
#include "tuner/search/space.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace hetero {
namespace {

ParameterValue whole(std::int64_t v) { return v; }

SearchSpace three_by_two() {
  return SearchSpace::combinations(
      {{"tile", {whole(1), whole(2), whole(4)}}, {"order", {"col", "row"}}},
      [](const std::vector<ParameterValue>& v) { return !(v[0] == whole(4) && v[1] == ParameterValue("row")); });
}

TEST(SearchSpace, HoldsWhatIsFeasible) {
  const SearchSpace space = three_by_two();
  ASSERT_EQ(space.size(), 5U);
  std::set<std::string> texts;
  for (ConfigId config = 0; config < space.size(); ++config) {
    texts.insert(space.text(config));
    EXPECT_EQ(space.find(space.point(config)), config);
  }
  EXPECT_EQ(texts, (std::set<std::string>{"tile=1 order=col", "tile=1 order=row", "tile=2 order=col",
                                          "tile=2 order=row", "tile=4 order=col"}));
  const std::vector<std::uint16_t> refused = {2, 1};
  EXPECT_EQ(space.find(refused), std::nullopt);
}

TEST(SearchSpace, NeighboursDifferInOneParameter) {
  const SearchSpace space = three_by_two();
  for (ConfigId config = 0; config < space.size(); ++config) {
    const std::vector<ConfigId> found = space.neighbours(config);
    std::size_t expected = 0;
    for (ConfigId other = 0; other < space.size(); ++other) {
      int differing = 0;
      for (std::size_t p = 0; p < 2; ++p) differing += space.point(config)[p] != space.point(other)[p] ? 1 : 0;
      if (differing != 1) continue;
      ++expected;
      EXPECT_NE(std::find(found.begin(), found.end(), other), found.end());
    }
    EXPECT_EQ(found.size(), expected);
  }
}

TEST(SearchSpace, RefusesWhatMakesNoSpace) {
  EXPECT_THROW(SearchSpace::combinations({}), Error);
  EXPECT_THROW(SearchSpace::combinations({{"tile", {}}}), Error);
  EXPECT_THROW(SearchSpace::combinations({{"tile", {whole(1)}}}, [](const auto&) { return false; }), Error);
  EXPECT_THROW(SearchSpace({{"tile", {whole(1), whole(2)}}}, {0, 1, 0}), Error);  // twice
  std::vector<ParameterValue> many;
  for (std::int64_t i = 0; i < 4000; ++i) many.push_back(whole(i));
  EXPECT_THROW(SearchSpace::combinations({{"a", many}, {"b", many}}), Error);
}

TEST(SearchSpace, PrintsValuesAsTheyAreWritten) {
  EXPECT_EQ(text_of(true), "true");
  EXPECT_EQ(text_of(whole(-3)), "-3");
  EXPECT_EQ(text_of(0.1), "0.1");
  EXPECT_EQ(text_of(ParameterValue("row")), "row");
}

}  // namespace
}  // namespace hetero
