#include "kernels/cpu/matmul_tiles.h"

#include <algorithm>

#include "kernels/work_split.h"

namespace hetero {
namespace {

// Panels [begin, end), whose tiles have the rows of `split`.
struct PanelWork {
  const MatmulPath& path;
  const HostOp& op;
  PackedKind kind;
  TileSplit split;
  TileLayout layout;
  std::int64_t panels;          // of a tile
  std::int64_t tiles_in_cache;  // that pass over the panels of a tile before the next ones are read
  TileArgs args;

  PanelWork(const MatmulPath& a_path, const MatmulTuning& tuning, const HostOp& an_op)
      : path(a_path),
        op(an_op),
        kind(packed_kind(op.desc.w)),
        split(path.split(op.desc.m, tuning)),
        layout(path.form, packed_traits(kind), op.desc.m, op.desc.k),
        panels(path.panels(op.desc.m, tuning)) {
    const std::int64_t read_bytes = split.rows(0) * layout.stream_bytes;  // of a tile; outliers are few
    tiles_in_cache = std::max<std::int64_t>(1, (tuning.cache_kib << 10) / read_bytes);
    args.panel_bytes = layout.blocks * static_cast<std::int64_t>(packed_traits(kind).block_bytes());
    args.blocks = layout.blocks;
    args.extra_bytes = layout.extra_bytes;
    args.prefetch_bytes = tuning.prefetch;
  }

  void multiply(const WorkRange& range) {
    for (std::int64_t tile0 = 0; tile0 < split.tiles; tile0 += tiles_in_cache) {
      const std::int64_t tile1 = std::min(split.tiles, tile0 + tiles_in_cache);
      for (std::int64_t panel = range.begin; panel < range.end; panel += panels) {
        const std::int64_t count = std::min(panels, range.end - panel);
        const TileTable& kernels = (*path.tiles[static_cast<std::size_t>(count)])[static_cast<std::size_t>(kind)];
        const std::int64_t column = panel * kPanelRows;
        args.weights = op.weights + panel * args.panel_bytes;
        args.columns = static_cast<int>(std::min<std::int64_t>(count * kPanelRows, op.desc.n - column));
        for (std::int64_t tile = tile0; tile < tile1; ++tile) multiply_tile(kernels, tile, column);
      }
    }
  }

  void multiply_tile(const TileTable& kernels, std::int64_t tile, std::int64_t column) {
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
};

void multiply(const MatmulPath& path, const MatmulTuning& tuning, const HostOp& op, int worker, int workers) {
  PanelWork work(path, tuning, op);
  const std::int64_t all = packed_panels(op.desc.n);
  if (tuning.chunk == 0) {
    work.multiply(work_share(all, worker, workers, work.panels));
    return;
  }
  const std::int64_t chunk = (tuning.chunk + work.panels - 1) / work.panels * work.panels;
  for (std::int64_t begin = worker * chunk; begin < all; begin += workers * chunk) {
    work.multiply({begin, std::min(all, begin + chunk)});
  }
}

}  // namespace

MatmulTuning MatmulPath::tuned(const std::int64_t* values) const {
  MatmulTuning tuned = tuning;
  if (values == nullptr) return tuned;
  for (const MatmulParam& param : params) tuned.*param.field = *values++;
  return tuned;
}

void run_matmul(const MatmulPath& path, const HostOp& op, int phase, int worker, int workers) {
  const MatmulTuning tuning = path.tuned(op.params);
  if (phase == 0) {
    const PackedTraits weights = packed_traits(packed_kind(op.desc.w));
    write_activations(path.form, path.quantiser, op, weights, path.split(op.desc.m, tuning), worker, workers);
  } else {
    multiply(path, tuning, op, worker, workers);
  }
}

}  // namespace hetero
