// The arena's layout for a graph: which arena tensors stand for a graph tensor, per device where copies are private.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/device/arena.h"
#include "runtime/model/graph.h"

namespace hetero {

struct StepArenaSizes {
  std::int64_t max_rows = 0;  // of one step
  std::int64_t max_logits_rows = 1;
  std::int64_t max_context = 0;  // rows of the KV cache
  std::int64_t pad_rows = 0;     // rows beyond max_rows and max_context that padded graphs may write
  int devices = 1;
};

class StepArena {
 public:
  StepArena(const Graph& graph, const StepArenaSizes& sizes);

  Arena& arena() { return arena_; }
  const Arena& arena() const { return arena_; }
  const StepArenaSizes& sizes() const { return sizes_; }

  // The residual stream exists twice (0, 1): a paired block reads one and its successor writes the other.
  TensorId residual(int copy) const { return residual_[static_cast<std::size_t>(copy)]; }
  // Shared, KV and logits tensors are the same for every device.
  TensorId tensor(GraphTensorId id, int device) const;
  // Partial sums of paired blocks, two generations; and a private copy of the residual with the sums added.
  TensorId partial(int device, int generation) const;
  TensorId private_residual(int device) const;

 private:
  StepArenaSizes sizes_;
  Arena arena_;
  TensorId residual_[2] = {kNoTensor, kNoTensor};
  std::vector<std::vector<TensorId>> tensors_;  // [graph tensor][device]
  std::vector<TensorId> partials_;              // [device * 2 + generation]
  std::vector<TensorId> private_residuals_;
};

}  // namespace hetero
