// The loops around the tile kernels (matmul_tiles.h): rows into tiles, activations into the workspace, panels over
// workers, tiles over panels.
#include "kernels/cpu/matmul_tiles.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace hetero {
namespace {

// The activations that pass over one panel before the next is read should stay in the L2 cache beside it. Half of the
// smallest L2 among current cores (512 KiB on ARM and older x86).
constexpr std::int64_t kActivationBytesInCache = 256 << 10;

// m rows in tiles of nearly equal size: 13 rows in tiles of up to 12 are 7 + 6, not 12 + 1.
struct TileSplit {
  std::int64_t tiles, small_rows, larger;  // the first `larger` tiles have small_rows + 1 rows

  TileSplit(std::int64_t m, int max_rows)
      : tiles((m + max_rows - 1) / max_rows), small_rows(m / tiles), larger(m % tiles) {}
  std::int64_t first_row(std::int64_t tile) const { return tile * small_rows + std::min(tile, larger); }
  int rows(std::int64_t tile) const { return static_cast<int>(small_rows + (tile < larger ? 1 : 0)); }
};

// Where the parts of a tile lie in the workspace (matmul_tiles.h draws them). The flags get 4 bytes a row and block, of
// which a tile needs those of one row: so a tile's place follows from its first row alone.
struct TileLayout {
  std::int64_t blocks, row_bytes, low_bytes, flag_bytes;  // the latter three: of a row of a block

