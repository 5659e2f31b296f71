#include "tuner/fit/regression.h"

#include <algorithm>
#include <cmath>

namespace hetero {
namespace {

double middle(std::vector<double>& values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

// The best scale s for times proportional to s * shape(t): minimises sum ((s * x / ns) - 1)^2.
template <typename Shape>
double best_scale(const std::vector<Timing>& timings, const Shape& shape) {
  double xy = 0;
  double xx = 0;
  for (const Timing& t : timings) {
    const double x = shape(t) / t.ns;
    xy += x;
    xx += x * x;
  }
  return xx > 0 ? xy / xx : 0;
}

// Between times of different states, over the smaller one. A single time is no state unless it is far off.
constexpr double kStateGap = 1.0 / 12;
constexpr double kLoneStateGap = 1.0 / 6;

}  // namespace

// A tenth of the times is below the gap, at least: fewer are a tail.
Spread fastest_state(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  for (std::size_t i = 1 + times.size() / 10; i < times.size(); ++i) {
    if (times[i] <= times[i - 1] * (1 + (i == 1 ? kLoneStateGap : kStateGap))) continue;
    times.resize(i);
    break;
  }
  return median_and_mad(std::move(times));
}

Spread median_and_mad(std::vector<double> values) {
  Spread spread;
  spread.count = static_cast<int>(values.size());
  spread.median = middle(values);
  if (spread.median == 0) return spread;
  for (double& value : values) value = std::abs(value - spread.median);
  spread.mad = middle(values) / std::abs(spread.median);
  return spread;
}

Line relative_least_squares(const std::vector<Timing>& timings) {
  // Normal equations of sum ((a + b * work) / ns - 1)^2, work scaled to about one against cancellation.
  double scale = 0;
  for (const Timing& t : timings) scale = std::max(scale, t.work);
  if (scale == 0) scale = 1;
  double s11 = 0;
  double s12 = 0;
  double s22 = 0;
  double r1 = 0;
  double r2 = 0;
  for (const Timing& t : timings) {
    const double u = 1 / t.ns;
    const double v = t.work / scale / t.ns;
    s11 += u * u;
    s12 += u * v;
    s22 += v * v;
    r1 += u;
    r2 += v;
  }
  const double det = s11 * s22 - s12 * s12;
  if (det > 1e-12 * s11 * s22) {
    const Line line{(r1 * s22 - r2 * s12) / det, (r2 * s11 - r1 * s12) / det / scale};
    if (line.fixed >= 0 && line.per_unit >= 0) return line;
  }
  // On the edge: one of the two is zero, whichever fits better. One shape alone says nothing of a fixed part.
  const Line proportional{0, best_scale(timings, [](const Timing& t) { return t.work; })};
  const Line constant{best_scale(timings, [](const Timing&) { return 1.0; }), 0};
  const auto error = [&](const Line& line) {
    double sum = 0;
    for (const Timing& t : timings) sum += std::pow(line.at(t.work) / t.ns - 1, 2);
    return sum;
  };
  return error(constant) < error(proportional) * (1 - 1e-9) - 1e-18 ? constant : proportional;
}

Line least_absolute(const std::vector<Timing>& timings) {
  Line best;
  double least = -1;
  const auto offer = [&](const Line& line) {
    if (line.fixed < 0 || line.per_unit < 0) return;
    double sum = 0;
    for (const Timing& t : timings) sum += std::abs(line.at(t.work) / t.ns - 1);
    // Prefers the first of (nearly) equals: exact data must not choose by rounding.
    if (least < 0 || sum < least - 1e-9) {
      least = sum;
      best = line;
    }
  };
  for (std::size_t i = 0; i < timings.size(); ++i) {
    const Timing& a = timings[i];
    if (a.work > 0) offer({0, a.ns / a.work});
    offer({a.ns, 0});
    for (std::size_t j = i + 1; j < timings.size(); ++j) {
      const Timing& b = timings[j];
      if (a.work == b.work) continue;
      const double slope = (b.ns - a.ns) / (b.work - a.work);
      offer({a.ns - slope * a.work, slope});
    }
  }
  return best;
}

}  // namespace hetero
