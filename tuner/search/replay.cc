#include "tuner/search/replay.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

#include "base/statistics.h"

namespace hetero {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

// Answers proposals from the recording.
class Problem {
 public:
  explicit Problem(const RecordedSearch& recording)
      : recording_(recording), row_of_(recording.row_of()), repetitions_(repetitions_of(recording)) {}

  const SearchSpace& space() const { return recording_.space; }
  int repetitions() const { return repetitions_; }

  SearchResult full(ConfigId config) const {
    if (row_of_[config] < 0) return {SearchStatus::kCompileError, 0};
    return row(config).result;
  }

  SearchResult answer(const Proposal& proposal) const {
    SearchResult result = full(proposal.config);
    if (result.ok() && proposal.repetitions < repetitions_) {
      const std::vector<double>& all = row(proposal.config).runtimes;
      result.value = median_of({all.begin(), all.begin() + proposal.repetitions});
    }
    return result;
  }

 private:
  const RecordedRow& row(ConfigId config) const { return recording_.rows[static_cast<std::size_t>(row_of_[config])]; }

  const RecordedSearch& recording_;
  std::vector<std::int32_t> row_of_;
  int repetitions_;
};

ReplayRun run_once(const Problem& problem, const std::string& name, std::uint64_t seed, double most, double optimum) {
  StrategyOptions options;
  options.seed = seed;
  options.repetitions = problem.repetitions();
  const std::unique_ptr<SearchStrategy> strategy = make_strategy(name, problem.space(), options);
  ReplayRun run;
  double believed = kNever;  // the least value that was told
  double best = kNever;      // the full value of that configuration
  std::int64_t looks = 0;    // repetitions so far
  const std::int64_t full = problem.repetitions();
  while (best > optimum && static_cast<double>(looks) < most * static_cast<double>(full)) {
    const std::optional<Proposal> proposal = strategy->next();
    if (!proposal) break;
    const SearchResult result = problem.answer(*proposal);
    strategy->tell(result);
    looks += proposal->repetitions;
    if (!result.ok() || result.value >= believed) continue;
    believed = result.value;
    const double value = problem.full(proposal->config).value;
    if (value == best) continue;
    best = value;
    run.improvements.push_back({static_cast<double>(looks) / static_cast<double>(full), best});
  }
  run.evaluations = static_cast<double>(looks) / static_cast<double>(full);
  return run;
}

}  // namespace

double ReplayRun::evaluations_until(double value) const {
  for (const ReplayStep& step : improvements) {
    if (step.best <= value) return step.evaluations;
  }
  return kNever;
}

double ReplayRun::best_after(double evaluations_spent) const {
  double best = kNever;
  for (const ReplayStep& step : improvements) {
    if (step.evaluations <= evaluations_spent) best = step.best;
  }
  return best;
}

double optimum_of(const RecordedSearch& recording) {
  double least = kNever;
  for (const RecordedRow& row : recording.rows) {
    if (row.result.ok()) least = std::min(least, row.result.value);
  }
  return least;
}

int repetitions_of(const RecordedSearch& recording) {
  std::size_t least = std::numeric_limits<int>::max();
  for (const RecordedRow& row : recording.rows) {
    if (row.result.ok()) least = std::min(least, row.runtimes.size());
  }
  return std::max(1, static_cast<int>(least));
}

ReplaySummary replay(const RecordedSearch& recording, const std::string& strategy, const ReplayOptions& options) {
  make_strategy(strategy, recording.space, {});  // refuses an unknown name here, on the caller's thread
  const Problem problem(recording);
  const double optimum = optimum_of(recording);
  const double most = options.most_evaluations > 0 ? options.most_evaluations : kNever;
  ReplaySummary summary;
  summary.strategy = strategy;
  summary.runs.resize(static_cast<std::size_t>(options.seeds));
  // Seeds know nothing of each other: any thread may take the next one, and the result is the same.
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < summary.runs.size(); i = next++) {
      summary.runs[i] = run_once(problem, strategy, i + 1, most, optimum);
    }
  };
  std::vector<std::thread> threads;
  const unsigned count = std::clamp(std::thread::hardware_concurrency(), 1U, 16U);
  for (unsigned t = 1; t < count; ++t) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();

  std::vector<double> until;
  for (const ReplayRun& run : summary.runs) until.push_back(run.evaluations_until(kCloseToOptimum * optimum));
  summary.median_evaluations_close = median_of(until);
  summary.share_close =
      static_cast<double>(std::count_if(until.begin(), until.end(), [](double e) { return std::isfinite(e); })) /
      static_cast<double>(until.size());
  return summary;
}

double median_percent_after(const ReplaySummary& summary, double optimum, double evaluations) {
  std::vector<double> percent;
  for (const ReplayRun& run : summary.runs) percent.push_back(100 * optimum / run.best_after(evaluations));
  return median_of(percent);
}

std::vector<double> curve_points(double most) {
  std::vector<double> points;
  for (double decade = 1; decade <= most; decade *= 10) {
    for (const double step : {1.0, 2.0, 5.0}) {
      if (step * decade < most) points.push_back(step * decade);
    }
  }
  points.push_back(most);
  return points;
}

}  // namespace hetero
