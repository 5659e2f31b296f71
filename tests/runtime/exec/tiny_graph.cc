#include "tests/runtime/exec/tiny_graph.h"

#include <cmath>

namespace hetero {
namespace {

std::vector<Share> random_shares(const std::vector<std::string>& devices, Rng& rng) {
  std::vector<std::string> order = devices;
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i)]);
  order.resize(1 + rng.below(order.size()));
  std::vector<Share> shares;
  double left = 1;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const double f = i + 1 == order.size() ? left : left * rng.uniform();
    shares.push_back({order[i], f});
    left -= f;
  }
  return shares;
}

ModelShape three_layers(DType type) {
  ModelShape shape;
  shape.name = "tiny";
  shape.architecture = "llama";
  shape.layers = 3;
  shape.width = 64;
  shape.heads = 8;
  shape.kv_heads = 4;
  shape.head_dim = 16;
  shape.ffn_width = 160;
  shape.vocab = 97;
  shape.max_context = 256;
  shape.layer_types = {{type, type, type, type, type, type, type}};
  shape.head_type = type;
  return shape;
}

}  // namespace

TinyGraph::TinyGraph(DType type, std::uint64_t seed) : TinyGraph(three_layers(type), seed) {}

TinyGraph::TinyGraph(const ModelShape& shape, std::uint64_t seed) : shape_(shape) {
  const DType type = shape_.head_type;
  Rng rng(seed);
  const auto vector = [&] { return matrix(1, shape_.width, DType::kF32, rng); };
  DecoderWeights weights;
  weights.embedding = matrix(shape_.vocab, shape_.width, type, rng);
  weights.head = matrix(shape_.vocab, shape_.width, type, rng);
  weights.final_norm = vector();
  const std::int64_t q = shape_.heads * shape_.head_dim;
  const std::int64_t kv = shape_.kv_heads * shape_.head_dim;
  for (int layer = 0; layer < shape_.layers; ++layer) {
    weights.layers.push_back({vector(), matrix(q, shape_.width, type, rng), matrix(kv, shape_.width, type, rng),
                              matrix(kv, shape_.width, type, rng), matrix(shape_.width, q, type, rng), vector(),
                              matrix(shape_.ffn_width, shape_.width, type, rng),
                              matrix(shape_.ffn_width, shape_.width, type, rng),
                              matrix(shape_.width, shape_.ffn_width, type, rng)});
  }
  OpConstants constants;
  constants.eps = 1e-5F;
  constants.rope_base = 10000.0F;
  constants.rope_dims = shape_.head_dim;
  constants.attention_scale = 0.25F;
  graph_ = decoder_graph(shape_, weights, constants);
}

WeightView TinyGraph::matrix(std::int64_t n, std::int64_t k, DType type, Rng& rng) {
  std::vector<std::byte>& bytes = storage_.emplace_back(static_cast<std::size_t>(n * row_bytes(type, k)));
  std::vector<float> row(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < n; ++i) {
    for (float& v : row) v = static_cast<float>(rng.normal() * 1.5 / std::sqrt(static_cast<double>(k)));
    quantise_row(type, row.data(), bytes.data() + i * row_bytes(type, k), k);
  }
  return {bytes.data(), type, n, k};
}

Plan random_plan(const ModelShape& shape, const std::vector<std::string>& devices, Rng& rng) {
  Plan plan;
  plan.devices = devices;
  plan.origin = "file";
  PlanBucket bucket;
  bucket.phase = Phase::kPrefill;
  bucket.tokens = 256;
  const auto pair_of = [](BlockKind kind) { return kind == BlockKind::kFfnIn || kind == BlockKind::kFfnOut ? 1 : 0; };
  for (int k = 0; k < kBlockKinds; ++k) {  // a plan must say something for layers that it does not name
    bucket.blocks.push_back({static_cast<BlockKind>(k), -1, Strategy::kSingle, {{devices[0], 1}}, {}, 0});
  }
  for (int layer = 0; layer <= shape.layers; ++layer) {
    const bool paired[2] = {rng.below(3) == 0, rng.below(3) == 0};
    const std::vector<Share> pair_shares[2] = {random_shares(devices, rng), random_shares(devices, rng)};
    for (int k = 0; k < kBlockKinds; ++k) {
      BlockPlan block;
      block.block = static_cast<BlockKind>(k);
      block.layer = layer;
      if ((block.block == BlockKind::kHead) != (layer == shape.layers)) continue;
      if (block.block != BlockKind::kHead && paired[pair_of(block.block)]) {
        block.strategy = Strategy::kPaired;
        block.features = pair_shares[pair_of(block.block)];
      } else {
        block.strategy = static_cast<Strategy>(rng.below(kStrategies - 1));  // all but paired
        block.features = random_shares(devices, rng);
        if (block.strategy == Strategy::kSingle || block.strategy == Strategy::kPad) {
          block.features = {{devices[rng.below(devices.size())], 1}};
        }
        if (block.strategy == Strategy::kSequence) block.features.clear();
        if (block.strategy == Strategy::kSequence || block.strategy == Strategy::kHybrid) {
          while (block.rows.size() != 2) block.rows = random_shares(devices, rng);
        }
      }
      bucket.blocks.push_back(block);
    }
  }
  plan.buckets = {bucket};
  return plan;
}

}  // namespace hetero
