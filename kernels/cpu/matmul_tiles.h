// What every CPU matmul kernel has in common: how activations are laid out for the tile kernels, and the loops around
// those. An instruction set brings a table of tile kernels and, for 8-bit activations, a quantiser; nothing else.
//
// A tile is R rows of activations (1 <= R <= max_rows of the instruction set) by the 16 features of a packed panel,
// over the whole of k, held in registers. m = 1 is a tile of one row: the panel streams from memory, nothing else does.
// Large m runs many tiles over a panel, which by then lies in L1 or L2; an instruction set may have tiles of two panels
// and fewer rows for it, which fetch each activation once for both.
//
// Activations of a tile of R rows, block after block of 32 columns (front to back, one stream):
//
//   float32:  [float sum[R]]               only for weights with a min: sum over the block of the row's activations
//             float value[32][R]
//   8 bits:   float scale[R]               of the row's block: x ~ scale * q
//             int32 or float [groups][R]   weights with a zero: -zero * sum(high) of each group, where integer dot
//                                          products begin; weights with a min: scale * sum(q)
//             int8 high[8][R][4]           column 4i + b of row r at [i][r][b]
//
// A narrow block has q = high, scale = max|x| / 127. Where few activations are far above the others, their blocks make
// nearly all of the error: those are wide. q = high + low / 128 has 15 bits; kernels add the low plane's products,
// times scale / 128, after those of all high planes. Low planes follow the stream of all blocks, each in its place;
// kernels pass over those of narrow blocks. After them comes int32 wide[blocks], 1 where a row of the tile is wide.
//
//   low:      int32 [groups][R]            only for weights with a zero: -zero * sum(low) of each group
//             int8 low[8][R][4]
//
// A row alone is wide throughout: its weights come from memory meanwhile. q = 128 * high + low is then summed as an
// integer, and the scale is that of q, max|x| / 16256. Among several rows, a row's block is wide where max|x| >
// kOutlier * rms of the row, and elsewhere has low = 0: the tile that it falls into changes no bit.
//
// Thread rule: pure functions of their arguments; workers write disjoint parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include "kernels/cpu/pack.h"
#include "kernels/host_op.h"

// Full unrolling of loops with constant bounds, so that arrays of accumulators become registers.
#if defined(__clang__)
#define HETERO_UNROLL _Pragma("clang loop unroll(full)")
#else
#define HETERO_UNROLL _Pragma("GCC unroll 32")
#endif

namespace hetero {

inline constexpr int kMaxTileRows = 12;

enum class ActivationForm : std::uint8_t { kF32, kQ8 };

// Bytes that one row adds to a block of a tile: in the stream of blocks, in the low planes.
constexpr std::size_t activation_row_bytes(ActivationForm form, const PackedTraits& weights) {
  if (form == ActivationForm::kF32) return 4 * (kBlockColumns + (weights.min_bytes > 0 ? 1 : 0));
  return kBlockColumns + 4 * (1 + static_cast<std::size_t>(weights.groups));
}
constexpr std::size_t low_row_bytes(const PackedTraits& weights) {
  return kBlockColumns + (weights.min_bytes > 0 ? 0 : 4 * static_cast<std::size_t>(weights.groups));
}

// One tile. `columns` of its panels' features exist in the output: 1..16, with two panels 17..32.
struct TileArgs {
  const std::byte* weights = nullptr;      // the first panel
  std::int64_t panel_bytes = 0;            // from a panel to the next
  const std::byte* activations = nullptr;  // the tile
  const std::byte* low = nullptr;          // form kQ8: its low planes, and which of them count
  const std::byte* wide = nullptr;
  std::int64_t blocks = 0;
  HostMatrix out;            // at the tile's first row and the panel's first feature
  ConstHostMatrix residual;  // likewise, or null; may be `out` itself
  int columns = 0;
};
using TileKernel = void (*)(const TileArgs&);

inline bool flagged(const std::byte* wide) {
  std::int32_t value;
  std::memcpy(&value, wide, sizeof value);
  return value != 0;
}

// Index: rows of the tile. Entries from 1 to the max_rows of the instruction set are set.
using TileTable = std::array<TileKernel, kMaxTileRows + 1>;

// Index: PackedKind. Kernels for 8-bit activations have no tables for float kinds.
using TileTables = std::array<TileTable, kPackedKinds>;

// Asks for the lines of the block that lies kPrefetchBytes ahead. For tiles of one row: these run at the speed of
// memory, and hardware prefetchers stop at every page. Reading ahead of the end of the weights is harmless.
inline constexpr std::size_t kPrefetchBytes = 4096;
template <std::size_t BlockBytes>
inline void prefetch_block(const std::byte* block) {
  HETERO_UNROLL
  for (std::size_t line = 0; line < BlockBytes; line += 64) __builtin_prefetch(block + kPrefetchBytes + line, 0, 3);
}

// How many times the root mean square of its row the largest magnitude of a wide block exceeds. SmolLM2-135M Q4_1, mean
// KL divergence against float32 activations, 316 tokens: 4.7e-3 without wide blocks, 2.1e-3 at 12, 1.6e-3 at 10 (4 % of
// the rows' blocks and 10 % of the tiles' are wide), 1.0e-3 at 6 (9 % and 29 %). The price of a wide block of a tile is
// about three quarters of a narrow one.
inline constexpr float kOutlier = 12;

inline constexpr int kLowBits = 7;  // of a wide q below the high plane: low is in -64..63, high in -127..127
inline constexpr float kLowScale = 1 << kLowBits;

// Blocks whose largest magnitude is not above this become zeros: 16256 / max|x| would overflow.
inline constexpr float kLeastQuantised = 1e-30f;

// Sums of a plane over each 16 columns of a block.
struct PlaneSums {
  std::int32_t half[2];
};

// Quantises blocks of 32 activations; each instruction set gives the same. Results: max|x|. `sums`: of high, of low.
struct BlockQuantiser {
  float (*narrow)(const float* x, std::int8_t* high, PlaneSums& sums) = nullptr;
  float (*wide)(const float* x, std::int8_t* high, std::int8_t* low, PlaneSums (&sums)[2]) = nullptr;
  // lanes[i] += x * x of columns i, i + 16 ... of `groups` times 16 columns, in that order, each product rounded.
  void (*add_squares)(const float* x, std::int64_t groups, float (&lanes)[16]) = nullptr;
};

// 127 / largest, or 0 where that would overflow. A narrow q is x times this, to the nearest, ties to even; a wide q is
// x times kLowScale times this.
inline float steps_per_unit(float largest) { return largest > kLeastQuantised ? 127.0f / largest : 0.0f; }

// In plain C++: what the others are checked against.
extern const BlockQuantiser kPortableQuantiser;

struct MatmulPath {
  ActivationForm form = ActivationForm::kF32;
  int max_rows = 1;                           // of a tile
  const BlockQuantiser* quantiser = nullptr;  // form kQ8
  const TileTables* tiles = nullptr;
  int max_pair_rows = 0;  // of a tile of two panels, used where m > max_rows; 0: there is none
  const TileTables* pair_tiles = nullptr;

  bool in_pairs(std::int64_t m) const { return m > max_rows && max_pair_rows > 0; }
  int tile_rows(std::int64_t m) const { return in_pairs(m) ? max_pair_rows : max_rows; }
};

// Phase 0 writes the activations into the workspace, phase 1 multiplies.
void run_matmul(const MatmulPath& path, const HostOp& op, int phase, int worker, int workers);

std::size_t f32_workspace_bytes(const OpDesc& op);
std::size_t q8_workspace_bytes(const OpDesc& op);

}  // namespace hetero
