// The cheapest chain of choices through a step. Consecutive blocks on one device are one submission: no join and no new
// launch between them. So what a block costs depends on who holds the result before it, and the chain is a dynamic
// programme over the blocks of a layer with that as its state. Pure and deterministic.
#pragma once

#include <vector>

#include "tuner/solve/options.h"

namespace hetero {

// Layers of equal types: they share options and decisions.
struct LayerClass {
  std::vector<int> layers;         // ascending
  std::vector<SpanOptions> spans;  // of one block, and of several; in any order
};

// One chosen option on its blocks.
struct Choice {
  const SpanOptions* span = nullptr;
  Option option;
  double predicted_ns = 0;  // of the span in the steady state: option, less a saved launch, with the joins it causes
};

struct Chain {
  double total_ns = kImpossible;             // one step: all layers, head, last join
  std::vector<std::vector<Choice>> classes;  // [class]: its choices in order, covering the five blocks of a layer
  Choice head;
};

// The best chain under: layers of one class are treated alike, and every layer leaves its result in the same place (one
// device, or everybody). Within that it is exact, and all blocks on one device is among the chains, at exactly its
// cost: one launch and one join for the whole step. total_ns is kImpossible when no chain is possible.
Chain best_chain(const SolveProblem& problem, const std::vector<LayerClass>& classes, const SpanOptions& head);

}  // namespace hetero
