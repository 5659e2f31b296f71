// A model as blocks of ops over named tensors: what arch/<name>.cc builds from a configuration, free of any device,
// plan, prompt length or buffer. exec/ divides it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/host_op.h"
#include "profiles/block_kind.h"

namespace hetero {

using GraphTensorId = std::int32_t;
inline constexpr GraphTensorId kNoGraphTensor = -1;

enum class TensorRole : std::uint8_t {
  kResidual,  // the stream x that norms read and output projections add to; exactly one per graph
  kShared,    // written in parts by several devices, read by any
  kPrivate,   // each device computes its own copy (the output of a norm)
  kKvCache,   // rows stay for the whole sequence
  kLogits     // the result
};

struct GraphTensor {
  std::string name;
  std::int64_t cols = 0;
  TensorRole role = TensorRole::kShared;
};

// How an op follows when its block's output columns are divided between devices:
//   rms_norm    every device computes all columns, into its private copy
//   matmul      weight rows: output columns divided, input whole
//   rope, swiglu, attention    inputs and output divided alike (attention: whole groups of query heads and their KV
//   head)
// In a `paired` block the second matmul is divided along its reduction and its results are partial sums.
struct GraphOp {
  OpKind kind = OpKind::kMatmul;
  // matmul: in0 activations, in1 residual or none; rope: in0; swiglu: gate, up; attention: q, k cache, v cache.
  GraphTensorId in0 = kNoGraphTensor;
  GraphTensorId in1 = kNoGraphTensor;
  GraphTensorId in2 = kNoGraphTensor;
  GraphTensorId out = kNoGraphTensor;
  WeightView weight;      // matmul
  WeightView vector;      // rms_norm weight; rope factors (data may be null)
  OpConstants constants;  // column_offset and row_offset are filled in by exec
  // attention and rope
  std::int64_t heads = 0;  // rope: heads of this tensor
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
};

// The unit of division: what a plan has one decision for.
struct Block {
  BlockKind kind = BlockKind::kAttentionIn;
  int layer = 0;  // kHead: the number of layers
  std::vector<GraphOp> ops;
};

// Per layer, in this order: kAttentionIn {norm, q, k, v, rope q, rope k -> cache; v goes into its cache directly},
// kAttention {attention}, kAttentionOut {matmul + residual}, kFfnIn {norm, gate, up, swiglu}, kFfnOut {matmul +
// residual}; at the end one kHead {norm, matmul -> logits}.
struct Graph {
  std::string architecture;
  std::vector<GraphTensor> tensors;
  std::vector<Block> blocks;
  int layers = 0;
  std::int64_t vocab = 0;
  std::int64_t width = 0;        // columns of the residual stream
  std::int64_t max_context = 0;  // what the model was trained for
  WeightView embedding;          // [vocab, width]: the host looks rows up and writes them to the residual
};

}  // namespace hetero
