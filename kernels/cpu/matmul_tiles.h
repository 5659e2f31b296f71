// The loops around the tile kernels, which every CPU matmul kernel has in common. An instruction set brings a table of
// tile kernels and, for 8-bit activations, a quantiser; nothing else.
//
// A tile is R rows of activations (1 <= R <= max_rows of the instruction set) by the 16 features of a packed panel,
// over the whole of k, held in registers. m = 1 is a tile of one row: the panel streams from memory, nothing else does.
// Large m runs many tiles over a panel, which by then lies in L1 or L2; an instruction set may have tiles of several
// panels and fewer rows for it, which fetch each activation once for all of them. Layouts: activations.h, pack.h.
//
// Thread rule: pure functions of their arguments; workers write disjoint parts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "kernels/cpu/activations.h"
#include "kernels/cpu/pack.h"
#include "kernels/host_op.h"

namespace hetero {

// One tile. `columns` of its panels' features exist in the output: 1..16 in the last panel, all of those before.
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
  std::int64_t prefetch_bytes = 0;  // tiles of one row: how far ahead weights are asked for (prefetch_block())
};
using TileKernel = void (*)(const TileArgs&);

// Index: rows of the tile. Entries from 1 to the max_rows of the instruction set are set.
using TileTable = std::array<TileKernel, kMaxTileRows + 1>;

// Index: PackedKind. Kernels for 8-bit activations have no tables for float kinds.
using TileTables = std::array<TileTable, kPackedKinds>;

// Asks for the lines of the block that lies `ahead` bytes ahead. Tiles of one row run at the speed of memory, and
// hardware prefetchers stop at every page. Reading ahead of the end of the weights is harmless.
template <std::size_t BlockBytes>
inline void prefetch_block(const std::byte* block, std::int64_t ahead) {
  HETERO_UNROLL
  for (std::size_t line = 0; line < BlockBytes; line += 64) __builtin_prefetch(block + ahead + line, 0, 3);
}

// How a matmul goes about its tiles. No value changes a bit of the result.
struct MatmulTuning {
  std::int64_t rows = 1;     // most rows of a tile of one panel
  std::int64_t panels = 1;   // of a tile where there are more rows than a tile of one panel holds
  std::int64_t streams = 1;  // of a tile of one row, where m = 1: panels that are read side by side
  // The activations that pass over one panel before the next is read should stay in the L2 cache beside it. Half of the
  // smallest L2 among current cores (512 KiB on ARM and older x86).
  std::int64_t cache_kib = 256;
  // Panels that a worker takes at once, and all rows of them before the next. 0: its whole share, so that with few rows
  // its weights are one linear stream.
  std::int64_t chunk = 0;
  std::int64_t prefetch = 8192;  // bytes ahead, in tiles of one row; 0: asks for what is read anyway
};

// One of them as a parameter of the catalogue.
struct MatmulParam {
  const char* name;
  std::int64_t MatmulTuning::*field;
  std::span<const std::int64_t> values;
  std::span<const ShapeClass> classes;  // empty: all
  const char* meaning;
};

// Parameters of most kernels; those of tiles are each kernel's own.
inline constexpr std::int64_t kCacheValues[] = {32, 128, 256, 512, 1024};
inline constexpr std::int64_t kChunkValues[] = {0, 4, 16, 64};
inline constexpr std::int64_t kPrefetchValues[] = {0, 2048, 4096, 8192, 16384};
inline constexpr ShapeClass kOneRowOnly[] = {ShapeClass::kOneRow};
inline constexpr ShapeClass kSeveralRows[] = {ShapeClass::kFewRows, ShapeClass::kManyRows};
inline constexpr ShapeClass kManyRowsOnly[] = {ShapeClass::kManyRows};
inline constexpr MatmulParam kCacheParam = {"cache_kib", &MatmulTuning::cache_kib, kCacheValues, kManyRowsOnly,
                                            "KiB of activations that pass over a panel before the next is read"};
inline constexpr MatmulParam kChunkParam = {"chunk",
                                            &MatmulTuning::chunk,
                                            kChunkValues,
                                            {},
                                            "panels of 16 output features that a thread takes at once; 0: its share"};
inline constexpr MatmulParam kPrefetchParam = {"prefetch", &MatmulTuning::prefetch, kPrefetchValues, kOneRowOnly,
                                               "bytes ahead of the read"};
inline constexpr MatmulParam kFloatParams[] = {kCacheParam, kChunkParam, kPrefetchParam};
inline constexpr MatmulParam kPortableParams[] = {kCacheParam, kChunkParam};

inline constexpr int kMaxTilePanels = 4;

struct MatmulPath {
  ActivationForm form = ActivationForm::kF32;
  const Quantiser* quantiser = nullptr;  // form kQ8
  MatmulTuning tuning{};                 // the defaults
  std::span<const MatmulParam> params{};
  // Index: panels of a tile. Tables of one panel have max_rows rows, those of P panels max_rows / P of them (at least
  // one): as many sums of products. Those that `params` can ask for are there, and all with fewer panels.
  int max_rows = 1;
  std::array<const TileTables*, kMaxTilePanels + 1> tiles{};

  // Of a tile.
  std::int64_t panels(std::int64_t m, const MatmulTuning& t) const {
    return m == 1 ? t.streams : m > max_rows ? t.panels : 1;
  }
  TileSplit split(std::int64_t m, const MatmulTuning& t) const {
    return {m, static_cast<int>(m > max_rows && t.panels > 1 ? max_rows / t.panels : t.rows)};
  }
  // `values`: HostOp::params.
  MatmulTuning tuned(const std::int64_t* values) const;
};

// Phase 0 writes the activations into the workspace, phase 1 multiplies.
void run_matmul(const MatmulPath& path, const HostOp& op, int phase, int worker, int workers);

// The kernel whose `run` is run_matmul() of `path`.
constexpr HostKernel matmul_kernel(const MatmulPath& path, decltype(HostKernel::run) run) {
  const bool q8 = path.form == ActivationForm::kQ8;
  HostKernel kernel;
  kernel.phases = 2;
  kernel.run = run;
  kernel.workspace_bytes = q8 ? q8_workspace_bytes : f32_workspace_bytes;
  kernel.packed_bytes = packed_weight_bytes;
  kernel.pack = pack_weight;
  kernel.workspace_key = q8 ? q8_workspace_key : f32_workspace_key;
  kernel.reads_pieces = true;
  return kernel;
}

}  // namespace hetero
