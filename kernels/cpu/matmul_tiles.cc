#include "kernels/cpu/matmul_tiles.h"

#include <algorithm>

#include "kernels/work_split.h"

namespace hetero {
namespace {

// The activations that pass over one panel before the next is read should stay in the L2 cache beside it. Half of the
// smallest L2 among current cores (512 KiB on ARM and older x86).
constexpr std::int64_t kActivationBytesInCache = 256 << 10;

// A worker has a contiguous range of panels: with few rows its weights are one linear stream.
void multiply(const MatmulPath& path, const HostOp& op, PackedKind kind, int worker, int workers) {
  const PackedTraits weights = packed_traits(kind);
  const TileSplit split = path.split(op.desc.m);
  const TileLayout layout(path.form, weights, op.desc.m, op.desc.k);
  const std::int64_t read_bytes = split.rows(0) * layout.stream_bytes;  // of a tile; outliers are few
  const std::int64_t tiles_in_cache = std::max<std::int64_t>(1, kActivationBytesInCache / read_bytes);
  const std::int64_t at_once = path.in_pairs(op.desc.m) ? 2 : 1;
  const WorkRange panels = work_share(packed_panels(op.desc.n), worker, workers, at_once);
  TileArgs args;
  args.panel_bytes = layout.blocks * static_cast<std::int64_t>(weights.block_bytes());
  args.blocks = layout.blocks;
  args.extra_bytes = layout.extra_bytes;
  for (std::int64_t tile0 = 0; tile0 < split.tiles; tile0 += tiles_in_cache) {
    const std::int64_t tile1 = std::min(split.tiles, tile0 + tiles_in_cache);
    for (std::int64_t panel = panels.begin; panel < panels.end; panel += at_once) {
      const bool pair = at_once == 2 && panel + 2 <= panels.end;
      const TileTable& kernels = (pair ? *path.pair_tiles : *path.tiles)[static_cast<std::size_t>(kind)];
      const std::int64_t column = panel * kPanelRows;
      args.weights = op.weights + panel * args.panel_bytes;
      args.columns = static_cast<int>(std::min<std::int64_t>((pair ? 2 : 1) * kPanelRows, op.desc.n - column));
      for (std::int64_t tile = tile0; tile < tile1; ++tile) {
        const std::int64_t row0 = split.first_row(tile);
        const int rows = split.rows(tile);
        args.activations = op.workspace + layout.tile_offset(row0);
        args.extra = args.activations + layout.extra_offset(rows, 0);
        args.out = {op.out.data + row0 * op.out.stride + column, op.out.stride};
        if (op.in1.data != nullptr) {
          args.residual = {op.in1.data + row0 * op.in1.stride + column, op.in1.stride};
        }
        kernels[static_cast<std::size_t>(rows)](args);
      }
    }
  }
}

}  // namespace

void run_matmul(const MatmulPath& path, const HostOp& op, int phase, int worker, int workers) {
  const PackedKind kind = packed_kind(op.desc.w);
  if (phase == 0) {
    write_activations(path.form, path.quantiser, op, packed_traits(kind), path.split(op.desc.m), worker, workers);
  } else {
    multiply(path, op, kind, worker, workers);
  }
}

}  // namespace hetero
