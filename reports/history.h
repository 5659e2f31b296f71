// The same benchmarks over several commits, each compared with the commit before. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reports/compare.h"

namespace hetero {

struct HistoryPoint {
  std::vector<double> samples;  // not empty
  double median = 0;            // in the row's unit
  double mad = 0;
  std::optional<Ratio> time_ratio = {};  // over the commit before: above 1 it is slower; absent: nothing to compare
  Finding finding = Finding::kSame;      // against the commit before
};

struct HistoryRow {
  std::string name;
  std::string unit;
  std::vector<std::optional<HistoryPoint>> points;  // one for each commit; absent: it was not measured there
};

struct History {
  struct Commit {
    std::string label;
    std::string source;
  };
  CompareOptions options;
  std::vector<Commit> commits;  // the oldest first
  std::vector<HistoryRow> rows;
  std::vector<std::string> warnings;  // one line each
};

// `sets`: the oldest first, at least two, one for each label. The chance of any false alarm in the whole history is at
// most options.alpha. Does not ask whether they are comparable; differences() does. Throws input_error when two that
// follow each other have no benchmark in common, usage_error when the filter leaves none.
History history_of(const std::vector<BenchmarkSet>& sets, const std::vector<std::string>& labels,
                   const CompareOptions& options);

}  // namespace hetero
