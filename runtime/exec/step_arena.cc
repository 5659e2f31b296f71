#include "runtime/exec/step_arena.h"

namespace hetero {

StepArena::StepArena(const Graph& graph, const StepArenaSizes& sizes) : sizes_(sizes) {
  const std::int64_t rows = sizes.max_rows + sizes.pad_rows;
  for (const GraphTensor& t : graph.tensors) {
    std::vector<TensorId>& ids = tensors_.emplace_back();
    const auto same_for_all = [&](TensorId id) { ids.assign(static_cast<std::size_t>(sizes.devices), id); };
    switch (t.role) {
      case TensorRole::kResidual:
        residual_[0] = arena_.add(t.name + "0", rows, t.cols);
        residual_[1] = arena_.add(t.name + "1", rows, t.cols);
        same_for_all(residual_[0]);
        break;
      case TensorRole::kShared:
        same_for_all(arena_.add(t.name, rows, t.cols));
        break;
      case TensorRole::kPrivate:
        for (int d = 0; d < sizes.devices; ++d)
          ids.push_back(arena_.add(t.name + "@" + std::to_string(d), rows, t.cols));
        break;
      case TensorRole::kKvCache:
        same_for_all(arena_.add(t.name, sizes.max_context + sizes.pad_rows, t.cols, RowOrigin::kSequence));
        break;
      case TensorRole::kLogits:
        same_for_all(arena_.add(t.name, sizes.max_logits_rows + sizes.pad_rows, t.cols));
        break;
    }
  }
  if (sizes.devices > 1) {
    for (int d = 0; d < sizes.devices; ++d) {
      const std::string suffix = "@" + std::to_string(d);
      partials_.push_back(arena_.add("partial0" + suffix, rows, graph.width));
      partials_.push_back(arena_.add("partial1" + suffix, rows, graph.width));
      private_residuals_.push_back(arena_.add("residual" + suffix, rows, graph.width));
    }
  }
  arena_.allocate();
  // A shape without weights only has its steps timed: nothing is ever stored.
  if (graph.embedding.data != nullptr) arena_.touch();
}

TensorId StepArena::tensor(GraphTensorId id, int device) const {
  return tensors_[static_cast<std::size_t>(id)][static_cast<std::size_t>(device)];
}

TensorId StepArena::partial(int device, int generation) const {
  return partials_[static_cast<std::size_t>(device * 2 + generation)];
}

TensorId StepArena::private_residual(int device) const { return private_residuals_[static_cast<std::size_t>(device)]; }

}  // namespace hetero
