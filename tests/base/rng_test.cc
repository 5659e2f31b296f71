// The generator gives the published SplitMix64 sequence, and its distributions have the moments that they should.
#include "base/rng.h"

#include <gtest/gtest.h>

namespace hetero {
namespace {

TEST(Rng, KnownSequence) {
  Rng rng(1234567);
  EXPECT_EQ(rng.next(), 6457827717110365317ULL);
  EXPECT_EQ(rng.next(), 3203168211198807973ULL);
  EXPECT_EQ(rng.next(), 9817491932198370423ULL);
}

TEST(Rng, Moments) {
  Rng rng(1);
  constexpr int kCount = 100000;
  double uniform = 0;
  double normal = 0;
  double square = 0;
  for (int i = 0; i < kCount; ++i) {
    const double u = rng.uniform();
    ASSERT_GE(u, 0);
    ASSERT_LT(u, 1);
    uniform += u;
    const double x = rng.normal();
    normal += x;
    square += x * x;
    ASSERT_LT(rng.below(7), 7U);
  }
  // Six standard errors.
  EXPECT_NEAR(uniform / kCount, 0.5, 6 * 0.2887 / 316);
  EXPECT_NEAR(normal / kCount, 0, 6.0 / 316);
  EXPECT_NEAR(square / kCount, 1, 6 * 1.4142 / 316);
}

}  // namespace
}  // namespace hetero
