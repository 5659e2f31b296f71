// From graph, plan and number of rows to segments with their dependencies. Built by following the graph in program
// order and recording, for every rectangle of every tensor, who wrote and who read it; so any plan gives the right
// answer.
#pragma once

#include <cstdint>
#include <vector>

#include "profiles/plan.h"
#include "runtime/device/device.h"
#include "runtime/exec/step_arena.h"
#include "runtime/model/graph.h"

namespace hetero {

// Which rows of the step need logits.
enum class LogitsRows : std::uint8_t { kNone, kLast, kAll };

// What a segment should take. Attention reads more, the further the sequence is.
struct Prediction {
  double ns = 0;               // at position 0; 0 = no prediction
  double ns_per_position = 0;  // more for each token that went before the step
  double at(std::int64_t position) const { return ns + ns_per_position * static_cast<double>(position); }
};

struct ScheduledSegment {
  int device = 0;  // index into the executor's devices
  Segment segment;
  std::vector<int> waits_on;  // indices of earlier segments on other devices, without those implied
  Prediction predicted;
};

struct Schedule {
  Phase phase = Phase::kPrefill;
  std::int64_t rows = 0;
  LogitsRows logits = LogitsRows::kLast;
  std::vector<ScheduledSegment> segments;  // topologically ordered
  // Where the logits are after a run: rows x vocab.
  Region logits_region;

  int joins() const;  // dependencies between devices
};

// Throws input_error when the plan lacks a block, names an unknown device, or wants graphs of sizes that a device has
// not.
Schedule build_schedule(const Graph& graph, const StepArena& arena, const PlanBucket& bucket, std::int64_t rows,
                        LogitsRows logits, const std::vector<const DeviceFacts*>& devices);

}  // namespace hetero
