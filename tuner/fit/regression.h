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

// The same of the machine's fastest state only. Clocks, memory paths and whoever shares the machine come in states: the
// same op takes 3.0 or 3.7 ms, nothing between, and the median of a few samples is the one or the other by chance.
// Times above the first gap of a twelfth (a sixth, where it is a single time that is below) are those of a slower state
// and left out; times that merely scatter, by 5 % say, have hardly such a gap and keep their median.
Spread fastest_state(std::vector<double> times);

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
