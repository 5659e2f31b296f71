// What can be computed: the closed set of operations, and the description of one of them that serves as key in the
// database, in the catalogue and in cost models. Says nothing of data, place or device.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "kernels/dtype.h"

namespace hetero {

// Shapes outermost first. Activations are float32 [rows, columns] row-major everywhere between ops.
enum class OpKind {
  kMatmul,     // out[m,n] = in[m,k] . weight[n,k]^T (+ residual[m,n])
  kRmsNorm,    // out[m,n] = in[m,n] / sqrt(mean(in^2) + eps) * vector[n]
  kRope,       // out[m,n] = in[m,n] with column pairs rotated by position (interleaved or split halves)
  kAttention,  // out[m,heads*head_dim] = softmax(scale . q . k^T, causal) . v, grouped query heads
  kSwiGlu,     // out[m,n] = silu(gate[m,n]) * up[m,n]
  kAdd         // out[m,n] = in0[m,n] + in1[m,n]
};

struct OpDesc {
  OpKind kind = OpKind::kMatmul;
  std::int64_t m = 1;         // rows of activations
  std::int64_t n = 0;         // output columns (attention: heads * head_dim)
  std::int64_t k = 0;         // matmul: reduction length
  DType w = DType::kF32;      // matmul: weight format
  std::int64_t heads = 0;     // attention: query heads
  std::int64_t kv_heads = 0;  // attention: key/value heads; heads is a multiple
  std::int64_t head_dim = 0;  // attention and rope
  std::int64_t context = 0;   // attention: cache rows that the last row of m sees; 0 = not fixed (depends on position)

  friend bool operator==(const OpDesc&, const OpDesc&) = default;
};

// Ops of one class are alike to a kernel's parameters: what is found best for one holds for the others. By rows of
// activations, since they decide whether weights come from memory once a row (decode), once for a few rows, or are
// multiplied so often that arithmetic is the limit.
enum class ShapeClass : std::uint8_t {
  kOneRow,   // m = 1
  kFewRows,  // up to kFewRows
  kManyRows
};
inline constexpr std::int64_t kFewRows = 32;
ShapeClass shape_class_of(const OpDesc& op);
std::string_view name_of(ShapeClass shape_class);  // "one_row", "few_rows", "many_rows"

// How far apart two numbers of rows are, by ratio: 32 is as far from 1 as 1024 from 32.
double row_distance(std::int64_t a, std::int64_t b);

// "matmul m=1 n=4096 k=4096 w=q4_0 a=f32", "rms_norm m=8 n=576", "attention m=1 heads=9 kv=3 dim=64 ctx=256":
// the database key. parse_op_desc(canonical_text(op)) == op; throws input_error on anything else.
std::string canonical_text(const OpDesc& op);
OpDesc parse_op_desc(std::string_view text);

std::string_view name_of(OpKind kind);

// Multiply-adds count two. Attention counts both products over the causal triangle.
double flops(const OpDesc& op);
// Bytes of weights and of KV cache that the op must read at least once; activations are not counted.
double streamed_bytes(const OpDesc& op);

}  // namespace hetero
