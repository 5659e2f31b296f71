#include "reports/render_compare.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/junit.h"
#include "reports/markup.h"
#include "reports/render_markdown.h"
#include "reports/words.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

std::string ratio_text(const ComparedBenchmark& row) {
  return row.time_ratio ? number_text("%.3f", row.time_ratio->estimate) : "-";
}
std::string interval_text(const ComparedBenchmark& row) {
  if (!row.time_ratio || !row.time_ratio->interval) return "-";
  return number_text("%.3f", row.time_ratio->interval->low) + " .. " +
         number_text("%.3f", row.time_ratio->interval->high);
}
std::string median_text(double median, double mad, const std::string& unit, std::size_t samples) {
  if (samples == 0) return "-";
  return format_value(median, unit) + number_text(" (MAD %.1f %%, ", median > 0 ? 100 * mad / median : 0) +
         std::to_string(samples) + ")";
}
std::string p_text(const ComparedBenchmark& row) {
  if (!row.time_ratio) return "-";
  return row.p_adjusted < 1e-4 ? "< 0.0001" : number_text("%.4f", row.p_adjusted);
}

// Regressions first, then gains, then the rest; in the table's order within each.
std::vector<const ComparedBenchmark*> by_weight(const Comparison& comparison) {
  const auto rank = [](const ComparedBenchmark* row) {
    return row->finding == Finding::kSlower ? 0 : row->finding == Finding::kFaster ? 1 : 2;
  };
  std::vector<const ComparedBenchmark*> rows;
  for (const ComparedBenchmark& row : comparison.benchmarks) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const ComparedBenchmark* a, const ComparedBenchmark* b) { return rank(a) < rank(b); });
  return rows;
}

std::string summary(const Comparison& comparison) {
  const std::size_t too_few = comparison.count(Finding::kTooFew);
  return std::to_string(comparison.count(Finding::kSlower)) + " slower, " +
         std::to_string(comparison.count(Finding::kFaster)) + " faster, " +
         std::to_string(comparison.count(Finding::kSame)) + " where no difference of more than " +
         number_text("%.3g %%", 100 * comparison.options.threshold) + " was found" +
         (too_few > 0 ? ", " + std::to_string(too_few) + " with too few samples" : "");
}

std::string method(const Comparison& comparison) {
  return "Ratio: time of B over time of A (median of all pairs, " +
         number_text("%.3g %%", 100 * comparison.options.confidence) +
         " interval). Mann-Whitney U, p adjusted by Holm over the table, level " +
         number_text("%.3g", comparison.options.alpha) + ".";
}

}  // namespace

