// Charts for the page: what is to be drawn, as values, and as the HTML that page.js turns into a Chart.js chart. The
// figures travel as JSON beside the canvas; a table with the same figures stands below (page.h). Pure.
//
// Colours are the variables --s0 .. --s7 of page.css; what differs in colour differs in the shape of its marks too.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hetero {

inline constexpr int kSeriesColours = 8;

enum class Scale : std::uint8_t { kLinear, kLog };

struct Axis {
  std::string title;
  std::string unit;  // of ticks and tooltips, as format_value() takes it; empty: none
  Scale scale = Scale::kLinear;
  std::vector<std::string> names = {};  // of the ticks 0, 1, 2, ...; empty: the axis has numbers
};

struct ChartPoint {
  double x = 0;
  double y = 0;
  std::string label = {};  // said when the pointer or the keyboard rests on it
};

enum class SeriesStyle : std::uint8_t {
  kPoints,
  kLine,
  kDashedLine,
  kLineWithPoints,
  kStepsFrom,  // a value holds from its point on to the next
  kStepsTo     // a value holds from the point before up to its own
};

struct Series {
  std::string name;  // in the legend; empty: not there
  int colour = 0;    // taken modulo kSeriesColours
  SeriesStyle style = SeriesStyle::kPoints;
  std::vector<ChartPoint> points;
};

// Points and lines over two axes.
struct XyChart {
  std::string title;  // what a screen reader says
  Axis x;
  Axis y;
  std::vector<Series> series;
};

struct StripRow {
  std::string label;
  int colour = 0;
  std::vector<double> values;
  std::optional<double> expected;  // a prediction, drawn as a hollow diamond
};

// Distributions: a row each, a dot each sample, a bar at the median.
struct StripChart {
  std::string title;
  Axis x;
  std::vector<StripRow> rows;  // from top to bottom
};

struct BarSeries {
  std::string name;
  int colour = 0;
  std::vector<std::optional<double>> values;  // one for each category
};

// Lengths from zero on, a group of bars a category.
struct BarChart {
  std::string title;
  std::vector<std::string> categories;  // from top to bottom
  Axis x;
  std::vector<BarSeries> series;
};

// Values that are not finite, and on a log axis those that are not positive, are left out. Empty when none is left.
std::string html_of(const XyChart& chart);
std::string html_of(const StripChart& chart);
std::string html_of(const BarChart& chart);

}  // namespace hetero
