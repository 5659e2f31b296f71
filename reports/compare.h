// Compares two sets of benchmarks: which of them differ by more than chance and by more than a threshold. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "reports/benchmark_set.h"
#include "reports/statistics.h"

namespace hetero {

struct CompareOptions {
  double threshold = 0.03;   // relative change of the time that matters
  double alpha = 0.01;       // chance of calling anything in the table a difference when nothing is
  double confidence = 0.95;  // of the intervals, each by itself
  std::string filter = {};   // only benchmarks whose name holds this text
};

enum class Finding : std::uint8_t {
  kSame,    // no difference was shown, or one below the threshold
  kSlower,  // a regression
  kFaster,
  kTooFew,  // so few samples that the test cannot find anything
  kOnlyInFirst,
  kOnlyInSecond
};
std::string_view name_of(Finding finding);  // "same", "slower", "faster", "too few samples", "only in A", "only in B"

struct ComparedBenchmark {
  std::string name;
  std::string unit;
  std::size_t samples_a = 0;
  std::size_t samples_b = 0;
  double median_a = 0;  // in the unit; 0: there are none
  double median_b = 0;
  double mad_a = 0;
  double mad_b = 0;
  // Of times, second over first: above 1 the second is slower. Of rates it is turned round, so that it reads alike.
  std::optional<Ratio> time_ratio = {};
  double p = 1;
  double p_adjusted = 1;  // by Holm, over this table
  Finding finding = Finding::kSame;
};

struct Comparison {
  std::string source_a;
  std::string source_b;
  CompareOptions options;
  std::vector<ComparedBenchmark> benchmarks;  // in the order of the first set, then what only the second has
  std::vector<std::string> warnings;          // one line each

  std::size_t count(Finding finding) const;
};

// What speaks against comparing these: a line for each circumstance that differs. Empty: nothing.
std::vector<std::string> differences(const BenchmarkSet& a, const BenchmarkSet& b);
// Names of the circumstances that only one of them records; devices aside, which need not take part in both.
std::vector<std::string> recorded_once(const BenchmarkSet& a, const BenchmarkSet& b);

// Does not ask whether they are comparable; differences() does. Throws input_error when they have no benchmark in
// common, usage_error when the filter leaves none.
Comparison compare(const BenchmarkSet& a, const BenchmarkSet& b, const CompareOptions& options);

}  // namespace hetero
