// The balance over cuts equals trying every cut.
#include "tuner/solve/minimax.h"

#include <gtest/gtest.h>

#include <functional>

#include "base/rng.h"

namespace hetero {
namespace {

double every_cut(int device, int devices, int from, int last, const std::function<double(int, int, int)>& cost) {
  if (device + 1 == devices) return from < last ? cost(device, from, last) : kImpossible;
  double best = kImpossible;
  for (int end = from + 1; end < last; ++end) {
    best = std::min(best, std::max(cost(device, from, end), every_cut(device + 1, devices, end, last, cost)));
  }
  return best;
}

TEST(Minimax, EqualsTryingEveryCut) {
  Rng rng(20261121);
  for (int round = 0; round < 300; ++round) {
    const int devices = 1 + static_cast<int>(rng.below(4));
    const int last = devices + static_cast<int>(rng.below(9));
    std::vector<double> table(static_cast<std::size_t>(devices * (last + 1) * (last + 1)));
    // Arbitrary costs, some impossible: not even monotone.
    for (double& t : table) t = rng.below(10) == 0 ? kImpossible : rng.uniform();
    const auto cost = [&](int d, int i, int j) {
      return table[static_cast<std::size_t>((d * (last + 1) + i) * (last + 1) + j)];
    };
    const Cut cut = minimax(devices, last, cost);
    const double expected = every_cut(0, devices, 0, last, cost);
    ASSERT_EQ(cut.value, expected) << "round " << round;
    if (expected == kImpossible) continue;
    double achieved = 0;
    int begin = 0;
    for (int d = 0; d < devices; ++d) {
      const int end = cut.ends[static_cast<std::size_t>(d)];
      ASSERT_LT(begin, end);
      achieved = std::max(achieved, cost(d, begin, end));
      begin = end;
    }
    EXPECT_EQ(begin, last);
    EXPECT_EQ(achieved, expected);
  }
}

TEST(Minimax, SaysWhenThereAreTooFewSteps) {
  EXPECT_EQ(minimax(3, 2, [](int, int, int) { return 1.0; }).value, kImpossible);
}

}  // namespace
}  // namespace hetero
