// For which row counts a static device should have graphs: pure, from measured curves and what compiling costs. Every
// size more makes some prompts cheaper and is compiled once for every block of the model.
#pragma once

#include <cstdint>
#include <vector>

#include "profiles/cost_model.h"
#include "profiles/model_shape.h"
#include "tuner/solve/solve.h"

namespace hetero {

struct GraphSizeOptions {
  // Prompts by which a graph must have paid for its compilation. Plans are kept for weeks and graphs on disk, so this
  // is low: what does not pay within an hour's use is left out.
  double prompts = 100;
  std::int64_t longest = 1024;  // prompts are as likely to have any length up to this
};

// Nanoseconds of `prompts` prompts of all lengths on the device alone, each in the cheaper of two ways (a pipe of whole
// graphs, or padded to the next one), with everything compiled once. What the device has no curve for (attention) is
// not counted. Precondition: sizes is not empty.
double cost_of_sizes(const ModelShape& shape, const CostModel& costs, const SolveDevice& device,
                     const std::vector<std::int64_t>& sizes, const GraphSizeOptions& options);

// The best subset of device.standard_sizes, ascending: decode's one row, where it is among them, and at least one more.
// One size is added at a time, then removed, as long as that lowers the cost; as many at most as the device's memory
// holds copies of the weights in half of it. A dynamic device has none.
std::vector<std::int64_t> choose_graph_sizes(const ModelShape& shape, const CostModel& costs, const SolveDevice& device,
                                             const GraphSizeOptions& options);

}  // namespace hetero
