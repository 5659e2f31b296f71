// Replaying a strategy on a recorded space: what it would have found, and after how many evaluations. Nothing runs, so
// many seeds take seconds. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tuner/search/recording.h"

namespace hetero {

// A configuration counts as found when it takes at most this many times the optimum.
constexpr double kCloseToOptimum = 1.05;

struct ReplayOptions {
  int seeds = 50;               // 1, 2, ...
  double most_evaluations = 0;  // of one search; 0: all of the space
};

// One search. An evaluation is one configuration with all its recorded repetitions; one with fewer counts as that part
// (time to compile is not counted). What was found is judged by its value at all repetitions.
struct ReplayStep {
  double evaluations = 0;  // up to and including this one
  double best = 0;         // value of the best so far
};
struct ReplayRun {
  std::vector<ReplayStep> improvements;
  double evaluations = 0;  // at the end
  // Until something within `factor` of `optimum` was found; infinite when it never was.
  double evaluations_until(double value) const;
  // Best after so many evaluations; infinite before the first valid one.
  double best_after(double evaluations) const;
};

// Of one strategy over all seeds, and how it sums up.
struct ReplaySummary {
  std::string strategy;
  std::vector<ReplayRun> runs;
  // Median over seeds of evaluations until within kCloseToOptimum; infinite when fewer than half of them got there.
  double median_evaluations_close = 0;
  double share_close = 0;  // of the seeds that got there
};

// The least valid value. Precondition: a valid row, as recording_from_json() ensures.
double optimum_of(const RecordedSearch& recording);

// Repetitions that every valid row has recorded: the fidelities that successive halving may use. At least 1.
int repetitions_of(const RecordedSearch& recording);

// Throws usage_error for an unknown strategy. Configurations of the space without a row are compile errors.
ReplaySummary replay(const RecordedSearch& recording, const std::string& strategy, const ReplayOptions& options);

// Median over seeds of optimum / best after so many evaluations, in percent; 0 where nothing valid was found.
double median_percent_after(const ReplaySummary& summary, double optimum, double evaluations);

// Where to look at a curve: 1, 2, 5, 10, 20, ... and the end itself.
std::vector<double> curve_points(double most);

}  // namespace hetero
