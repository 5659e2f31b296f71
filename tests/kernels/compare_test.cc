// Tests of the comparator itself: everything it must catch, and that it accepts what it should.
#include "tests/compare.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace hetero::test {
namespace {

constexpr std::int64_t kM = 2;
constexpr std::int64_t kN = 3;
using Six = std::array<float, 6>;
constexpr Six kExpected = {1, -2, 3, -4, 5, -6};

Comparison check(const Six& expected, const Six& actual, const Tolerance& tolerance) {
  return compare({expected.data(), kN}, {actual.data(), kN}, kM, kN, tolerance);
}
Six changed(std::size_t at, float value) {
  Six copy = kExpected;
  copy[at] = value;
  return copy;
}

TEST(Compare, EqualIsFineWithoutAnyTolerance) {
  EXPECT_TRUE(check(kExpected, kExpected, {}).ok);
  EXPECT_TRUE(check({}, {}, {}).ok);
}

TEST(Compare, OneElementBeyondFails) {
  EXPECT_TRUE(check(kExpected, changed(4, 5.09F), {.absolute = 0.1}).ok);
  const Comparison wrong = check(kExpected, changed(4, 5.2F), {.absolute = 0.1});
  EXPECT_FALSE(wrong.ok);
  EXPECT_NEAR(wrong.worst, 2, 1e-5);
  EXPECT_NE(wrong.message.find("[1, 1]"), std::string::npos) << wrong.message;
  EXPECT_FALSE(check(kExpected, changed(0, 1.001F), {}).ok);
}

TEST(Compare, RowAndColumnFactorsMeet) {
  Tolerance tolerance{.row = {1, 0}, .column = {0, 0.5, 0}};
  EXPECT_TRUE(check(kExpected, changed(1, -2.4F), tolerance).ok);  // [0, 1]
  EXPECT_FALSE(check(kExpected, changed(1, -2.6F), tolerance).ok);
  EXPECT_FALSE(check(kExpected, changed(0, 1.1F), tolerance).ok);  // [0, 0]
  EXPECT_FALSE(check(kExpected, changed(4, 5.1F), tolerance).ok);  // [1, 1]
}

TEST(Compare, RelativeScalesWithTheExpected) {
  EXPECT_TRUE(check(kExpected, changed(5, -6.5F), {.relative = 0.1}).ok);
  EXPECT_FALSE(check(kExpected, changed(0, 1.5F), {.relative = 0.1}).ok);
}

TEST(Compare, NotFiniteFailsWhateverTheTolerance) {
  const Tolerance wide{.absolute = 1e30};
  for (const float bad : {static_cast<float>(NAN), static_cast<float>(INFINITY), static_cast<float>(-INFINITY)}) {
    EXPECT_FALSE(check(kExpected, changed(3, bad), wide).ok);
    EXPECT_FALSE(check(changed(3, bad), kExpected, wide).ok);
    EXPECT_FALSE(check(changed(3, bad), changed(3, bad), wide).ok);
  }
  EXPECT_FALSE(check(kExpected, changed(3, 4), {.absolute = NAN}).ok);
}

TEST(Compare, AllZeroIsMistrusted) {
  const Tolerance wide{.absolute = 100};
  EXPECT_FALSE(check(kExpected, {}, wide).ok);
  EXPECT_TRUE(check({}, kExpected, wide).ok);  // only the result is mistrusted
}

TEST(Compare, SignCounts) {
  Six negated = kExpected;
  for (float& x : negated) x = -x;
  EXPECT_FALSE(check(kExpected, negated, {.absolute = 1}).ok);
  EXPECT_FALSE(check(kExpected, negated, {.absolute = 100}).ok);
}

TEST(Compare, StridesAreFollowed) {
  const std::array<float, 8> expected = {1, 2, 3, 99, 4, 5, 6, 98};
  const Six actual = {1, 2, 3, 4, 5, 6};
  EXPECT_TRUE(compare({expected.data(), 4}, {actual.data(), 3}, 2, 3, {}).ok);
}

TEST(Compare, MatmulToleranceGrowsWithTheClass) {
  const std::array<float, 4> x = {1, -1, 1, -1};
  const std::array<float, 8> w = {1, 1, 1, 1, 2, 2, 2, 2};
  const auto allowed = [&](ToleranceClass c) {
    const Tolerance t = matmul_tolerance(c, {x.data(), 4}, 1, w.data(), 2, 4);
    EXPECT_NEAR(t.column[1] / t.column[0], 2, 1e-12);
    return t.row[0] * t.column[0];
  };
  // 4 u sqrt(4) |x| |w| with both norms 2.
  EXPECT_NEAR(allowed(ToleranceClass::kF32), 32 * 0x1p-24, 1e-12);
  EXPECT_GT(allowed(ToleranceClass::kF16), 100 * allowed(ToleranceClass::kF32));
  EXPECT_GT(allowed(ToleranceClass::kQ8), allowed(ToleranceClass::kF16));
  EXPECT_LT(allowed(ToleranceClass::kQ8), 0.03);
}

TEST(GuardedMatrix, FindsWhatIsWrittenOutside) {
  GuardedMatrix matrix(3, 5, 2, 1);
  EXPECT_EQ(matrix.damage(), "");
  for (std::int64_t r = 0; r < 3; ++r) {
    for (std::int64_t c = 0; c < 5; ++c) matrix.at(r, c) = 1;
  }
  EXPECT_EQ(matrix.damage(), "");
  for (const std::int64_t outside : {-1, 5, 6, 12, 3 * 7, 3 * 7 + 63}) {
    GuardedMatrix hit(3, 5, 2, 1);
    hit.data()[outside] = 0;
    EXPECT_NE(hit.damage(), "") << outside;
  }
  EXPECT_TRUE(std::isnan(matrix.data()[5]));
}

}  // namespace
}  // namespace hetero::test