  TileLayout(ActivationForm form, const PackedTraits& weights, std::int64_t k)
      : blocks(packed_blocks(k)),
        row_bytes(static_cast<std::int64_t>(activation_row_bytes(form, weights))),
        low_bytes(form == ActivationForm::kQ8 ? static_cast<std::int64_t>(low_row_bytes(weights)) : 0),
        flag_bytes(form == ActivationForm::kQ8 ? 4 : 0) {}
  std::int64_t tile_offset(std::int64_t row0) const { return row0 * blocks * (row_bytes + low_bytes + flag_bytes); }
  // Within the tile:
  std::int64_t block_offset(int rows, std::int64_t block) const { return rows * block * row_bytes; }
  std::int64_t low_offset(int rows, std::int64_t block) const {
    return rows * (blocks * row_bytes + block * low_bytes);
  }
  std::int64_t wide_offset(int rows, std::int64_t block) const {
    return rows * blocks * (row_bytes + low_bytes) + block * flag_bytes;
  }
};

struct Range {
  std::int64_t begin, end;
};
Range part_of(std::int64_t count, int worker, int workers) {
  return {count * worker / workers, count * (worker + 1) / workers};
}

// The block's columns of one row, padded with zeros where k ends within it.
const float* block_columns(const HostOp& op, std::int64_t row, std::int64_t block, float (&padded)[kBlockColumns]) {
  const float* x = op.in0.data + row * op.in0.stride + block * kBlockColumns;
  const std::int64_t columns = op.desc.k - block * kBlockColumns;
  if (columns >= kBlockColumns) return x;
  std::fill(std::copy(x, x + columns, padded), padded + kBlockColumns, 0.0f);
  return padded;
}

void write_f32_block(const HostOp& op, const PackedTraits& weights, std::int64_t row0, int rows, std::int64_t block,
                     std::byte* dst) {
  float padded[kMaxTileRows][kBlockColumns];
  const float* x[kMaxTileRows];
  for (int r = 0; r < rows; ++r) x[r] = block_columns(op, row0 + r, block, padded[r]);
  auto* out = reinterpret_cast<float*>(dst);
  if (weights.min_bytes > 0) {
    for (int r = 0; r < rows; ++r) {
      float sums[4] = {};
      for (int c = 0; c < kBlockColumns; ++c) sums[c % 4] += x[r][c];
      *out++ = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
  }
  if (rows == 1) {
    std::memcpy(out, x[0], kBlockColumns * sizeof(float));
    return;
  }
  for (int c = 0; c < kBlockColumns; ++c) {
    for (int r = 0; r < rows; ++r) *out++ = x[r][c];
  }
}

// What a block's largest magnitude must exceed for the block to be wide.
float wide_limit(const HostOp& op, const BlockQuantiser& quantiser, std::int64_t row) {
  if (op.desc.m == 1) return -1;
  const float* x = op.in0.data + row * op.in0.stride;
  float squares[16] = {};
  quantiser.add_squares(x, op.desc.k / 16, squares);
  float sum = 0;
  for (std::int64_t c = op.desc.k / 16 * 16; c < op.desc.k; ++c) sum += x[c] * x[c];
  for (const float lane : squares) sum += lane;
  return kOutlier * std::sqrt(sum / static_cast<float>(op.desc.k));
}

// Writes a 4-byte figure of row r to [group][r].
template <typename T>
void put_figure(T value, int rows, int group, int r, std::byte* dst) {
  static_assert(sizeof value == 4);
  std::memcpy(dst + 4 * (group * rows + r), &value, 4);
}

void put_plane(const std::int8_t* q, int rows, int r, std::byte* dst) {
  for (int i = 0; i < kBlockColumns / 4; ++i) std::memcpy(dst + 4 * (i * rows + r), q + 4 * i, 4);
}

// Where the parts of a tile's block lie in the workspace.
struct Q8Place {
  std::byte *block, *low, *wide;
};

// One row's part of a block. The low plane and its sums are set where the row is wide.
struct QuantisedRow {
  float largest;
  PlaneSums sums[2];
  std::int8_t high[kBlockColumns], low[kBlockColumns];
};

// The low planes of a block with a wide row: zeros for the others.
void write_low_planes(const PackedTraits& weights, QuantisedRow* q, const float* wide_limits, int rows,
                      std::byte* dst) {
  std::byte* plane = dst + static_cast<std::size_t>(rows) * (low_row_bytes(weights) - kBlockColumns);
  for (int r = 0; r < rows; ++r) {
    if (!(q[r].largest > wide_limits[r])) {
      std::memset(q[r].low, 0, sizeof q[r].low);
      q[r].sums[1] = {};
    }
    put_plane(q[r].low, rows, r, plane);
    if (weights.min_bytes > 0) continue;
    for (int g = 0; g < weights.groups; ++g) put_figure(-weights.zero * q[r].sums[1].half[g], rows, g, r, dst);
  }
}

void write_q8_block(const HostOp& op, const PackedTraits& weights, const BlockQuantiser& quantiser, std::int64_t row0,
                    int rows, std::int64_t block, const float* wide_limits, const Q8Place& dst) {
  QuantisedRow q[kMaxTileRows];
  std::int32_t any_wide = 0;
  for (int r = 0; r < rows; ++r) {
    float padded[kBlockColumns];
    const float* x = block_columns(op, row0 + r, block, padded);
    if (wide_limits[r] >= 0) q[r].largest = quantiser.narrow(x, q[r].high, q[r].sums[0]);
    if (wide_limits[r] < 0 || q[r].largest > wide_limits[r]) {
      q[r].largest = quantiser.wide(x, q[r].high, q[r].low, q[r].sums);
      any_wide = 1;
    }
    if (weights.groups == 1) {
      for (PlaneSums& plane : q[r].sums) plane.half[0] += plane.half[1];
    }
  }
  std::memcpy(dst.wide, &any_wide, 4);
  if (any_wide != 0) write_low_planes(weights, q, wide_limits, rows, dst.low);

  std::byte* corrections = dst.block + 4 * rows;
  std::byte* high_plane = corrections + 4 * rows * weights.groups;
  for (int r = 0; r < rows; ++r) {
    const float scale = q[r].largest / 127.0f;
    put_figure(op.desc.m == 1 ? scale / kLowScale : scale, rows, 0, r, dst.block);
    put_plane(q[r].high, rows, r, high_plane);
    for (int g = 0; g < weights.groups; ++g) {
      const std::int32_t high = q[r].sums[0].half[g];
      if (weights.min_bytes > 0) {
        const std::int32_t sum = any_wide != 0 ? high * (1 << kLowBits) + q[r].sums[1].half[g] : high;
        put_figure((any_wide != 0 ? scale / kLowScale : scale) * static_cast<float>(sum), rows, g, r, corrections);
      } else {
        put_figure(-weights.zero * high, rows, g, r, corrections);
      }
    }
  }
}

// Work is divided by blocks of tiles, so that a single row of a long k occupies all workers too.
void write_activations(const MatmulPath& path, const HostOp& op, const PackedTraits& weights, int worker, int workers) {
  const TileSplit split(op.desc.m, path.tile_rows(op.desc.m));
  const TileLayout layout(path.form, weights, op.desc.k);
  const Range part = part_of(split.tiles * layout.blocks, worker, workers);
  float wide_limits[kMaxTileRows];
  for (std::int64_t unit = part.begin; unit < part.end; ++unit) {
    const std::int64_t tile = unit / layout.blocks, block = unit % layout.blocks;
    const std::int64_t row0 = split.first_row(tile);
    const int rows = split.rows(tile);
    std::byte* dst = op.workspace + layout.tile_offset(row0);
    if (path.form == ActivationForm::kF32) {
      write_f32_block(op, weights, row0, rows, block, dst + layout.block_offset(rows, block));
      continue;
    }
    if (unit == part.begin || block == 0) {
      for (int r = 0; r < rows; ++r) wide_limits[r] = wide_limit(op, *path.quantiser, row0 + r);
    }
    write_q8_block(op, weights, *path.quantiser, row0, rows, block, wide_limits,
                   {dst + layout.block_offset(rows, block), dst + layout.low_offset(rows, block),
                    dst + layout.wide_offset(rows, block)});
  }
}

// A worker has a contiguous range of panels: with few rows its weights are one linear stream.
void multiply(const MatmulPath& path, const HostOp& op, PackedKind kind, int worker, int workers) {
  const PackedTraits weights = packed_traits(kind);
  const TileSplit split(op.desc.m, path.tile_rows(op.desc.m));
  const TileLayout layout(path.form, weights, op.desc.k);
  const std::int64_t read_bytes = split.rows(0) * layout.blocks * layout.row_bytes;  // of a tile; few low planes count
  const std::int64_t tiles_in_cache = std::max<std::int64_t>(1, kActivationBytesInCache / read_bytes);
  const Range panels = part_of(packed_panels(op.desc.n), worker, workers);
  const std::int64_t at_once = path.in_pairs(op.desc.m) ? 2 : 1;
  TileArgs args;
  args.panel_bytes = layout.blocks * static_cast<std::int64_t>(weights.block_bytes());
  args.blocks = layout.blocks;
  for (std::int64_t tile0 = 0; tile0 < split.tiles; tile0 += tiles_in_cache) {
    const std::int64_t tile1 = std::min(split.tiles, tile0 + tiles_in_cache);
    for (std::int64_t panel = panels.begin; panel < panels.end; panel += at_once) {
      const bool pair = panel + 2 <= panels.end && at_once == 2;
      const TileTable& kernels = (pair ? *path.pair_tiles : *path.tiles)[static_cast<std::size_t>(kind)];
      const std::int64_t column = panel * kPanelRows;
      args.weights = op.weights + panel * args.panel_bytes;
      args.columns = static_cast<int>(std::min((pair ? 2 : 1) * std::int64_t{kPanelRows}, op.desc.n - column));
      for (std::int64_t tile = tile0; tile < tile1; ++tile) {
        const std::int64_t row0 = split.first_row(tile);
        const int rows = split.rows(tile);
        args.activations = op.workspace + layout.tile_offset(row0);
        args.low = args.activations + layout.low_offset(rows, 0);
        args.wide = args.activations + layout.wide_offset(rows, 0);
        args.out = {op.out.data + row0 * op.out.stride + column, op.out.stride};
        if (op.in1.data != nullptr) {
          args.residual = {op.in1.data + row0 * op.in1.stride + column, op.in1.stride};
        }
        kernels[static_cast<std::size_t>(rows)](args);
      }
    }
  }
}

float largest_of(const float* x) {
  float largest = 0;
  for (int c = 0; c < kBlockColumns; ++c) largest = std::max(largest, std::fabs(x[c]));
  return largest;
}

float portable_narrow(const float* x, std::int8_t* high, PlaneSums& sums) {
  const float largest = largest_of(x), per_unit = steps_per_unit(largest);
  sums = {};
  for (int c = 0; c < kBlockColumns; ++c) {
    high[c] = static_cast<std::int8_t>(std::nearbyint(x[c] * per_unit));
    sums.half[c / 16] += high[c];
  }
  return largest;
}

float portable_wide(const float* x, std::int8_t* high, std::int8_t* low, PlaneSums (&sums)[2]) {
  const float largest = largest_of(x), per_unit = steps_per_unit(largest) * kLowScale;
  sums[0] = sums[1] = {};
  for (int c = 0; c < kBlockColumns; ++c) {
    const auto q = static_cast<std::int32_t>(std::nearbyint(x[c] * per_unit));
    high[c] = static_cast<std::int8_t>((q + (1 << (kLowBits - 1))) >> kLowBits);
    low[c] = static_cast<std::int8_t>(q - high[c] * (1 << kLowBits));
    sums[0].half[c / 16] += high[c];
    sums[1].half[c / 16] += low[c];
  }
  return largest;
}

void portable_add_squares(const float* x, std::int64_t groups, float (&lanes)[16]) {
  for (std::int64_t c = 0; c < groups * 16; ++c) lanes[c % 16] += x[c] * x[c];
}

std::size_t workspace_bytes(ActivationForm form, const OpDesc& op) {
  const TileLayout layout(form, packed_traits(packed_kind(op.w)), op.k);
  return static_cast<std::size_t>(layout.tile_offset(op.m));
}

}  // namespace

const BlockQuantiser kPortableQuantiser = {portable_narrow, portable_wide, portable_add_squares};

void run_matmul(const MatmulPath& path, const HostOp& op, int phase, int worker, int workers) {
  const PackedKind kind = packed_kind(op.desc.w);
  if (phase == 0) {
    write_activations(path, op, packed_traits(kind), worker, workers);
  } else {
    multiply(path, op, kind, worker, workers);
  }
}

std::size_t f32_workspace_bytes(const OpDesc& op) { return workspace_bytes(ActivationForm::kF32, op); }
std::size_t q8_workspace_bytes(const OpDesc& op) { return workspace_bytes(ActivationForm::kQ8, op); }

}  // namespace hetero
