// Weights as constants of an OpenVINO graph: signed integer codes with a scale a group, and where a format has minima
// an offset a group. Knows GGUF's formats and no OpenVINO. No state; safe from any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/host_op.h"

namespace hetero {

// How the values of a slice [n, k] are kept.
//
//   grouped   value(i, j) = scale[i, j / group] * code[i, j] + offset[i, j / group]
//             The product is symmetric, as the plugins' compressed kernels and the NPU need it. An offset never enters
//             the weights: x . offset^T over groups is a small matmul of its own, on the sums of x over each group.
//   plain     float32, float16 or bfloat16 values as stored
//
// Every GGUF format maps to this without loss but for roundings of float32 in scales and offsets:
//   q4_0       4-bit codes q - 8, group 32                    q8_0   8-bit codes, group 32
//   q4_1 q4_k  4-bit codes q - 8, group 32, offsets m + 8 d   q6_k   8-bit codes q - 32, group 16
//   q5_0       8-bit codes q - 16, group 32                   q5_1 q5_k   as q5_0, with offsets
// Five and six bits take eight here: OpenVINO has no type between.
struct OvWeight {
  std::int64_t n = 0, k = 0;
  DType plain = DType::kF32;   // kF32, kF16, kBF16; grouped: not used
  int bits = 0;                // grouped: 4 or 8; 0: plain
  std::int64_t group = 0;      // grouped: consecutive elements of a row that share a scale
  AlignedBuffer data;          // codes, two's complement, [n, k], two of 4 bits a byte, low nibble first; or the values
  std::vector<float> scales;   // [n, k / group]
  std::vector<float> offsets;  // [n, k / group]; empty: none

  bool grouped() const { return bits != 0; }
  std::uint64_t bytes() const;
  // Changes with every value. Not cryptographic.
  std::string fingerprint() const;
};

OvWeight ov_weight(const WeightSlice& slice);

// Values of row `row`: dst[0, k).
void expand_row(const OvWeight& weight, std::int64_t row, float* dst);

// A symmetric format of fewer bits or wider groups than the file's, for plugins that want it: codes of `bits` and a
// float32 scale for every `group` columns.
struct Requantisation {
  int bits = 4;            // 4 or 8
  std::int64_t group = 0;  // 0: a whole row of the slice; else the greatest divisor of k up to this is taken
};

// "i4g128", "i8g32", "i4row"; nothing for other texts.
std::optional<Requantisation> requantisation_from(std::string_view text);
std::string name_of(const Requantisation& to);

// What rounding costs, summed over everything rounded so far.
struct RequantisationError {
  double error_square = 0;  // sum of (rounded - stored)^2
  double square = 0;        // sum of stored^2
  std::int64_t slices = 0;
  double relative() const;  // root of their quotient
};

// The slice rounded to nearest, each group's value of greatest magnitude being its outermost code. Adds to `error`.
// Precondition: k is even.
OvWeight requantised_weight(const WeightSlice& slice, const Requantisation& to, RequantisationError& error);

}  // namespace hetero
