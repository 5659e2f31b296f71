// Whole steps of the model in the real executor, on each device alone: what ops by themselves do not tell (see
// StepFactors). Timed before solving. Decides nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "runtime/llm/engine.h"
#include "tuner/gate/gate.h"

namespace hetero {

struct SingleStepOptions {
  double budget_seconds = 5;  // decode and `rows` are timed twice on every device, whatever that takes
  int rounds = 5;             // samples of each
  std::map<std::pair<std::string, std::int64_t>, int> have;  // samples that are there already, by device and rows
  std::int64_t rows = 64;                                    // of a prompt
  std::vector<std::int64_t> further_rows = {256, 1024, 32, 512, 128};  // what is left of the budget goes to these
};

// Samples of SampleKind::kStep go to hooks.store. A device that cannot do a step alone has none of it.
// `model`: its fingerprint. The engine's plan is changed.
void time_single_steps(Engine& engine, const std::string& model, const SingleStepOptions& options,
                       const GateHooks& hooks);

}  // namespace hetero
