// The small statistics that fitting needs: robust location and spread, and lines through timings. Pure.
#pragma once

#include <vector>

namespace hetero {

struct Spread {
  double median = 0;
  double mad = 0;  // relative to the median
  int count = 0;
};
// Precondition: values is not empty.
Spread median_and_mad(std::vector<double> values);

// A timing: work in units, time in ns; time > 0.
struct Timing {
  double work = 0;
  double ns = 0;
};

struct Line {
  double fixed = 0;     // >= 0
  double per_unit = 0;  // >= 0
  double at(double work) const { return fixed + per_unit * work; }
};

// Least squares of relative residuals, coefficients not negative: a small shape counts as much as a large one.
// Precondition: at least one timing.
Line relative_least_squares(const std::vector<Timing>& timings);

// The line with the least sum of absolute relative residuals among those through two timings, or through one with a
// coefficient at zero: up to half of the timings may be far off without moving it.
Line least_absolute(const std::vector<Timing>& timings);

}  // namespace hetero
