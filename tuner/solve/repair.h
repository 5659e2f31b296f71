// Steps that keep the memory budget, where the best ones do not. Pure and deterministic.
#pragma once

#include <memory>
#include <vector>

#include "tuner/solve/solve.h"
#include "tuner/solve/step.h"

namespace hetero {

using Steps = std::vector<std::unique_ptr<StepSolution>>;  // decode first, then prefill by tokens

std::vector<std::int64_t> prefill_buckets(const SolveOptions& options);  // ascending, each once
unsigned all_of(const SolveProblem& problem);                            // every device: a bit each
bool possible(const Steps& steps);
Placement placement_of(const SolveProblem& problem, const Steps& steps);
Steps solve_prefill(const SolveProblem& problem, const SolveOptions& options, unsigned usable);

// The least slow steps within the budget among these, for decode and for prefill each: every set of devices solved
// freely; every block (or the heavy ones only) divided by features so that devices that are short of memory hold a
// share of each weight, from nothing to what fits, the best share for each step; one division by capacity for all,
// which stores every weight once. Not searched: shares that differ from block to block, so the result can be slower
// than the best one that fits. Throws input_error when none of them fits.
Steps repair(const SolveProblem& problem, const SolveOptions& options, const Steps& unlimited);

}  // namespace hetero
