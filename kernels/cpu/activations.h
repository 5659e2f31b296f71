// How the activations of a matmul are laid out for the tile kernels (matmul_tiles.h), and their writing.
//
// Rows are divided into tiles of R rows. A tile is a stream of blocks of 32 columns, as the weights are (pack.h):
//
//   float32:  [float sum[R]]               only for weights with a min: sum over the block of the row's activations
//             float value[32][R]
//   8 bits:   float scale[R]               before every fourth block: of 128 columns of the row. x ~ scale * q
//             int32 or float [groups][R]   weights with a zero: -zero * sum(low) of each group, where integer dot
//                                          products begin; weights with a min: sum(q)
//             int8 low[8][R][4]            column 4i + b of row r at [i][r][b]
//
// A few activations are often far above the others, and would take the precision of all that share their scale. Those
// above kOutlier times the root mean square of their row are outliers: they do not count for the scale, and their
// q = 128 * high + low has 15 bits. Of all others q is low, a byte. Behind the stream each row has a list of the quads
// of columns with outliers, which kernels multiply after everything else (one row after the other: the tile that a row
// falls into changes no bit):
//
//   int32 count, and as many bytes as make kOutlierHeadBytes
//   Outlier[outlier_bound(k)]
//
// In a row alone all are outliers, since its weights come from memory meanwhile. Instead of the list it has, for each
// block, what kernels join with the stream as integers:
//
//   int32 [groups]                         weights with a zero: -zero * sum(high) of each group
//   int8 high[8][4]
//
// Thread rule: pure functions of their arguments; workers write disjoint parts.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/pack.h"
#include "kernels/host_op.h"
#include "kernels/work_split.h"

// Full unrolling of loops with constant bounds, so that arrays of accumulators become registers.
#if defined(__clang__)
#define HETERO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HETERO_UNROLL _Pragma("GCC unroll 32")
#endif

