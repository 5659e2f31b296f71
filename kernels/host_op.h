// One op with its operands in host memory: the calling convention of the reference and of every CPU kernel.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/op_desc.h"

namespace hetero {

// A weight matrix [n, k] in its stored format. Borrowed memory (a mapped GGUF file or a buffer of the caller's) that
// outlives every user. Two views with the same `data` and `type` are the same weight.
struct WeightView {
  const std::byte* data = nullptr;
  DType type = DType::kF32;
  std::int64_t n = 0;  // rows: output features (vectors: 1)
  std::int64_t k = 0;  // columns: reduction length (vectors: length)
};

// A rectangle of a weight: output features [n0, n1), reduction columns [k0, k1).
// k0 and k1 are multiples of the format's block_elements.
struct WeightSlice {
  WeightView weight;
  std::int64_t n0 = 0, n1 = 0, k0 = 0, k1 = 0;
};

// Where element (row, col) of a float matrix lies: data[row * stride + col]. Alignment: 4 bytes, no more is promised
// (columns may begin anywhere); rows do not alias.
struct HostMatrix {
  float* data = nullptr;
  std::int64_t stride = 0;
};
struct ConstHostMatrix {
  const float* data = nullptr;
  std::int64_t stride = 0;
};

enum class RopeStyle : std::uint8_t {
  kInterleaved,  // pairs (2i, 2i+1): GGUF llama
  kHalves        // pairs (i, i + dims/2): GGUF qwen2
};

// Constants of an op that belong to the model, not to the shape.
struct OpConstants {
  float eps = 0;               // rms_norm
  float rope_base = 0;         // angle of pair i is position * base^(-2i/rope_dims) / factor[i]
  std::int64_t rope_dims = 0;  // leading dims of each head that are rotated (even, <= head_dim)
  RopeStyle rope_style = RopeStyle::kInterleaved;
  float attention_scale = 0;       // usually 1/sqrt(head_dim)
  std::int64_t column_offset = 0;  // rope: column of the whole tensor at which this part begins (multiple of head_dim
                                   // for kHalves, even for kInterleaved)
  std::int64_t row_offset = 0;     // rope, attention: row i stands at sequence position `position + row_offset + i`
};

struct HostOp {
  OpDesc desc;
  OpConstants constants;
  ConstHostMatrix in0;  // matmul: activations; attention: q; swiglu: gate; add: first addend
  ConstHostMatrix in1;  // matmul: residual or null (may alias out exactly); attention: k cache from row 0,
                        // [context, kv_heads*head_dim]; swiglu: up; add: second addend
  ConstHostMatrix in2;  // attention: v cache from row 0
  HostMatrix out;       // swiglu, rope, add may be in place (out == in0 exactly)
  const std::byte* weights = nullptr;  // matmul: what the kernel's pack() wrote (the reference: a WeightSlice*)
  const float* vector = nullptr;       // rms_norm: weight[n]; rope: factor[rope_dims/2] or null
  std::int64_t position = 0;           // sequence position of row 0 of the step
  // Of the catalogue row, in its order; null: the defaults. Ops that share a workspace have the same. They change no
  // bit of the result.
  const std::int64_t* params = nullptr;
  std::byte* workspace = nullptr;  // workspace_bytes() of the kernel, 64-byte aligned, shared by all workers
};

// A kernel that runs on host memory. The caller runs phases in order; in each, every worker in [0, workers) calls run
// once, and no phase begins before all workers have left the one before. Workers divide the work among themselves.
struct HostKernel {
  int phases = 1;
  void (*run)(const HostOp& op, int phase, int worker, int workers) = nullptr;
  std::size_t (*workspace_bytes)(const OpDesc& op) = nullptr;  // null: none
  // Matmul only. Bytes of a packed slice, and the packing (may be slow; once per weight). `dst` is 64-byte aligned.
  // Parts of a slice that begin at multiples of 16 features from its first are packed one behind the other.
  std::size_t (*packed_bytes)(const WeightSlice& slice) = nullptr;
  void (*pack)(const WeightSlice& slice, std::byte* dst) = nullptr;
  // Kernels of several phases, of which the first alone reads in0 and writes the workspace. Two ops with equal keys and
  // the same in0 need it once: the second may begin with phase 1. Null: there is no telling.
  std::uint64_t (*workspace_key)(const OpDesc& op) = nullptr;
  // Whether a worker touches its pieces alone (work_split.h, piece_of() with kPieceColumns): of `out` in the only
  // phase; of in0 in phase 0. Between an op that writes a matrix so and one that reads it so, workers need not meet.
  bool writes_pieces = false;
  bool reads_pieces = false;
};

}  // namespace hetero
