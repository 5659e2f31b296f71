#include "reports/compare.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"
#include "reports/words.h"

namespace hetero {
namespace {

const Benchmark* find(const BenchmarkSet& set, const std::string& name) {
  const auto at =
      std::find_if(set.benchmarks.begin(), set.benchmarks.end(), [&](const Benchmark& b) { return b.name == name; });
  return at == set.benchmarks.end() ? nullptr : &*at;
}

// Times, or what is in proportion to them.
std::vector<double> as_times(const Benchmark& benchmark) {
  std::vector<double> times = benchmark.samples;
  if (benchmark.direction == Direction::kRate) {
    for (double& t : times) t = 1 / t;
  }
  return times;
}

ComparedBenchmark measured(const Benchmark* a, const Benchmark* b, const CompareOptions& options) {
  const Benchmark& either = a != nullptr ? *a : *b;
  ComparedBenchmark row{.name = either.name, .unit = either.unit};
  if (a != nullptr) {
    row.samples_a = a->samples.size();
    row.median_a = median_of(a->samples);
    row.mad_a = mad_of(a->samples);
  }
  if (b != nullptr) {
    row.samples_b = b->samples.size();
    row.median_b = median_of(b->samples);
    row.mad_b = mad_of(b->samples);
  }
  if (a == nullptr || b == nullptr) {
    row.finding = a != nullptr ? Finding::kOnlyInFirst : Finding::kOnlyInSecond;
    return row;
  }
  const std::vector<double> times_a = as_times(*a);
  const std::vector<double> times_b = as_times(*b);
  row.time_ratio = ratio_of(times_a, times_b, options.confidence);
  row.p = mann_whitney_p(times_a, times_b);
  return row;
}

bool in_both(const ComparedBenchmark& row) { return row.time_ratio.has_value(); }

// In a table of `tests` the smallest p-value must be below alpha / tests: how many samples a side that takes.
std::size_t samples_needed(double alpha, std::size_t tests) {
  std::size_t n = 1;
  while (smallest_p(n, n) * static_cast<double>(tests) > alpha && n < 1000) ++n;
  return n;
}

// What was not shown may be there all the same where the interval is wide.
void warn_of_noise(Comparison& comparison) {
  std::size_t wide = 0;
  double worst = 0;
  for (const ComparedBenchmark& row : comparison.benchmarks) {
    if (row.finding != Finding::kSame || !row.time_ratio) continue;
    const auto& interval = row.time_ratio->interval;
    if (!interval) continue;
    const double reach = std::max(interval->high - 1, 1 - interval->low);
    if (reach <= comparison.options.threshold) continue;
    ++wide;
    worst = std::max(worst, reach);
  }
  if (wide == 0) return;
  comparison.warnings.push_back("in " + std::to_string(wide) + " of " +
                                std::to_string(comparison.count(Finding::kSame)) +
                                " benchmarks without a finding the noise could hide a difference, of up to " +
                                number_text("%.0f %%", 100 * worst) + ": more samples, or a quieter machine");
}

void judge(Comparison& comparison) {
  const CompareOptions& options = comparison.options;
  std::vector<double> p;
  for (const ComparedBenchmark& row : comparison.benchmarks) {
    if (in_both(row)) p.push_back(row.p);
  }
  const std::vector<double> adjusted = holm_adjusted(p);
  std::size_t next = 0;
  bool enough_alone = false;  // of what is too few here
  for (ComparedBenchmark& row : comparison.benchmarks) {
    if (!in_both(row)) continue;
    row.p_adjusted = adjusted[next++];
    const double change = row.time_ratio->estimate - 1;
    if (row.p_adjusted <= options.alpha && change > options.threshold) {
      row.finding = Finding::kSlower;
    } else if (row.p_adjusted <= options.alpha && change < -options.threshold) {
      row.finding = Finding::kFaster;
    } else if (smallest_p(row.samples_a, row.samples_b) * static_cast<double>(p.size()) > options.alpha) {
      row.finding = Finding::kTooFew;
      enough_alone = enough_alone || smallest_p(row.samples_a, row.samples_b) <= options.alpha;
    }
  }
  if (const std::size_t too_few = comparison.count(Finding::kTooFew); too_few > 0) {
    comparison.warnings.push_back(std::to_string(too_few) + " of " + std::to_string(p.size()) +
                                  " benchmarks have too few samples for any difference to be found: " +
                                  std::to_string(samples_needed(options.alpha, p.size())) +
                                  " on each side are needed in a table of this length" +
                                  (enough_alone ? ", fewer in a shorter one (--filter)" : ""));
  }
  warn_of_noise(comparison);
}

}  // namespace

std::string_view name_of(Finding finding) {
  switch (finding) {
    case Finding::kSame:
      return "same";
    case Finding::kSlower:
      return "slower";
    case Finding::kFaster:
      return "faster";
    case Finding::kTooFew:
      return "too few samples";
    case Finding::kOnlyInFirst:
      return "only in A";
    case Finding::kOnlyInSecond:
      return "only in B";
  }
  return "?";
}

std::size_t Comparison::count(Finding finding) const {
  return static_cast<std::size_t>(std::count_if(benchmarks.begin(), benchmarks.end(),
                                                [&](const ComparedBenchmark& b) { return b.finding == finding; }));
}

std::vector<std::string> differences(const BenchmarkSet& a, const BenchmarkSet& b) {
  std::vector<std::string> lines;
  for (const auto& [name, value] : a.circumstances) {
    const auto other = b.circumstances.find(name);
    if (other != b.circumstances.end() && other->second != value) {
      lines.push_back(name + ": " + value + " against " + other->second);
    }
  }
  return lines;
}

std::vector<std::string> recorded_once(const BenchmarkSet& a, const BenchmarkSet& b) {
  std::vector<std::string> names;
  for (const auto& [one, other] : {std::pair(&a, &b), std::pair(&b, &a)}) {
    for (const auto& [name, value] : one->circumstances) {
      if (!other->circumstances.contains(name) && !name.starts_with("device ")) names.push_back(name);
    }
  }
  return names;
}

Comparison compare(const BenchmarkSet& a, const BenchmarkSet& b, const CompareOptions& options) {
  Comparison comparison{a.source, b.source, options, {}, {}};
  for (const BenchmarkSet* set : {&a, &b}) {
    std::copy(set->notes.begin(), set->notes.end(), std::back_inserter(comparison.warnings));
  }
  const auto wanted = [&](const std::string& name) { return name.find(options.filter) != std::string::npos; };
  for (const Benchmark& benchmark : a.benchmarks) {
    if (wanted(benchmark.name)) {
      comparison.benchmarks.push_back(measured(&benchmark, find(b, benchmark.name), options));
    }
  }
  for (const Benchmark& benchmark : b.benchmarks) {
    if (wanted(benchmark.name) && find(a, benchmark.name) == nullptr) {
      comparison.benchmarks.push_back(measured(nullptr, &benchmark, options));
    }
  }
  if (comparison.benchmarks.empty()) {
    throw usage_error("no benchmark's name holds '" + options.filter + "'", "choose another --filter");
  }
  if (std::none_of(comparison.benchmarks.begin(), comparison.benchmarks.end(), in_both)) {
    throw input_error(a.source + " and " + b.source + " have no benchmark in common",
                      "the first has '" + comparison.benchmarks.front().name + "', for example");
  }
  judge(comparison);
  const std::size_t lonely = comparison.count(Finding::kOnlyInFirst) + comparison.count(Finding::kOnlyInSecond);
  if (lonely > 0) comparison.warnings.push_back(std::to_string(lonely) + " benchmarks are on one side only");
  return comparison;
}

}  // namespace hetero
