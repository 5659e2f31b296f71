#include "reports/history.h"

#include <algorithm>

namespace hetero {
namespace {

HistoryRow& row_named(History& history, const Benchmark& benchmark) {
  for (HistoryRow& row : history.rows) {
    if (row.name == benchmark.name) return row;
  }
  history.rows.push_back({benchmark.name, benchmark.unit, {}});
  history.rows.back().points.resize(history.commits.size());
  return history.rows.back();
}

}  // namespace

History history_of(const std::vector<BenchmarkSet>& sets, const std::vector<std::string>& labels,
                   const CompareOptions& options) {
  History history{options, {}, {}, {}};
  for (std::size_t i = 0; i < sets.size(); ++i) history.commits.push_back({labels[i], sets[i].source});
  CompareOptions step = options;
  step.alpha /= static_cast<double>(std::max<std::size_t>(sets.size() - 1, 1));  // one table for each step, none false
  for (std::size_t i = 0; i < sets.size(); ++i) {
    for (const Benchmark& benchmark : sets[i].benchmarks) {
      if (benchmark.name.find(options.filter) == std::string::npos) continue;
      row_named(history, benchmark).points[i] = {benchmark.samples, median_of(benchmark.samples),
                                                 mad_of(benchmark.samples), std::nullopt, Finding::kOnlyInSecond};
    }
    if (i == 0) continue;
    const Comparison comparison = compare(sets[i - 1], sets[i], step);
    for (const ComparedBenchmark& compared : comparison.benchmarks) {
      const auto row = std::find_if(history.rows.begin(), history.rows.end(),
                                    [&](const HistoryRow& r) { return r.name == compared.name; });
      if (row == history.rows.end() || !row->points[i]) continue;
      row->points[i]->time_ratio = compared.time_ratio;
      row->points[i]->finding = compared.finding;
    }
    for (const std::string& warning : comparison.warnings) {
      history.warnings.push_back(labels[i - 1] + " to " + labels[i] + ": " + warning);
    }
  }
  return history;
}

}  // namespace hetero