std::string render_text(const Comparison& comparison) {
  std::vector<std::vector<std::string>> table = {{"benchmark", "A", "B", "time B/A", "interval", "p", "finding"}};
  for (const ComparedBenchmark& row : comparison.benchmarks) {
    table.push_back({row.name, median_text(row.median_a, row.mad_a, row.unit, row.samples_a),
                     median_text(row.median_b, row.mad_b, row.unit, row.samples_b), ratio_text(row), interval_text(row),
                     p_text(row), std::string(name_of(row.finding))});
  }
  std::vector<std::size_t> widths(table[0].size(), 0);
  for (const auto& cells : table) {
    for (std::size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string text = "A: " + comparison.source_a + "\nB: " + comparison.source_b + "\n\n";
  for (const auto& cells : table) {
    for (std::size_t i = 0; i + 1 < cells.size(); ++i) {
      text += cells[i] + std::string(widths[i] - cells[i].size() + 2, ' ');
    }
    text += cells.back() + "\n";
  }
  return text + "\n" + summary(comparison) + ". " + method(comparison) + "\n";
}

std::string render_markdown(const Comparison& comparison) {
  // Head, warnings, table head and the last lines; the tests hold the whole to kMostMarkdownLines.
  constexpr std::size_t kMostWarnings = 8;
  constexpr std::size_t kMostRows = 36;
  std::string text = "## Comparison\n\n- A: " + escape_markdown(comparison.source_a) +
                     "\n- B: " + escape_markdown(comparison.source_b) + "\n\n**" + summary(comparison) + ".** " +
                     method(comparison) + "\n\n";
  const std::size_t warnings = std::min(comparison.warnings.size(), kMostWarnings);
  for (std::size_t i = 0; i < warnings; ++i) text += "- Warning: " + escape_markdown(comparison.warnings[i]) + ".\n";
  text += warnings > 0 ? "\n" : "";
  text += "| benchmark | A | B | time B/A | interval | p | finding |\n| --- | --- | --- | --- | --- | --- | --- |\n";
  const std::vector<const ComparedBenchmark*> rows = by_weight(comparison);
  for (std::size_t i = 0; i < rows.size() && i < kMostRows; ++i) {
    const ComparedBenchmark& row = *rows[i];
    const std::string finding(name_of(row.finding));
    const bool differs = row.finding == Finding::kSlower || row.finding == Finding::kFaster;
    text += "| " + escape_markdown(row.name) + " | " + median_text(row.median_a, row.mad_a, row.unit, row.samples_a) +
            " | " + median_text(row.median_b, row.mad_b, row.unit, row.samples_b) + " | " + ratio_text(row) + " | " +
            interval_text(row) + " | " + p_text(row) + " | " + (differs ? "**" + finding + "**" : finding) + " |\n";
  }
  if (rows.size() > kMostRows) {
    text += "\n" + std::to_string(rows.size() - kMostRows) + " more benchmarks left out; `--json` has them.\n";
  }
  return text;
}

std::string render_json(const Comparison& comparison) {
  Json rows = Json::array();
  for (const ComparedBenchmark& row : comparison.benchmarks) {
    const auto side = [](std::size_t samples, double median, double mad) {
      return samples == 0 ? Json(nullptr) : Json{{"samples", samples}, {"median", median}, {"mad", mad}};
    };
    Json ratio = nullptr;
    if (row.time_ratio) {
      ratio = {{"estimate", row.time_ratio->estimate}, {"low", nullptr}, {"high", nullptr}};
      if (row.time_ratio->interval) {
        ratio["low"] = row.time_ratio->interval->low;
        ratio["high"] = row.time_ratio->interval->high;
      }
    }
    rows.push_back({{"name", row.name},
                    {"unit", row.unit},
                    {"a", side(row.samples_a, row.median_a, row.mad_a)},
                    {"b", side(row.samples_b, row.median_b, row.mad_b)},
                    {"time_ratio", ratio},
                    {"p", row.time_ratio ? Json(row.p) : Json(nullptr)},
                    {"p_adjusted", row.time_ratio ? Json(row.p_adjusted) : Json(nullptr)},
                    {"finding", std::string(name_of(row.finding))}});
  }
  const Json document = {{"schema", "hetero.compare"},
                         {"version", 1},
                         {"a", comparison.source_a},
                         {"b", comparison.source_b},
                         {"threshold", comparison.options.threshold},
                         {"alpha", comparison.options.alpha},
                         {"confidence", comparison.options.confidence},
                         {"regressions", comparison.count(Finding::kSlower)},
                         {"warnings", comparison.warnings},
                         {"benchmarks", rows}};
  return document.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string render_junit(const Comparison& comparison) {
  JunitSuite suite{"compare", {}};
  for (const ComparedBenchmark& row : comparison.benchmarks) {
    JunitCase test{.name = row.name};
    test.details = "time B/A " + ratio_text(row) + ", interval " + interval_text(row) + ", p " + p_text(row);
    if (row.finding == Finding::kSlower) {
      test.state = JunitState::kFailed;
      test.message = "B takes " + number_text("%.1f %%", 100 * (row.time_ratio->estimate - 1)) + " longer than A";
    } else if (row.finding != Finding::kSame && row.finding != Finding::kFaster) {
      test.state = JunitState::kSkipped;
      test.message = name_of(row.finding);
    }
    suite.cases.push_back(test);
  }
  return junit_text({suite});
}

}  // namespace hetero
