#include "tuner/solve/graph_sizes.h"

#include <algorithm>
#include <limits>
#include <map>

#include "base/error.h"
#include "runtime/exec/partition.h"

namespace hetero {
namespace {

// Lengths at which a prompt's cost is looked at. Odd, so that they lie on no size in particular.
constexpr std::int64_t kLengths = 67;

// What a static device has graphs of. Attention follows the sequence, the head has one row.
constexpr BlockKind kGraphBlocks[] = {BlockKind::kAttentionIn, BlockKind::kAttentionOut, BlockKind::kFfnIn,
                                      BlockKind::kFfnOut};

class SizeCosts {
 public:
  SizeCosts(const ModelShape& shape, const CostModel& costs, const SolveDevice& device, const GraphSizeOptions& options)
      : shape_(shape), costs_(costs), options_(options) {
    facts_.id = device.id;
  }

  double of(const std::vector<std::int64_t>& sizes) {
    facts_.standard_sizes = sizes;
    BlockPlan pad;
    pad.strategy = Strategy::kPad;
    pad.features = {{facts_.id, 1}};
    double sum = 0;
    for (std::int64_t i = 1; i <= kLengths; ++i) {
      const std::int64_t length = std::max<std::int64_t>(2, i * options_.longest / kLengths);
      sum += std::min(parts_ns(row_parts(0, facts_, 0, length)), parts_ns(expand(pad, length, {&facts_})));
    }
    double compile_ns = 0;
    for (const std::int64_t size : sizes) compile_ns += compile(size);
    return options_.prompts * sum / static_cast<double>(kLengths) + compile_ns;
  }

  // Bytes of the weights in one size's graphs, as the file stores them.
  double weight_bytes() const {
    double bytes = 0;
    each_block(1, [&](const std::vector<OpDesc>& ops) {
      for (const OpDesc& op : ops) {
        if (op.kind == OpKind::kMatmul) bytes += static_cast<double>(op.n * row_bytes(op.w, op.k));
      }
    });
    return bytes;
  }

 private:
  template <typename Visit>
  void each_block(std::int64_t rows, const Visit& visit) const {
    for (int layer = 0; layer < shape_.layers; ++layer) {
      for (const BlockKind kind : kGraphBlocks) visit(block_ops(shape_, kind, layer, rows, rows));
    }
  }

  double parts_ns(const std::vector<Part>& parts) {
    double ns = 0;
    for (const Part& part : parts) ns += step(part.padded_rows);
    return ns;
  }

  double step(std::int64_t rows) {
    const auto known = steps_.find(rows);
    if (known != steps_.end()) return known->second;
    double ns = 0;
    each_block(rows, [&](const std::vector<OpDesc>& ops) {
      for (const OpDesc& op : ops) ns += op_ns(op);
      ns += costs_.launch(facts_.id).median_ns;
    });
    steps_[rows] = ns;
    return ns;
  }

  double op_ns(const OpDesc& op) const {
    try {
      return costs_.op(facts_.id, op).median_ns;
    } catch (const Error&) {
      return 0;  // another device does it, whatever the sizes
    }
  }

  double compile(std::int64_t rows) const {
    double ns = 0;
    each_block(rows, [&](const std::vector<OpDesc>& ops) {
      double weights = 0;
      for (const OpDesc& op : ops) {
        if (op.kind == OpKind::kMatmul) weights += static_cast<double>(op.n) * static_cast<double>(op.k);
      }
      ns += costs_.graph_compile(facts_.id, weights).median_ns;
    });
    return ns;
  }

  const ModelShape& shape_;
  const CostModel& costs_;
  const GraphSizeOptions& options_;
  DeviceFacts facts_;
  std::map<std::int64_t, double> steps_;
};

std::vector<std::int64_t> with(std::vector<std::int64_t> sizes, std::int64_t size) {
  sizes.insert(std::lower_bound(sizes.begin(), sizes.end(), size), size);
  return sizes;
}

std::vector<std::int64_t> without(std::vector<std::int64_t> sizes, std::int64_t size) {
  std::erase(sizes, size);
  return sizes;
}

}  // namespace

double cost_of_sizes(const ModelShape& shape, const CostModel& costs, const SolveDevice& device,
                     const std::vector<std::int64_t>& sizes, const GraphSizeOptions& options) {
  return SizeCosts(shape, costs, device, options).of(sizes);
}

std::vector<std::int64_t> choose_graph_sizes(const ModelShape& shape, const CostModel& costs, const SolveDevice& device,
                                             const GraphSizeOptions& options) {
  std::vector<std::int64_t> chosen;
  std::vector<std::int64_t> others;
  for (const std::int64_t size : device.standard_sizes) (size == 1 ? chosen : others).push_back(size);
  if (others.empty()) return chosen;
  SizeCosts size_costs(shape, costs, device, options);
  const double held = size_costs.weight_bytes();
  const double room = device.memory_bytes > 0 && held > 0 ? static_cast<double>(device.memory_bytes) / 2 / held
                                                          : std::numeric_limits<double>::infinity();
  const auto decode_only = chosen.size();
  double best = std::numeric_limits<double>::infinity();
  // The one step (a size more or less) that lowers the cost most; false where none does.
  const auto improve = [&] {
    std::vector<std::int64_t> next;
    const auto offer = [&](const std::vector<std::int64_t>& sizes) {
      const double cost = size_costs.of(sizes);
      if (cost >= best) return;
      best = cost;
      next = sizes;
    };
    for (const std::int64_t size : others) {
      const bool has = std::binary_search(chosen.begin(), chosen.end(), size);
      if (has && chosen.size() > decode_only + 1) offer(without(chosen, size));
      const bool first = chosen.size() == decode_only;
      if (!has && (first || static_cast<double>(chosen.size() + 1) <= room)) offer(with(chosen, size));
    }
    if (next.empty()) return false;
    chosen = std::move(next);
    return true;
  };
  while (improve()) {
  }
  return chosen;
}

}  // namespace hetero
