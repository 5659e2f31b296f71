// Median and median absolute deviation: how this room sums up samples.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

namespace hetero {

// Of the values as given, by value; the mean of the middle two when their number is even. 0 for none.
inline double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

inline double median_absolute_deviation(std::vector<double> values) {
  const double centre = median(values);
  for (double& v : values) v = std::abs(v - centre);
  return median(std::move(values));
}

}  // namespace hetero
