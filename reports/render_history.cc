#include "reports/render_history.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/html/chart.h"
#include "reports/html/page.h"
#include "reports/markup.h"
#include "reports/words.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

std::string spread_text(const HistoryPoint& point) {
  return number_text("MAD %.1f %%, ", point.median > 0 ? 100 * point.mad / point.median : 0) +
         std::to_string(point.samples.size());
}

std::string interval_text(const HistoryPoint& point) {
  if (!point.time_ratio || !point.time_ratio->interval) return "-";
  return number_text("%.3f", point.time_ratio->interval->low) + " .. " +
         number_text("%.3f", point.time_ratio->interval->high);
}

// Where there is no commit before, or the benchmark was not in it, there is nothing to say.
std::string finding_text(const HistoryPoint& point) {
  return point.time_ratio ? std::string(name_of(point.finding)) : "";
}

bool changed(const HistoryRow& row) {
  return std::any_of(row.points.begin(), row.points.end(), [](const auto& point) {
    return point && (point->finding == Finding::kSlower || point->finding == Finding::kFaster);
  });
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(text.size() < width ? width - text.size() : 0, ' ');
}

HtmlSection section_of(const History& history, const HistoryRow& row, std::size_t index) {
  const bool is_time = row.unit == "ns";
  XyChart chart{row.name, {"", "", Scale::kLinear, {}}, {is_time ? "time" : "rate", row.unit, Scale::kLinear, {}}, {}};
  for (const History::Commit& commit : history.commits) chart.x.names.push_back(commit.label);
  Series samples{"sample", 0, SeriesStyle::kPoints, {}};
  Series medians{"median", 1, SeriesStyle::kLineWithPoints, {}};
  HtmlTable table{
      {"commit", "#median", "#MAD, samples", "#time over the commit before", "#interval", "finding", "from"}, {}};
  for (std::size_t i = 0; i < row.points.size(); ++i) {
    const double x = static_cast<double>(i);
    if (!row.points[i]) {
      table.rows.push_back({history.commits[i].label, "-", "-", "-", "-", "", history.commits[i].source});
      continue;
    }
    const HistoryPoint& point = *row.points[i];
    for (const double sample : point.samples) samples.points.push_back({x, sample});
    medians.points.push_back({x, point.median, finding_text(point)});
    table.rows.push_back({history.commits[i].label, format_value(point.median, row.unit), spread_text(point),
                          point.time_ratio ? number_text("%.3f", point.time_ratio->estimate) : "-",
                          interval_text(point), finding_text(point), history.commits[i].source});
  }
  chart.series = {samples, medians};
  return {"metric-" + std::to_string(index), row.name,
          figure("Every dot is a sample; the line joins the medians. " +
                     std::string(is_time ? "Lower is better." : "Higher is better."),
                 html_of(chart), table)};
}

}  // namespace

std::string render_text(const History& history) {
  constexpr double kLongestBar = 30;
  std::size_t widest = 6;
  for (const History::Commit& commit : history.commits) widest = std::max(widest, commit.label.size());
  std::string text;
  for (const HistoryRow& row : history.rows) {
    double most = 0;
    for (const auto& point : row.points) most = point ? std::max(most, point->median) : most;
    text += row.name + "\n";
    for (std::size_t i = 0; i < row.points.size(); ++i) {
      std::string line = "  " + padded(history.commits[i].label, widest + 2);
      if (const auto& point = row.points[i]) {
        line += padded(format_value(point->median, row.unit), 12) + padded("(" + spread_text(*point) + ")", 19) +
                padded(std::string(static_cast<std::size_t>(kLongestBar * point->median / most + 0.5), '#'),
                       static_cast<std::size_t>(kLongestBar) + 2);
        if (point->time_ratio) line += number_text("%.3f ", point->time_ratio->estimate) + finding_text(*point);
      } else {
        line += "-";
      }
      line.erase(line.find_last_not_of(' ') + 1);
      text += line + "\n";
    }
    text += "\n";
  }
  return text + "Numbers at the end: time over the commit before (above 1: slower). Mann-Whitney U, level " +
         number_text("%.3g", history.options.alpha) + " over the whole history; changes below " +
         number_text("%.3g %%", 100 * history.options.threshold) + " do not count.\n";
}

std::string render_json(const History& history) {
  Json commits = Json::array();
  for (const History::Commit& commit : history.commits) {
    commits.push_back({{"label", commit.label}, {"source", commit.source}});
  }
  Json rows = Json::array();
  for (const HistoryRow& row : history.rows) {
    Json points = Json::array();
    for (const auto& point : row.points) {
      if (!point) {
        points.push_back(nullptr);
        continue;
      }
      Json ratio = nullptr;
      if (point->time_ratio) {
        ratio = {{"estimate", point->time_ratio->estimate}, {"low", nullptr}, {"high", nullptr}};
        if (point->time_ratio->interval) {
          ratio["low"] = point->time_ratio->interval->low;
          ratio["high"] = point->time_ratio->interval->high;
        }
      }
      points.push_back({{"median", point->median},
                        {"mad", point->mad},
                        {"samples", point->samples},
                        {"time_ratio", ratio},
                        {"finding", point->time_ratio ? Json(std::string(name_of(point->finding))) : Json(nullptr)}});
    }
    rows.push_back({{"name", row.name}, {"unit", row.unit}, {"points", points}});
  }
  const Json document = {{"schema", "hetero.history"},
                         {"version", 1},
                         {"threshold", history.options.threshold},
                         {"alpha", history.options.alpha},
                         {"warnings", history.warnings},
                         {"commits", commits},
                         {"benchmarks", rows}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string render_html(const History& history) {
  std::vector<const HistoryRow*> rows;
  for (const HistoryRow& row : history.rows) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(),
                   [](const HistoryRow* a, const HistoryRow* b) { return changed(*a) > changed(*b); });
  std::string body =
      paragraph("Each commit is compared with the one before: Mann-Whitney U, level " +
                number_text("%.3g", history.options.alpha) + " over the whole history; changes of the time below " +
                number_text("%.3g %%", 100 * history.options.threshold) + " do not count.");
  HtmlTable steps{{"benchmark", "commit", "#time over the commit before", "finding"}, {}};
  for (const HistoryRow* row : rows) {
    for (std::size_t i = 0; i < row->points.size() && changed(*row); ++i) {
      const auto& point = row->points[i];
      if (!point || (point->finding != Finding::kSlower && point->finding != Finding::kFaster)) continue;
      steps.rows.push_back({row->name, history.commits[i].label, number_text("%.3f", point->time_ratio->estimate),
                            std::string(name_of(point->finding))});
    }
  }
  body += steps.rows.empty() ? paragraph("Nothing changed.") : html_of(steps);
  for (const std::string& warning : history.warnings) body += paragraph("Warning: " + warning + ".", "note");
  if (rows.size() > kMostHistoryCharts) {
    body += paragraph(std::to_string(rows.size() - kMostHistoryCharts) +
                          " benchmarks are left out; --filter chooses others, --json has all.",
                      "note");
  }
  std::vector<HtmlSection> sections = {{"changes", "Changes", body}};
  for (std::size_t i = 0; i < rows.size() && i < kMostHistoryCharts; ++i) {
    sections.push_back(section_of(history, *rows[i], i));
  }
  return html_page("hetero history", sections);
}

}  // namespace hetero
