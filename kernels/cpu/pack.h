// The layout in which the CPU matmul kernels read weights, and the packing of GGUF rows into it.
//
// A panel holds 16 output features; panels follow each other, the last one padded with zero rows. A panel is a row of
// blocks, each 16 features by 32 columns, and is read once from front to back:
//
//   block of a quantised kind                                                   block of a float kind
//   +------------+----------------+-------------------+---------+------------+   +------------------------------+
//   | factor[16] | min factor[16] | scale[groups][16] | min[16] | quants     |   | element[32 columns][16 rows] |
//   +------------+----------------+-------------------+---------+------------+   +------------------------------+
//
//   8 bits: byte[8][16 rows][4]      byte [i][row][b] is column 4i + b
//   6 bits: byte[2][3][16 rows][4]   byte [h][i][row][b]: its low 6 bits are column 16h + 4i + b; the top 2 bits of
//                                    i = 0, 1, 2 together, first the highest, are column 16h + 12 + b
//   4 bits: byte[4][16 rows][4]      byte [i][row][b] holds column 8i + b (low nibble) and 8i + 4 + b (high nibble)
//
// A scale (min) of one byte is a signed integer that the row's (min) factor, an f16, multiplies; larger ones have no
// factor.
//
// Four columns of 16 rows fill one 512-bit register of dword lanes, one lane a row: what a 4-way byte dot product
// wants, and what shifts alone turn into one row a lane for float arithmetic. 256-bit kernels take halves of it.
//
//   weight = scale * (q - zero) + min
//
// Does not know activations or instruction sets. Thread rule: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/host_op.h"

namespace hetero {

inline constexpr int kPanelRows = 16;
inline constexpr int kBlockColumns = 32;

enum class PackedKind : std::uint8_t {
  kQ4,         // Q4_0
  kQ4Min,      // Q4_1
  kQ4MinSub,   // Q4_K: scale * 6-bit sub-scale has 17 significant bits, too many for f16
  kQ8,         // Q8_0, Q5_0
  kQ8Min,      // Q5_1
  kQ8MinF32,   // Q5_K
  kQ6Group16,  // Q6_K
  kF32,
  kF16,
  kBF16,
  // For the OpenCL kernels, which read nibbles or whole bytes and have no factors:
  kQ4MinF32,  // Q4_K: 6 bits a weight instead of 5.5
  kQ8Group16  // Q6_K: 10 bits a weight instead of 7
};
// Of those that CPU kernels read: the quantised ones come first, then the others.
inline constexpr int kQuantisedKinds = 7;
inline constexpr int kPackedKinds = 10;

struct PackedTraits {
  int bits;         // of a stored element
  int groups;       // scales of a row in a block: each is for 32 / groups columns; 0: a float kind
  int scale_bytes;  // of one scale: 1 (times the factor), 2 (f16) or 4 (f32)
  int min_bytes;    // of one min: 0 (none), 1 (times the min factor), 2 or 4. Kinds with a min have zero == 0 and one
                    // group.
  int zero;         // q that stands for 0

  constexpr bool quantised() const { return groups > 0; }
  constexpr std::size_t min_factors_offset() const { return scale_bytes == 1 ? 2 * std::size_t{kPanelRows} : 0; }
  constexpr std::size_t scales_offset() const {
    return min_factors_offset() + (min_bytes == 1 ? 2 * std::size_t{kPanelRows} : 0);
  }
  constexpr std::size_t mins_offset() const { return scales_offset() + std::size_t{kPanelRows} * groups * scale_bytes; }
  constexpr std::size_t quants_offset() const { return mins_offset() + std::size_t{kPanelRows} * min_bytes; }
  constexpr std::size_t block_bytes() const {
    return quants_offset() + std::size_t{kPanelRows} * kBlockColumns * bits / 8;
  }
};

constexpr PackedTraits packed_traits(PackedKind kind) {
  switch (kind) {
    case PackedKind::kQ4:
      return {4, 1, 2, 0, 8};
    case PackedKind::kQ4Min:
      return {4, 1, 2, 2, 0};
    case PackedKind::kQ4MinSub:
      return {4, 1, 1, 1, 0};
    case PackedKind::kQ8:
      return {8, 1, 2, 0, 128};
    case PackedKind::kQ8Min:
      return {8, 1, 2, 2, 0};
    case PackedKind::kQ8MinF32:
      return {8, 1, 4, 4, 0};
    case PackedKind::kQ6Group16:
      return {6, 2, 1, 0, 32};
    case PackedKind::kF32:
      return {32, 0, 0, 0, 0};
    case PackedKind::kF16:
    case PackedKind::kBF16:
      return {16, 0, 0, 0, 0};
    case PackedKind::kQ4MinF32:
      return {4, 1, 4, 4, 0};
    case PackedKind::kQ8Group16:
      return {8, 2, 4, 0, 128};
  }
  return {};
}

// What CPU kernels read.
PackedKind packed_kind(DType type);

// Blocks in a row of k columns (the last is padded with zeros), panels in n rows.
constexpr std::int64_t packed_blocks(std::int64_t k) { return (k + kBlockColumns - 1) / kBlockColumns; }
constexpr std::int64_t packed_panels(std::int64_t n) { return (n + kPanelRows - 1) / kPanelRows; }

// `kind`: that of the weight's type, or what OpenCL kernels read instead.
std::size_t packed_weight_bytes(const WeightSlice& slice, PackedKind kind);

// Writes packed_weight_bytes(slice, kind) bytes at `dst`. Exact: every weight keeps its value.
void pack_weight(const WeightSlice& slice, PackedKind kind, std::byte* dst);

// The same with what CPU kernels read.
std::size_t packed_weight_bytes(const WeightSlice& slice);
void pack_weight(const WeightSlice& slice, std::byte* dst);

// The values of one packed block: values[column][row]. What a kernel for a new instruction set is checked against.
void unpack_block(PackedKind kind, const std::byte* block, float (&values)[kBlockColumns][kPanelRows]);

}  // namespace hetero
