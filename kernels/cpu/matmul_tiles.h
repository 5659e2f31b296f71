// The loops around the tile kernels, which every CPU matmul kernel has in common. An instruction set brings a table of
// tile kernels and, for 8-bit activations, a quantiser; nothing else.
//
// A tile is R rows of activations (1 <= R <= max_rows of the instruction set) by the 16 features of a packed panel,
// over the whole of k, held in registers. m = 1 is a tile of one row: the panel streams from memory, nothing else does.
// Large m runs many tiles over a panel, which by then lies in L1 or L2; an instruction set may have tiles of two panels
// and fewer rows for it, which fetch each activation once for both. Layouts: activations.h, pack.h.
//
// Thread rule: pure functions of their arguments; workers write disjoint parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/pack.h"
#include "kernels/host_op.h"

namespace hetero {

// One tile. `columns` of its panels' features exist in the output: 1..16, with two panels 17..32.
struct TileArgs {
  const std::byte* weights = nullptr;      // the first panel
  std::int64_t panel_bytes = 0;            // from a panel to the next
  const std::byte* activations = nullptr;  // the tile
  const std::byte* extra = nullptr;        // form kQ8: the first row's outliers, or high blocks
  std::int64_t extra_bytes = 0;            // from a row's to the next
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
inline constexpr std::size_t kPrefetchBytes = 8192;
template <std::size_t BlockBytes>
inline void prefetch_block(const std::byte* block) {
  HETERO_UNROLL
  for (std::size_t line = 0; line < BlockBytes; line += 64) __builtin_prefetch(block + kPrefetchBytes + line, 0, 3);
}

struct MatmulPath {
  ActivationForm form = ActivationForm::kF32;
  int max_rows = 1;                      // of a tile
  const Quantiser* quantiser = nullptr;  // form kQ8
  const TileTables* tiles = nullptr;
  int max_pair_rows = 0;  // of a tile of two panels, used where m > max_rows; 0: there is none
  const TileTables* pair_tiles = nullptr;

  bool in_pairs(std::int64_t m) const { return m > max_rows && max_pair_rows > 0; }
  TileSplit split(std::int64_t m) const { return {m, in_pairs(m) ? max_pair_rows : max_rows}; }
};

// Phase 0 writes the activations into the workspace, phase 1 multiplies.
void run_matmul(const MatmulPath& path, const HostOp& op, int phase, int worker, int workers);

}  // namespace hetero
