// One step solved: a bucket's options, and the chain chosen from them. Pure.
#pragma once

#include <memory>
#include <vector>

#include "tuner/solve/chain.h"
#include "tuner/solve/placement.h"

namespace hetero {

// Not moved: the chain points into the options.
struct StepSolution {
  Phase phase = Phase::kPrefill;
  std::int64_t tokens = 0;
  std::vector<LayerClass> classes;  // the class of most layers first
  SpanOptions head;
  Chain chain;
};

// Layers grouped by their weight formats, the largest group first (the first of equals).
std::vector<std::vector<int>> layer_classes(const ModelShape& shape);

// `usable`: the devices that may take part (bit = index). chain.total_ns is kImpossible when they cannot.
std::unique_ptr<StepSolution> solve_step(const SolveProblem& problem, const SolveOptions& options, Phase phase,
                                         std::int64_t tokens, unsigned usable);

// The same with every decision given: `features` by block kind, divided by rows of weights (or one device).
std::unique_ptr<StepSolution> follow_step(const SolveProblem& problem, const SolveOptions& options, Phase phase,
                                          std::int64_t tokens, const std::vector<std::vector<Share>>& features);

Placement placement_of(const SolveProblem& problem, const StepSolution& step);

}  // namespace hetero
