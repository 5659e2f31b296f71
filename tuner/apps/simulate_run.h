// Runs a scenario: the runtime's own solver, engine and executor on a virtual timeline, and the sums over what the
// devices did. Prints nothing; the same input gives the same result to the last digit.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "profiles/model_shape.h"
#include "profiles/trace.h"
#include "tuner/apps/simulate_scenario.h"

namespace hetero {

// What one device did in a phase.
struct DeviceUse {
  std::string device;  // id
  double busy_ns = 0;
  double streamed_bytes = 0;  // weights and KV cache read
};

struct PhaseRun {
  std::int64_t tokens = 0;
  std::int64_t steps = 0;
  double total_ns = 0;             // of all steps, with the host's part
  std::int64_t joins = 0;          // waits of one device for another, in all steps
  std::vector<DeviceUse> devices;  // in the order of the scenario
  std::optional<double> energy_j;  // of the devices while active; none: the power of one that worked is not known
  std::vector<Span> example;       // prefill: its first step; decode: its last token
};

enum class KeepTrace : std::uint8_t { kNo, kAll };

struct SimulatedRun {
  Plan plan;
  PhaseRun prefill;
  PhaseRun decode;
  double compile_ns = 0;  // time for graphs before the prompt arrives: not in any phase
  Trace trace;            // empty unless it was asked for
  // An injected fault that ended it: the phases hold what was done until then.
  std::optional<std::string> failure;
};

// `plan`: run this one; none: solve. Throws input_error when the plan does not fit the devices.
SimulatedRun run_scenario(const Scenario& scenario, const ModelShape& shape, const std::optional<Plan>& plan,
                          std::int64_t prompt, std::int64_t generate, KeepTrace keep);

}  // namespace hetero
