// Charts as inline SVG: points and lines over two axes, and strips that show every sample. Pure.
//
// SVG written here rather than a chart library: it needs no script, so the page works where scripts are off, follows
// the reader's light or dark setting and prints by style sheet alone, and its text can be read and searched. Colours
// are the classes s0 .. s7 of page.css; what differs in colour differs in shape too.
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
  std::string unit;  // of tick labels, as format_value() takes it; empty: none
  Scale scale = Scale::kLinear;
};

struct ChartPoint {
  double x = 0;
  double y = 0;
  std::string label = {};  // shown when the pointer rests on it
};

enum class SeriesStyle : std::uint8_t { kPoints, kLine, kDashedLine, kLineWithPoints };

struct Series {
  std::string name;  // in the legend; empty: not there
  int colour = 0;    // taken modulo kSeriesColours
  SeriesStyle style = SeriesStyle::kPoints;
  std::vector<ChartPoint> points;
};

struct XyChart {
  std::string title;  // what a screen reader says
  Axis x;
  Axis y;
  std::vector<Series> series;
};

// Points that are not finite, and on a log axis those that are not positive, are left out. Empty when none is left.
std::string svg_of(const XyChart& chart);

struct StripRow {
  std::string label;
  int colour = 0;
  std::vector<double> values;
  std::optional<double> expected;  // a prediction, drawn as a hollow diamond
};

struct StripChart {
  std::string title;
  Axis x;
  std::vector<StripRow> rows;  // from top to bottom; each value is a dot, the median a bar
};

std::string svg_of(const StripChart& chart);

}  // namespace hetero
