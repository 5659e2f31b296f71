// How a team of threads runs the ops of a segment one after another with as few meetings as their operands allow, and
// without writing a workspace that is there already: a matmul begins to quantise what a norm wrote without a meeting,
// each member its own pieces, while they are in its cache. Pure: it knows regions and kernels, not threads.
#pragma once

#include <span>
#include <vector>

#include "runtime/device/segment.h"

namespace hetero {

// One op. Between its own phases the members always meet.
struct StepOrder {
  int first_phase = 0;       // phases before it are not needed: the workspace holds what they would write
  bool meet_before = false;  // all members must have left the ops before
  friend bool operator==(const StepOrder&, const StepOrder&) = default;
};

// `kernels`: one an op. All ops share one workspace, which nothing else writes while the segment runs.
std::vector<StepOrder> order_steps(std::span<const Op> ops, std::span<const HostKernel* const> kernels);

}  // namespace hetero
