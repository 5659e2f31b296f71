#include "reports/html/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "reports/html/svg.h"
#include "reports/markup.h"
#include "reports/statistics.h"

namespace hetero {
namespace {

constexpr double kWidth = 720;

bool drawable(const Axis& axis, double value) {
  return std::isfinite(value) && (axis.scale == Scale::kLinear || value > 0);
}

// From values to pixels along one axis, over a range that begins and ends on a tick or a little beyond the data.
class AxisMap {
 public:
  AxisMap(const Axis& axis, const std::vector<double>& values, double from_pixel, double to_pixel)
      : axis_(axis), from_(from_pixel), to_(to_pixel) {
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    low_ = at(*low);
    high_ = at(*high);
    if (axis.scale == Scale::kLinear) {
      low_ = std::min(0.0, low_);  // lengths are only comparable from zero on
      if (high_ <= low_) high_ = low_ + 1;
      high_ += 0.05 * (high_ - low_);
    } else {
      const double margin = std::max(0.05 * (high_ - low_), 0.1);  // decades; wide enough for one tick at least
      low_ -= margin;
      high_ += margin;
    }
  }

  double pixel_of(double value) const { return from_ + (at(value) - low_) / (high_ - low_) * (to_ - from_); }

  std::vector<double> ticks() const {
    std::vector<double> values;
    if (axis_.scale == Scale::kLinear) {
      const double step = nice_step((high_ - low_) / 5);
      for (int i = 0; i < 20; ++i) {
        const double value = (std::ceil(low_ / step) + i) * step;
        if (value > high_) break;
        values.push_back(value);
      }
      return values;
    }
    const double decades = high_ - low_;
    const std::vector<double> parts = decades > 4     ? std::vector<double>{1}
                                      : decades > 1.5 ? std::vector<double>{1, 3}
                                                      : std::vector<double>{1, 1.5, 2, 3, 5, 7};
    for (int decade = static_cast<int>(std::floor(low_)); decade <= static_cast<int>(std::ceil(high_)); ++decade) {
      for (const double part : parts) {
        const double value = part * std::pow(10.0, decade);
        if (at(value) >= low_ && at(value) <= high_) values.push_back(value);
      }
    }
    return values;
  }

 private:
  double at(double value) const { return axis_.scale == Scale::kLog ? std::log10(value) : value; }
  static double nice_step(double rough) {
    const double power = std::pow(10.0, std::floor(std::log10(std::max(rough, 1e-300))));
    for (const double part : {1.0, 2.0, 5.0}) {
      if (part * power >= rough) return part * power;
    }
    return 10 * power;
  }

