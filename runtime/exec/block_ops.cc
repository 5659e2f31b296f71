#include "runtime/exec/block_ops.h"

#include <algorithm>
#include <numeric>

namespace hetero {
namespace {

// Builds one part's ops; columns are worked out per op.
class PartBuilder {
 public:
  PartBuilder(const Graph& graph, const StepArena& arena, const PartContext& context)
      : graph_(graph), arena_(arena), c_(context) {}

  std::vector<Op> build(const Block& block) {
    find_kv_heads(block);
    for (const GraphOp& g : block.ops) {
      switch (g.kind) {
        case OpKind::kRmsNorm:
          norm(g);
          break;
        case OpKind::kMatmul:
          c_.part.partial&& g.in1 != kNoGraphTensor ? partial_matmul(g) : matmul(g);
          break;
        case OpKind::kRope:
          rope(g);
          break;
        case OpKind::kAttention:
          attention(g);
          break;
        case OpKind::kSwiGlu:
          swiglu(g);
          break;
        case OpKind::kAdd:
          break;  // graphs have none: residuals are added by matmuls
      }
    }
    const auto useful = [](const Op& op) { return op.desc.kind != OpKind::kRmsNorm; };
    if (std::none_of(ops_.begin(), ops_.end(), useful)) ops_.clear();
    return std::move(ops_);
  }

 private:
  const GraphTensor& tensor(GraphTensorId id) const { return graph_.tensors[static_cast<std::size_t>(id)]; }

  // The number of KV heads that a division by heads counts in: the cache's columns over the head size.
  void find_kv_heads(const Block& block) {
    for (const GraphOp& g : block.ops) {
      if (g.kind == OpKind::kAttention) kv_heads_ = g.kv_heads;
      if (g.kind == OpKind::kRope) kv_heads_ = kv_heads_ == 0 ? g.heads : std::min(kv_heads_, g.heads);
    }
    if (kv_heads_ == 0 && c_.grain.by_kv_heads) kv_heads_ = kv_heads_of_graph();
  }
  std::int64_t kv_heads_of_graph() const {
    for (const Block& block : graph_.blocks) {
      if (block.kind == BlockKind::kAttention) return block.ops[0].kv_heads;
    }
    return 1;
  }

  ColumnRange columns(std::int64_t cols) const {
    if (!c_.grain.by_kv_heads) return split_columns(c_.part.f0, c_.part.f1, cols, c_.grain.align);
    const ColumnRange heads = split_columns(c_.part.f0, c_.part.f1, kv_heads_, c_.grain.align);
    const std::int64_t per_head = cols / kv_heads_;
    return {heads.c0 * per_head, heads.c1 * per_head};
  }

  Region rows_of(TensorId id, std::int64_t c0, std::int64_t c1) const {
    return {id, c_.part.row0, c_.part.padded_rows, c0, c1 - c0};
  }
  Region rows_of(GraphTensorId id, ColumnRange range) const {
    const TensorId t = tensor(id).role == TensorRole::kResidual ? arena_.residual(c_.residual.copy)
                                                                : arena_.tensor(id, c_.part.device);
    return rows_of(t, range.c0, range.c1);
  }
  Region whole_rows_of(GraphTensorId id) const { return rows_of(id, {0, tensor(id).cols}); }

  Op start(const GraphOp& g, std::int64_t n) const {
    Op op;
    op.desc.kind = g.kind;
    op.desc.m = c_.part.padded_rows;
    op.desc.n = n;
    op.constants = g.constants;
    op.constants.row_offset = c_.part.row0;
    op.vector = g.vector;
    return op;
  }

  void norm(const GraphOp& g) {
    Op op = start(g, tensor(g.out).cols);
    op.in[0] = rows_of(c_.residual_in, 0, tensor(g.in0).cols);
    if (c_.input_row0 >= 0) op.in[0].row0 = c_.input_row0;
    op.out = whole_rows_of(g.out);
    ops_.push_back(op);
  }

  void matmul(const GraphOp& g) {
    const ColumnRange range = columns(tensor(g.out).cols);
    if (range.c1 <= range.c0) return;
    Op op = start(g, range.c1 - range.c0);
    op.desc.k = g.weight.k;
    op.desc.w = g.weight.type;
    op.weight = {g.weight, range.c0, range.c1, 0, g.weight.k};
    op.in[0] = whole_rows_of(g.in0);
    if (g.in1 != kNoGraphTensor) op.in[1] = rows_of(g.in1, range);
    op.out = rows_of(g.out, range);
    ops_.push_back(op);
  }

  // The reduction is divided: all output columns, a partial sum.
  void partial_matmul(const GraphOp& g) {
    const ColumnRange range = columns(tensor(g.in0).cols);
    if (range.c1 <= range.c0) return;
    Op op = start(g, g.weight.n);
    op.desc.k = range.c1 - range.c0;
    op.desc.w = g.weight.type;
    op.weight = {g.weight, 0, g.weight.n, range.c0, range.c1};
    op.in[0] = rows_of(g.in0, range);
    op.out = rows_of(arena_.partial(c_.part.device, c_.partial_generation), 0, g.weight.n);
    ops_.push_back(op);
  }

