// Median and median absolute deviation: how samples are summed up.
#pragma once

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace hetero {

// Of the values as given, by value; the mean of the middle two when their number is even. 0 for none.
inline double median_of(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// Median absolute deviation from the median. 0 for none.
inline double mad_of(std::vector<double> values) {
  const double centre = median_of(values);
  for (double& v : values) v = std::abs(v - centre);
  return median_of(std::move(values));
}

}  // namespace hetero