  const Axis& axis_;
  double from_;
  double to_;
  double low_ = 0;
  double high_ = 1;
};

// "0" has no unit that would suit.
std::string tick_text(const Axis& axis, double value) {
  return value == 0 ? "0" : format_value(value, axis.unit == "ns" ? "ns" : "");
}

std::string title_of(const Axis& axis) {
  return axis.unit.empty() || axis.unit == "ns" ? axis.title : axis.title + ", " + axis.unit;
}

void draw_x_axis(Svg& svg, const Axis& axis, const AxisMap& map, double top, double bottom, double middle) {
  for (const double tick : map.ticks()) {
    const double x = map.pixel_of(tick);
    svg.line(x, top, x, bottom, "grid");
    svg.text(x, bottom + 16, Anchor::kMiddle, tick_text(axis, tick));
  }
  svg.text(middle, bottom + 36, Anchor::kMiddle, title_of(axis));
}

// One entry after another, as many lines as it takes; the height used.
double draw_legend(Svg& svg, const std::vector<Series>& series, double left, double top) {
  double x = left;
  double y = top;
  for (const Series& s : series) {
    if (s.name.empty()) continue;
    const double width = 34 + 7.2 * static_cast<double>(s.name.size());
    if (x > left && x + width > kWidth) {
      x = left;
      y += 18;
    }
    if (s.style != SeriesStyle::kPoints) {
      svg.line(x, y - 4, x + 18, y - 4,
               std::string(s.style == SeriesStyle::kDashedLine ? "dashed " : "line ") + colour_class(s.colour));
    }
    if (s.style == SeriesStyle::kPoints || s.style == SeriesStyle::kLineWithPoints) svg.mark(x + 9, y - 4, s.colour);
    svg.text(x + 24, y, Anchor::kStart, s.name);
    x += width;
  }
  return y - top + 18;
}

void draw_series(Svg& svg, const Series& series, const AxisMap& x, const AxisMap& y) {
  if (series.style != SeriesStyle::kPoints) {
    std::string d;
    for (const ChartPoint& p : series.points) {
      d += (d.empty() ? "M" : "L") + pixel(x.pixel_of(p.x)) + " " + pixel(y.pixel_of(p.y));
    }
    svg.path(d,
             std::string(series.style == SeriesStyle::kDashedLine ? "dashed " : "line ") + colour_class(series.colour));
  }
  if (series.style == SeriesStyle::kPoints || series.style == SeriesStyle::kLineWithPoints) {
    for (const ChartPoint& p : series.points) svg.mark(x.pixel_of(p.x), y.pixel_of(p.y), series.colour, p.label);
  }
}

// The end of a long label says more than its beginning: "... (emulated) join by poll". Not in the middle of a
// character.
std::string its_end(const std::string& label) {
  constexpr std::size_t kLongest = 46;
  if (label.size() <= kLongest) return label;
  std::size_t begin = label.size() - (kLongest - 4);
  while (begin < label.size() && (static_cast<unsigned char>(label[begin]) & 0xC0) == 0x80) ++begin;
  return "... " + label.substr(begin);
}

}  // namespace

std::string svg_of(const XyChart& chart) {
  std::vector<Series> series = chart.series;
  std::vector<double> xs;
  std::vector<double> ys;
  for (Series& s : series) {
    std::erase_if(s.points, [&](const ChartPoint& p) { return !drawable(chart.x, p.x) || !drawable(chart.y, p.y); });
    for (const ChartPoint& p : s.points) {
      xs.push_back(p.x);
      ys.push_back(p.y);
    }
  }
  std::erase_if(series, [](const Series& s) { return s.points.empty(); });
  if (xs.empty()) return "";

  constexpr double kHeight = 420;
  constexpr double kLeft = 76;
  constexpr double kBottom = kHeight - 48;
  Svg svg(kWidth, kHeight, chart.title);
  const double top = draw_legend(svg, series, kLeft, 16) + 8;
  const AxisMap x(chart.x, xs, kLeft, kWidth - 12);
  const AxisMap y(chart.y, ys, kBottom, top);
  draw_x_axis(svg, chart.x, x, top, kBottom, (kLeft + kWidth) / 2);
  for (const double tick : y.ticks()) {
    svg.line(kLeft, y.pixel_of(tick), kWidth - 12, y.pixel_of(tick), "grid");
    svg.text(kLeft - 8, y.pixel_of(tick) + 4, Anchor::kEnd, tick_text(chart.y, tick));
  }
  svg.text_upwards(14, (top + kBottom) / 2, title_of(chart.y));
  for (const Series& s : series) draw_series(svg, s, x, y);
  return svg.finish();
}

std::string svg_of(const StripChart& chart) {
  std::vector<double> all;
  std::vector<StripRow> rows = chart.rows;
  std::size_t longest = 0;
  for (StripRow& row : rows) {
    std::erase_if(row.values, [&](double v) { return !drawable(chart.x, v); });
    if (row.expected && !drawable(chart.x, *row.expected)) row.expected.reset();
    all.insert(all.end(), row.values.begin(), row.values.end());
    if (row.expected) all.push_back(*row.expected);
    row.label = its_end(row.label);
    longest = std::max(longest, row.label.size());
  }
  if (all.empty()) return "";

  constexpr double kRowHeight = 28;
  constexpr double kTop = 8;
  const double left = std::max(80.0, 16 + 7.2 * static_cast<double>(longest));
  const double bottom = kTop + kRowHeight * static_cast<double>(rows.size());
  Svg svg(kWidth, bottom + 48, chart.title);
  const AxisMap x(chart.x, all, left, kWidth - 24);
  draw_x_axis(svg, chart.x, x, kTop, bottom, (left + kWidth) / 2);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const StripRow& row = rows[i];
    const double y = kTop + kRowHeight * (static_cast<double>(i) + 0.5);
    svg.line(left, y, kWidth - 24, y, "grid");
    svg.text(left - 10, y + 4, Anchor::kEnd, row.label);
    for (const double value : row.values) svg.mark(x.pixel_of(value), y, row.colour, format_value(value, chart.x.unit));
    if (!row.values.empty()) {
      const double middle = x.pixel_of(median_of(row.values));
      svg.line(middle, y - 11, middle, y + 11, "median");
    }
    if (row.expected) {
      svg.hollow_diamond(x.pixel_of(*row.expected), y, "predicted " + format_value(*row.expected, chart.x.unit));
    }
  }
  return svg.finish();
}

}  // namespace hetero
