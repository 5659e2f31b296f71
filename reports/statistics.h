// The statistics of comparing two sets of times. Pure; knows neither files nor benchmarks. Any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "base/statistics.h"

namespace hetero {

// Two-sided p-value of the Mann-Whitney U test: how likely samples that lie this far apart, or further, are if both
// sides are drawn from one distribution. Needs no normal distribution, which times do not have. Exact, ties included
// (every way of dealing the joint ranks to the two sides is counted), up to n1 * n2 = 400; beyond that the normal
// approximation with corrections for ties and continuity (Hollander, Wolfe & Chicken, Nonparametric Statistical
// Methods, ch. 4). 1 when a side is empty.
double mann_whitney_p(std::span<const double> a, std::span<const double> b);

// The least p-value that samples of these sizes can have: 2 / C(n1 + n2, n1). 1 when one is 0.
double smallest_p(std::size_t n1, std::size_t n2);

// b over a. The estimate is the median of all quotients b[j] / a[i] (Hodges and Lehmann's shift, of logarithms); the
// interval holds the quotients between which the U test finds no difference, so it agrees with mann_whitney_p.
struct Ratio {
  double estimate = 0;
  struct Interval {
    double low = 0;
    double high = 0;
  };
  std::optional<Interval> interval;  // absent: too few samples for this confidence
};
// All values > 0, neither side empty. `confidence` in (0, 1), such as 0.95.
Ratio ratio_of(std::vector<double> a, std::vector<double> b, double confidence);

// Holm's step-down: p-values such that calling everything below alpha a difference is wrong in at most alpha of all
// tables, whatever the tests have to do with each other. In the order given.
std::vector<double> holm_adjusted(const std::vector<double>& p);

}  // namespace hetero