  void rope(const GraphOp& g) {
    const ColumnRange range = columns(tensor(g.out).cols);
    if (range.c1 <= range.c0) return;
    Op op = start(g, range.c1 - range.c0);
    op.desc.head_dim = g.head_dim;
    op.constants.column_offset = range.c0;
    op.in[0] = rows_of(g.in0, range);
    op.out = rows_of(g.out, range);
    ops_.push_back(op);
  }

  void attention(const GraphOp& g) {
    const std::int64_t unit = c_.grain.by_kv_heads ? c_.grain.align : 1;
    const ColumnRange heads = split_columns(c_.part.f0, c_.part.f1, g.kv_heads, unit);
    if (heads.c1 <= heads.c0) return;
    const std::int64_t group = g.heads / g.kv_heads;
    const ColumnRange q{heads.c0 * group * g.head_dim, heads.c1 * group * g.head_dim};
    const ColumnRange kv{heads.c0 * g.head_dim, heads.c1 * g.head_dim};
    Op op = start(g, q.c1 - q.c0);
    op.desc.heads = (heads.c1 - heads.c0) * group;
    op.desc.kv_heads = heads.c1 - heads.c0;
    op.desc.head_dim = g.head_dim;
    op.in[0] = rows_of(g.in0, q);
    op.in[1] = rows_of(g.in1, kv);
    op.in[2] = rows_of(g.in2, kv);
    for (const int cache : {1, 2}) {  // all rows of the step up to the part's last
      Region& r = op.in[static_cast<std::size_t>(cache)];
      r.rows += r.row0;
      r.row0 = 0;
    }
    op.out = rows_of(g.out, q);
    ops_.push_back(op);
  }

  void swiglu(const GraphOp& g) {
    const ColumnRange range = columns(tensor(g.out).cols);
    if (range.c1 <= range.c0) return;
    Op op = start(g, range.c1 - range.c0);
    op.in[0] = rows_of(g.in0, range);
    op.in[1] = rows_of(g.in1, range);
    op.out = rows_of(g.out, range);
    ops_.push_back(op);
  }

  const Graph& graph_;
  const StepArena& arena_;
  const PartContext& c_;
  std::int64_t kv_heads_ = 0;
  std::vector<Op> ops_;
};

}  // namespace

std::vector<Op> block_ops_of_part(const Graph& graph, const Block& block, const StepArena& arena,
                                  const PartContext& context) {
  return PartBuilder(graph, arena, context).build(block);
}

std::vector<Op> pending_sum_ops(const StepArena& arena, const ResidualState& residual, const Part& part,
                                TensorId residual_out, std::int64_t width) {
  std::vector<Op> ops;
  const auto rows_of = [&](TensorId id) { return Region{id, part.row0, part.padded_rows, 0, width}; };
  Region sum = rows_of(arena.residual(residual.copy));
  for (const int device : residual.partial_of) {
    Op op;
    op.desc.kind = OpKind::kAdd;
    op.desc.m = part.padded_rows;
    op.desc.n = width;
    op.in[0] = sum;
    op.in[1] = rows_of(arena.partial(device, residual.generation));
    op.out = rows_of(residual_out);
    sum = op.out;
    ops.push_back(op);
  }
  return ops;
}

BlockGrain grain_of(const Graph& graph, std::size_t block_index, bool paired,
                    const std::vector<const DeviceFacts*>& devices) {
  const Block& block = graph.blocks[block_index];
  BlockGrain grain;
  grain.align = 1;
  for (const DeviceFacts* facts : devices) grain.align = std::lcm(grain.align, facts->feature_align);
  for (const GraphOp& g : block.ops) {
    if (g.kind == OpKind::kRope && g.constants.rope_style == RopeStyle::kHalves) {
      grain.align = std::lcm(grain.align, g.head_dim);
    }
  }
  if (!paired) return grain;
  if (block.kind != BlockKind::kFfnIn && block.kind != BlockKind::kFfnOut) {
    // Heads are counted in units whose columns are whole blocks of the output projection's reduction.
    std::size_t out = block_index;
    while (graph.blocks[out].kind != BlockKind::kAttentionOut) ++out;
    const GraphOp& g = graph.blocks[out - 1].ops[0];
    const std::int64_t columns_per_head = g.heads / g.kv_heads * g.head_dim;
    const std::int64_t block_elements = info(graph.blocks[out].ops[0].weight.type).block_elements;
    grain.by_kv_heads = true;
    grain.align = block_elements / std::gcd(block_elements, columns_per_head);
    return grain;
  }
  const std::size_t end = block.kind == BlockKind::kFfnIn ? block_index + 1 : block_index;
  grain.align = std::lcm(grain.align, info(graph.blocks[end].ops[0].weight.type).block_elements);
  return grain;
}

}  // namespace hetero
