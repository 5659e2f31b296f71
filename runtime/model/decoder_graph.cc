#include "runtime/model/decoder_graph.h"

#include <cmath>

namespace hetero {
namespace {

class DecoderBuilder {
 public:
  DecoderBuilder(const ModelShape& shape, const DecoderWeights& weights, const OpConstants& constants)
      : shape_(shape), weights_(weights), constants_(constants) {}

  Graph build() {
    graph_.architecture = shape_.architecture;
    graph_.layers = shape_.layers;
    graph_.vocab = shape_.vocab;
    graph_.width = shape_.width;
    graph_.max_context = shape_.max_context;
    graph_.embedding = weights_.embedding;

    const std::int64_t q_cols = shape_.heads * shape_.head_dim;
    const std::int64_t kv_cols = shape_.kv_heads * shape_.head_dim;
    x_ = add("x", shape_.width, TensorRole::kResidual);
    norm_ = add("norm", shape_.width, TensorRole::kPrivate);
    q_ = add("q", q_cols, TensorRole::kShared);
    k_ = add("k", kv_cols, TensorRole::kShared);
    attended_ = add("attended", q_cols, TensorRole::kShared);
    gate_ = add("gate", shape_.ffn_width, TensorRole::kShared);
    up_ = add("up", shape_.ffn_width, TensorRole::kShared);
    hidden_ = add("hidden", shape_.ffn_width, TensorRole::kShared);
    logits_ = add("logits", shape_.vocab, TensorRole::kLogits);
    for (int layer = 0; layer < shape_.layers; ++layer) add_layer(layer, kv_cols);
    add_block(BlockKind::kHead, shape_.layers, {norm(weights_.final_norm), matmul(norm_, weights_.head, logits_)});
    return std::move(graph_);
  }

 private:
  void add_layer(int layer, std::int64_t kv_cols) {
    const DecoderWeights::Layer& w = weights_.layers[static_cast<std::size_t>(layer)];
    const std::string place = "L" + std::to_string(layer) + ".";
    const GraphTensorId k_cache = add(place + "k_cache", kv_cols, TensorRole::kKvCache);
    const GraphTensorId v_cache = add(place + "v_cache", kv_cols, TensorRole::kKvCache);
    add_block(BlockKind::kAttentionIn, layer,
              {norm(w.attention_norm), matmul(norm_, w.q, q_), matmul(norm_, w.k, k_), matmul(norm_, w.v, v_cache),
               rope(q_, q_, shape_.heads), rope(k_, k_cache, shape_.kv_heads)});
    add_block(BlockKind::kAttention, layer, {attention(k_cache, v_cache)});
    add_block(BlockKind::kAttentionOut, layer, {matmul(attended_, w.out, x_, x_)});
    add_block(BlockKind::kFfnIn, layer,
              {norm(w.ffn_norm), matmul(norm_, w.gate, gate_), matmul(norm_, w.up, up_), swiglu()});
    add_block(BlockKind::kFfnOut, layer, {matmul(hidden_, w.down, x_, x_)});
  }

  GraphTensorId add(std::string name, std::int64_t cols, TensorRole role) {
    graph_.tensors.push_back({std::move(name), cols, role});
    return static_cast<GraphTensorId>(graph_.tensors.size() - 1);
  }
  void add_block(BlockKind kind, int layer, std::vector<GraphOp> ops) {
    graph_.blocks.push_back({kind, layer, std::move(ops)});
  }

  GraphOp norm(const WeightView& weight) const {
    GraphOp op;
    op.constants = constants_;
    op.kind = OpKind::kRmsNorm;
    op.in0 = x_;
    op.out = norm_;
    op.vector = weight;
    return op;
  }
  GraphOp matmul(GraphTensorId in, const WeightView& weight, GraphTensorId out,
                 GraphTensorId residual = kNoGraphTensor) const {
    GraphOp op;
    op.constants = constants_;
    op.kind = OpKind::kMatmul;
    op.in0 = in;
    op.in1 = residual;
    op.out = out;
    op.weight = weight;
    return op;
  }
  GraphOp rope(GraphTensorId in, GraphTensorId out, std::int64_t heads) const {
    GraphOp op;
    op.constants = constants_;
    op.kind = OpKind::kRope;
    op.in0 = in;
    op.out = out;
    op.heads = heads;
    op.head_dim = shape_.head_dim;
    op.vector = weights_.rope_factors;
    return op;
  }
  GraphOp attention(GraphTensorId k_cache, GraphTensorId v_cache) const {
    GraphOp op;
    op.constants = constants_;
    op.kind = OpKind::kAttention;
    op.in0 = q_;
    op.in1 = k_cache;
    op.in2 = v_cache;
    op.out = attended_;
    op.heads = shape_.heads;
    op.kv_heads = shape_.kv_heads;
    op.head_dim = shape_.head_dim;
    return op;
  }
  GraphOp swiglu() const {
    GraphOp op;
    op.constants = constants_;
    op.kind = OpKind::kSwiGlu;
    op.in0 = gate_;
    op.in1 = up_;
    op.out = hidden_;
    return op;
  }

  const ModelShape& shape_;
  const DecoderWeights& weights_;
  const OpConstants& constants_;
  Graph graph_;
  GraphTensorId x_ = 0, norm_ = 0, q_ = 0, k_ = 0, attended_ = 0, gate_ = 0, up_ = 0, hidden_ = 0, logits_ = 0;
};

}  // namespace

Graph decoder_graph(const ModelShape& shape, const DecoderWeights& weights, const OpConstants& constants) {
  return DecoderBuilder(shape, weights, constants).build();
}

Graph graph_from_shape(const ModelShape& shape) {
  // Addresses that stand for nothing: devices tell weights apart by them.
  std::uintptr_t next = 0;
  const auto absent = [&](DType type, std::int64_t n, std::int64_t k) {
    next += 4096;
    return WeightView{reinterpret_cast<const std::byte*>(next), type, n, k};
  };
  const auto norm = [&] { return absent(DType::kF32, 1, shape.width); };
  const std::int64_t q_cols = shape.heads * shape.head_dim;
  const std::int64_t kv_cols = shape.kv_heads * shape.head_dim;
  DecoderWeights weights;
  weights.embedding = {nullptr, shape.head_type, shape.vocab, shape.width};
  weights.head = absent(shape.head_type, shape.vocab, shape.width);
  weights.final_norm = norm();
  for (int layer = 0; layer < shape.layers; ++layer) {
    const LayerTypes& t = shape.types(layer);
    DecoderWeights::Layer w;
    w.attention_norm = norm();
    w.q = absent(t.q, q_cols, shape.width);
    w.k = absent(t.k, kv_cols, shape.width);
    w.v = absent(t.v, kv_cols, shape.width);
    w.out = absent(t.out, shape.width, q_cols);
    w.ffn_norm = norm();
    w.gate = absent(t.gate, shape.ffn_width, shape.width);
    w.up = absent(t.up, shape.ffn_width, shape.width);
    w.down = absent(t.down, shape.width, shape.ffn_width);
    weights.layers.push_back(w);
  }
  OpConstants constants;  // for completeness: no device computes with them
  constants.eps = 1e-5F;
  constants.rope_base = 10000.0F;
  constants.rope_dims = shape.head_dim;
  constants.attention_scale = 1.0F / std::sqrt(static_cast<float>(shape.head_dim));
  return decoder_graph(shape, weights, constants);
}

}  // namespace hetero
