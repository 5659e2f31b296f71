// Every way to divide one span of blocks, evaluated: the best of each strategy. Pure; the chain chooses among them.
#pragma once

#include <vector>

#include "tuner/solve/span_times.h"

namespace hetero {

// One evaluated division of a span.
struct Option {
  Strategy strategy = Strategy::kSingle;
  int device = -1;  // single and pad: the one that does it
  std::vector<Share> features;
  std::vector<Share> rows;
  double total_ns = kImpossible;  // max over devices of (busy + launch), + join
  double join_ns = 0;             // the dearest join among the devices used
  double launch_ns = 0;           // single and pad: of the one device; saved when the device just goes on
  std::vector<double> device_ns;  // [device] busy time under contention
  std::vector<double> block_ns;   // [block of the span] its part of total_ns

  bool possible() const { return total_ns < kImpossible; }
};

// The span's options. A span of one block has all strategies; a longer one only those that save its inner joins.
struct SpanOptions {
  std::vector<BlockKind> blocks;
  // Single and pad on each device, possible ones only. Both stay: which is faster depends on whether they are launched.
  std::vector<Option> single;
  std::vector<Option> divided;    // best of each other strategy; possible ones only, cheapest first
  std::vector<Option> explained;  // best of each strategy, cheapest first
};

// The exact evaluation of one division, through the same expand() that the executor uses:
//   max over devices of (sum of ops * slowdown(active devices, phase) + launches * launch + launch of each other
//   device)
//   + max over devices of join.
// `division.block` is not looked at.
Option evaluate(const SolveProblem& problem, const SpanTimes& span, Phase phase, const BlockPlan& division);

// `usable`: the devices that may take part (bit = index).
SpanOptions enumerate_options(const SolveProblem& problem, const SpanTimes& span, Phase phase,
                              const SolveOptions& options, unsigned usable);

// The best division of the span by features among the devices of `mask` (bit = index), cut at `points` only.
Option best_by_features(const SolveProblem& problem, const SpanTimes& span, Phase phase, unsigned mask,
                        const std::vector<double>& points);

}  // namespace hetero
