// The exact balance of a divisible piece of work: cut the points 0..last into one interval per device, in order, so
// that the slowest device is as fast as can be. Pure; knows nothing of ops or devices.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <vector>

namespace hetero {

inline constexpr double kImpossible = std::numeric_limits<double>::infinity();

struct Cut {
  double value = kImpossible;  // the slowest device's time; kImpossible: no division is possible
  std::vector<int> ends;       // where each device's interval ends; the last is `last`
};

// `cost(d, i, j)`: time of device d on points [i, j), i < j; kImpossible where it cannot. Every device gets at least
// one step. Dynamic programming over (device, end): exact for any cost, monotone or not, in O(devices * last^2). Among
// equals the first device gets least, so the result is deterministic.
template <typename Cost>
Cut minimax(int devices, int last, const Cost& cost) {
  const std::size_t width = static_cast<std::size_t>(last) + 1;
  std::vector<double> best(width, kImpossible);
  std::vector<std::vector<int>> starts(static_cast<std::size_t>(devices), std::vector<int>(width, -1));
  for (int d = 0; d < devices; ++d) {
    // Only states that can still be completed: devices behind need a step each, the last device must end at `last`.
    const int first_end = d + 1 == devices ? last : d + 1;
    const int final_end = last - (devices - 1 - d);
    std::vector<double> next(width, kImpossible);
    for (int j = first_end; j <= final_end; ++j) {
      const int first_start = d;
      const int final_start = d == 0 ? 0 : j - 1;
      for (int i = first_start; i <= final_start; ++i) {
        const double before = d == 0 ? 0.0 : best[static_cast<std::size_t>(i)];
        double& here = next[static_cast<std::size_t>(j)];
        if (before >= here) continue;
        const double value = std::max(before, cost(d, i, j));
        if (value < here) {
          here = value;
          starts[static_cast<std::size_t>(d)][static_cast<std::size_t>(j)] = i;
        }
      }
    }
    best = std::move(next);
  }
  Cut cut;
  cut.value = best[static_cast<std::size_t>(last)];
  if (cut.value == kImpossible) return cut;
  cut.ends.assign(static_cast<std::size_t>(devices), last);
  for (int d = devices - 1; d > 0; --d) {
    cut.ends[static_cast<std::size_t>(d - 1)] =
        starts[static_cast<std::size_t>(d)][static_cast<std::size_t>(cut.ends[static_cast<std::size_t>(d)])];
  }
  return cut;
}

}  // namespace hetero
