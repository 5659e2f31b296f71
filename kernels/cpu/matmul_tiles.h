// What every CPU matmul kernel has in common: how activations are laid out for the tile kernels, and the loops around
// those. An instruction set brings a table of tile kernels and, for 8-bit activations, a quantiser; nothing else.
//
// A tile is R rows of activations (1 <= R <= max_rows of the instruction set) by the 16 features of a packed panel,
// over the whole of k, held in registers. m = 1 is a tile of one row: the panel streams from memory, nothing else does.
// Large m runs many tiles over a panel, which by then lies in L1 or L2.
//
// Activations of a tile of R rows, block after block of 32 columns (front to back, one stream):
//
//   float32:  [float sum[R]]               only for weights with a min: sum over the block of the row's activations
//             float value[32][R]
//   8 bits:   float scale[R]               max|x| / 127 of the row's block
//             int32 or float [groups][R]   weights with a zero: -zero * sum(q) of each group, where integer dot
//             products
//                                          begin; weights with a min: scale * sum(q)
//             int8 q[8][R][4]              column 4i + b of row r at [i][r][b]
//
// Thread rule: pure functions of their arguments; workers write disjoint parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
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

// Bytes that one row adds to a block of a tile.
constexpr std::size_t activation_row_bytes(ActivationForm form, const PackedTraits& weights) {
  if (form == ActivationForm::kF32) return 4 * (kBlockColumns + (weights.min_bytes > 0 ? 1 : 0));
  return kBlockColumns + 4 * (1 + static_cast<std::size_t>(weights.groups));
}

// One tile. `columns` (1..16) of the panel's features exist in the output.
struct TileArgs {
  const std::byte* weights = nullptr;      // the panel
  const std::byte* activations = nullptr;  // the tile
  std::int64_t blocks = 0;
  HostMatrix out;            // at the tile's first row and the panel's first feature
  ConstHostMatrix residual;  // likewise, or null; may be `out` itself
  int columns = 0;
};
using TileKernel = void (*)(const TileArgs&);

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

// Quantises 32 activations to q in -127..127: x ~ scale * q, scale = max|x| / 127. `sums`: of q over each 16 columns.
using BlockQuantiser = void (*)(const float* x, float& scale, std::int8_t* q, std::int32_t* sums);

// Blocks whose largest magnitude is not above this become zeros: 127 / max|x| would overflow.
inline constexpr float kLeastQuantised = 1e-30f;

// The same in plain C++: what the others are checked against.
void quantise_block(const float* x, float& scale, std::int8_t* q, std::int32_t* sums);

struct MatmulPath {
  ActivationForm form = ActivationForm::kF32;
  int max_rows = 1;                   // of a tile
  BlockQuantiser quantise = nullptr;  // form kQ8
  const TileTables* tiles = nullptr;
};

// Phase 0 writes the activations into the workspace, phase 1 multiplies.
void run_matmul(const MatmulPath& path, const HostOp& op, int phase, int worker, int workers);

std::size_t f32_workspace_bytes(const OpDesc& op);
std::size_t q8_workspace_bytes(const OpDesc& op);

}  // namespace hetero
