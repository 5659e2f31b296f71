// The kinds of blocks that a model divides into and a plan decides upon.
#pragma once

#include <cstdint>
#include <string_view>

namespace hetero {

enum class BlockKind : std::uint8_t {
  kAttentionIn,   // norm, q, k, v, rope
  kAttention,     // the product with the KV cache
  kAttentionOut,  // output projection + residual
  kFfnIn,         // norm, gate, up, swiglu
  kFfnOut,        // down + residual
  kHead           // final norm, vocabulary
};
inline constexpr int kBlockKinds = 6;

std::string_view name_of(BlockKind kind);  // "attention_in", "attention", "attention_out", "ffn_in", "ffn_out", "head"
BlockKind block_kind_from_name(std::string_view name);  // throws input_error

}  // namespace hetero
