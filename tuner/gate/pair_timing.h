// Times plans in the real engine, in turns: what happens to the machine meanwhile happens to all.
// Decides nothing. Not thread-safe; the engine outlives it and is left with the plan that ran last.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "profiles/plan.h"
#include "runtime/llm/engine.h"

namespace hetero {

// The median and its noise, of the ratios first/second of every pair.
struct PairResult {
  std::vector<double> first_ns;
  std::vector<double> second_ns;
  double ratio = 0;
  double noise = 0;  // half-width of the median: what a difference must exceed to be one
};
PairResult summarise(std::vector<double> first_ns, std::vector<double> second_ns);

class PairTimer {
 public:
  // `rows` of a prefill step; 1: decode steps, which go on from a short prompt.
  PairTimer(Engine& engine, std::int64_t rows);

  // Prepares the plan and runs it once without looking at the clock. Throws what the engine throws.
  void warm(const Plan& plan);
  // Steps of one timing.
  std::int64_t steps() const;
  // Time of one step in nanoseconds (decode: the mean of a few).
  double time(const Plan& plan);
  // What time() runs, as the executor saw it.
  Trace trace(const Plan& plan);
  // Times of each plan, round by round: at least `rounds`, fewer (not below 3) when `enough` says so. The order turns
  // round from round to round.
  std::vector<std::vector<double>> turns(const std::vector<Plan>& plans, int rounds,
                                         const std::function<bool()>& enough);
  // The same of two.
  PairResult pairs(const Plan& first, const Plan& second, int pairs, const std::function<bool()>& enough);

 private:
  void run_steps(std::int64_t steps);

  Engine& engine_;
  std::int64_t rows_;
  std::vector<TokenId> tokens_;
};

}  // namespace hetero
