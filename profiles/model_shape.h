// The shape of a model as a document: enough to list the ops of every block for any prompt length, without weights.
// From a GGUF file (runtime/model) or shipped under profiles/models/.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/op_desc.h"
#include "profiles/block_kind.h"

namespace hetero {

struct LayerTypes {
  DType q = DType::kQ4_0, k = DType::kQ4_0, v = DType::kQ4_0, out = DType::kQ4_0;
  DType gate = DType::kQ4_0, up = DType::kQ4_0, down = DType::kQ4_0;
  friend bool operator==(const LayerTypes&, const LayerTypes&) = default;
};

struct ModelShape {
  std::string name;
  std::string architecture;
  int layers = 0;
  std::int64_t width = 0;  // residual columns
  std::int64_t ffn_width = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocab = 0;
  std::int64_t max_context = 0;
  std::vector<LayerTypes> layer_types;  // one per layer, or a single one for all
  DType head_type = DType::kQ8_0;

  const LayerTypes& types(int layer) const {
    return layer_types[layer_types.size() == 1 ? 0 : static_cast<std::size_t>(layer)];
  }
  friend bool operator==(const ModelShape&, const ModelShape&) = default;
};

// Sixteen hex digits over all that decides times: two models of one shape share plans.
std::string fingerprint(const ModelShape& shape);

// The ops of one block for m rows whose last sees `context` cache rows. Matmuls are undivided.
std::vector<OpDesc> block_ops(const ModelShape& shape, BlockKind kind, int layer, std::int64_t m, std::int64_t context);

// Elements of the matrices of the first layer.
double layer_weights(const ModelShape& shape);

// Versioned JSON ("hetero.model_shape", version 1). Reading throws input_error.
std::string to_json(const ModelShape& shape);
ModelShape model_shape_from_json(const std::string& text);

}  // namespace hetero
