#include "reports/html/chart.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/markup.h"
#include "reports/statistics.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

bool drawable(const Axis& axis, double value) {
  return std::isfinite(value) && (axis.scale == Scale::kLinear || value > 0);
}

Json json_of(const Axis& axis) {
  Json json = {{"title", axis.title}, {"unit", axis.unit}, {"log", axis.scale == Scale::kLog}};
  if (!axis.names.empty()) json["names"] = axis.names;
  return json;
}

const char* name_of(SeriesStyle style) {
  switch (style) {
    case SeriesStyle::kPoints:
      return "points";
    case SeriesStyle::kLine:
      return "line";
    case SeriesStyle::kDashedLine:
      return "dashed";
    case SeriesStyle::kLineWithPoints:
      return "line_points";
    case SeriesStyle::kStepsFrom:
      return "steps_from";
    case SeriesStyle::kStepsTo:
      return "steps_to";
  }
  return "points";
}

// "<" is written as an escape: nothing in a name can end the script element that holds the data.
std::string script_text(const Json& json) {
  std::string out;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    out += c == '<' ? std::string("\\u003c") : std::string(1, c);
  }
  return out;
}

std::string canvas(const std::string& title, const Json& chart) {
  return "<div class=\"chart\">\n<div class=\"canvas\"><canvas role=\"img\" tabindex=\"0\" aria-label=\"" +
         escape_markup(title + ". Arrow keys go through the values; the table below has them all.") +
         "\"></canvas></div>\n<p class=\"now\" aria-live=\"polite\"></p>\n<script type=\"application/json\">" +
         script_text(chart) + "</script>\n</div>\n";
}

}  // namespace

std::string html_of(const XyChart& chart) {
  Json all = Json::array();
  for (const Series& series : chart.series) {
    Json points = Json::array();
    for (const ChartPoint& p : series.points) {
      if (!drawable(chart.x, p.x) || !drawable(chart.y, p.y)) continue;
      points.push_back(p.label.empty() ? Json{p.x, p.y} : Json{p.x, p.y, p.label});
    }
    if (points.empty()) continue;
    all.push_back({{"name", series.name},
                   {"colour", series.colour % kSeriesColours},
                   {"style", name_of(series.style)},
                   {"points", points}});
  }
  if (all.empty()) return "";
  return canvas(chart.title, {{"kind", "xy"}, {"x", json_of(chart.x)}, {"y", json_of(chart.y)}, {"series", all}});
}

std::string html_of(const StripChart& chart) {
  Json rows = Json::array();
  bool any = false;
  for (const StripRow& row : chart.rows) {
    std::vector<double> values = row.values;
    std::erase_if(values, [&](double v) { return !drawable(chart.x, v); });
    Json json = {{"label", row.label}, {"colour", row.colour % kSeriesColours}, {"values", values}};
    if (!values.empty()) json["median"] = median_of(values);
    if (row.expected && drawable(chart.x, *row.expected)) json["expected"] = *row.expected;
    any = any || !values.empty() || json.contains("expected");
    rows.push_back(json);
  }
  if (!any) return "";
  return canvas(chart.title, {{"kind", "strip"}, {"x", json_of(chart.x)}, {"rows", rows}});
}

std::string html_of(const BarChart& chart) {
  Json all = Json::array();
  bool any = false;
  for (const BarSeries& series : chart.series) {
    Json values = Json::array();
    for (const std::optional<double>& value : series.values) {
      const bool shown = value && drawable(chart.x, *value);
      values.push_back(shown ? Json(*value) : Json(nullptr));
      any = any || shown;
    }
    all.push_back({{"name", series.name}, {"colour", series.colour % kSeriesColours}, {"values", values}});
  }
  if (!any) return "";
  return canvas(chart.title,
                {{"kind", "bars"}, {"x", json_of(chart.x)}, {"categories", chart.categories}, {"series", all}});
}

}  // namespace hetero
