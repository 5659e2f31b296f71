// The no-harm gate: a plan is adopted only after it has run in the real executor, interleaved with the best single
// device, and won by more than the noise. Before that, it races other divisions of the same work, and the shares of the
// fastest move to where the executor saw devices wait.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "profiles/measurement.h"
#include "profiles/plan.h"
#include "runtime/llm/engine.h"

namespace hetero {

struct GateOptions {
  int pairs = 5;  // at least; interleaved
  double budget_seconds = 30;
  // Longer prompts are not judged where that takes more than their part of the budget: their neighbour's division has
  // to do.
  std::int64_t max_prefill = 256;
};

struct GateHooks {
  std::function<void(const std::vector<Sample>&)> store;
  std::function<void(double fraction, const std::string& now)> progress;
  std::function<bool()> stop;
};

// `alternatives`: other divisions of the same buckets, which race the candidate's; the fastest is judged. May be empty.
// Returns the plan with a verdict in every bucket that was judged, and shares that may have moved (predictions are of
// the shares before); where none of them won, the bucket's blocks are replaced by the best single device's, or by the
// neighbouring prompt length's where those win. The engine's plan is changed meanwhile and is the returned plan at the
// end.
Plan gate(Engine& engine, const Plan& candidate, const std::vector<Plan>& alternatives, const GateOptions& options,
          const GateHooks& hooks);

}  // namespace hetero
