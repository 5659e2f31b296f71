// The ops of one part of one block: graph ops restricted to the part's rectangle, on the arena's tensors.
// Knows the division rule of every op kind; knows nothing of segments, order or devices' abilities.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/device/segment.h"
#include "runtime/exec/partition.h"
#include "runtime/exec/step_arena.h"
#include "runtime/model/graph.h"

namespace hetero {

// How the divided dimension of a block is rounded: columns per tensor follow from fractions of `units` units.
struct BlockGrain {
  bool by_kv_heads = false;  // attention, and all of a paired attention: whole groups of heads
  std::int64_t align = 32;   // boundaries are multiples of so many KV heads (by_kv_heads) or columns
};

// Where the residual stream stands when a block begins.
struct ResidualState {
  int copy = 0;                 // which of the two copies is current
  std::vector<int> partial_of;  // devices whose partial sums are still to be added; empty: none
  int generation = 0;           // of those partial sums
};

// What a block of a part needs beside the graph.
struct PartContext {
  Part part;
  BlockGrain grain;
  ResidualState residual;
  TensorId residual_in = kNoTensor;  // what norms read (a private sum while partial sums were pending)
  int partial_generation = 0;        // where this block's own partial sums go
  std::int64_t input_row0 = -1;      // head of the last row only: the row that the norm reads; -1: the part's own
};

// Empty when the part's columns round to nothing.
std::vector<Op> block_ops_of_part(const Graph& graph, const Block& block, const StepArena& arena,
                                  const PartContext& context);

// residual_out = current copy + every pending partial sum, on the part's rows.
std::vector<Op> pending_sum_ops(const StepArena& arena, const ResidualState& residual, const Part& part,
                                TensorId residual_out, std::int64_t width);

// The grain of a block when divided by features. For paired blocks the grain serves the whole pair, so it looks at the
// matmul at the pair's end, whose reduction is divided.
BlockGrain grain_of(const Graph& graph, std::size_t block_index, bool paired,
                    const std::vector<const DeviceFacts*>& devices);

}  // namespace hetero