namespace hetero {

inline constexpr int kMaxTileRows = 12;
inline constexpr int kGroupBlocks = 4;  // blocks that share an activation scale
inline constexpr int kGroupColumns = kGroupBlocks * kBlockColumns;
static_assert(kGroupColumns == kPieceColumns, "a worker writes the groups of its own pieces");

enum class ActivationForm : std::uint8_t { kF32, kQ8 };

// Bytes that one row adds: to a block of the stream, to a group of blocks (its scale). Bytes of a high block.
constexpr std::size_t block_row_bytes(ActivationForm form, const PackedTraits& weights) {
  if (form == ActivationForm::kF32) return 4 * (kBlockColumns + (weights.min_bytes > 0 ? 1 : 0));
  return kBlockColumns + 4 * static_cast<std::size_t>(weights.groups);
}
constexpr std::size_t scale_row_bytes(ActivationForm form) { return form == ActivationForm::kQ8 ? 4 : 0; }
constexpr std::size_t high_block_bytes(const PackedTraits& weights) {
  return kBlockColumns + (weights.min_bytes > 0 ? 0 : 4 * static_cast<std::size_t>(weights.groups));
}

struct Outlier {
  std::int32_t quad;    // of the row: columns 4 * quad ...
  std::int32_t start;   // weights with a zero: -zero * sum(high)
  std::int8_t high[4];  // 0 where the column is none
  float scale;          // 128 * that of the group
};
inline constexpr std::int64_t kOutlierHeadBytes = 16;

// SmolLM2-135M Q4_1, mean KL divergence against float32 activations, 1686 tokens of English (same machine, one thread:
// tokens per second of prefill against those at 12): 3.9e-3 at 12, 2.5e-3 at 8 (0.96), 1.7e-3 at 6 (0.95), 1.4e-3 at 5
// (0.90), 1.1e-3 at 4 (0.88). With a scale for each block of 32 and no outliers, as other engines have it: 3.1e-3.
inline constexpr float kOutlier = 6;

// At most k / kOutlier^2 of k numbers can be above kOutlier times their root mean square (Chebyshev); one for rounding.
constexpr std::int64_t outlier_bound(std::int64_t k) {
  return static_cast<std::int64_t>(static_cast<float>(k) / (kOutlier * kOutlier)) + 1;
}

inline constexpr int kLowBits = 7;  // of an outlier's q below its high: low is in -64..63, high in -127..127
inline constexpr float kHighScale = 1 << kLowBits;

// Activations not above this in magnitude become zeros: 16256 / max|x| would overflow.
inline constexpr float kLeastQuantised = 1e-30f;

// The step of a group, and its inverse. `narrow`: the largest magnitude of those that are no outliers, `largest`: of
// all.
struct Step {
  float scale, per_unit;
};
inline Step step_for(float narrow, float largest) {
  if (largest <= kLeastQuantised) return {0, 0};
  if (narrow * kHighScale >= largest) return {narrow / 127.0f, 127.0f / narrow};
  return {largest / (127.0f * kHighScale), 127.0f * kHighScale / largest};
}

// One row's part of a group. Index of sums and outliers: each 16 columns.
struct QuantisedGroup {
  float scale = 0;
  std::int8_t low[kGroupColumns] = {};
  std::int32_t low_sums[2 * kGroupBlocks] = {};
  std::uint16_t outliers[2 * kGroupBlocks] = {};  // bit i: column i
  std::int8_t high[kGroupColumns] = {};           // written for 16 columns with outliers, 0 where the column is none
};

// Quantises; each instruction set gives the same bits. q is x * per_unit to the nearest, ties to even.
struct Quantiser {
  // x: `blocks` (1..4) blocks. Magnitudes above `limit` are outliers.
  void (*group)(const float* x, int blocks, float limit, QuantisedGroup& out) = nullptr;
  // lanes[i] += x * x of columns i, i + 16 ... of `count` times 16 columns, in that order, each product rounded.
  void (*add_squares)(const float* x, std::int64_t count, float (&lanes)[16]) = nullptr;
};

// In plain C++: what the others are checked against.
extern const Quantiser kPortableQuantiser;
#if defined(__aarch64__)
extern const Quantiser kNeonQuantiser;
#endif

// m rows in tiles of nearly equal size: 13 rows in tiles of up to 12 are 7 + 6, not 12 + 1.
struct TileSplit {
  std::int64_t tiles, small_rows, larger;  // the first `larger` tiles have small_rows + 1 rows

  TileSplit(std::int64_t m, int max_rows)
      : tiles((m + max_rows - 1) / max_rows), small_rows(m / tiles), larger(m % tiles) {}
  std::int64_t first_row(std::int64_t tile) const { return tile * small_rows + std::min(tile, larger); }
  int rows(std::int64_t tile) const { return static_cast<int>(small_rows + (tile < larger ? 1 : 0)); }
};

// Where the parts of a tile lie in the workspace: a tile's place follows from its first row alone.
struct TileLayout {
  std::int64_t blocks, group_bytes, stream_bytes,
      extra_bytes;  // the latter three of a row; extra: what follows streams

  TileLayout(ActivationForm form, const PackedTraits& weights, std::int64_t m, std::int64_t k);
  std::int64_t groups() const { return (blocks + kGroupBlocks - 1) / kGroupBlocks; }
  std::int64_t tile_offset(std::int64_t row0) const { return row0 * (stream_bytes + extra_bytes); }
  // Within the tile:
  std::int64_t group_offset(int rows, std::int64_t group) const { return rows * group * group_bytes; }
  std::int64_t extra_offset(int rows, int row) const { return rows * stream_bytes + row * extra_bytes; }
};

// Writes this worker's piece of op.in0 (piece_of()) into op.workspace. `quantiser`: form kQ8.
void write_activations(ActivationForm form, const Quantiser* quantiser, const HostOp& op, const PackedTraits& weights,
                       const TileSplit& split, int worker, int workers);

std::size_t f32_workspace_bytes(const OpDesc& op);
std::size_t q8_workspace_bytes(const OpDesc& op);

// Equal for ops of one kernel whose activations are written alike.
std::uint64_t f32_workspace_key(const OpDesc& op);
std::uint64_t q8_workspace_key(const OpDesc& op);

}  // namespace hetero
