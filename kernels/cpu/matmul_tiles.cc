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

void write_q8_block(const HostOp& op, const PackedTraits& weights, BlockQuantiser quantise, std::int64_t row0, int rows,
                    std::int64_t block, std::byte* dst) {
  std::byte* corrections = dst + 4 * rows;
  std::byte* quants = corrections + 4 * rows * weights.groups;
  for (int r = 0; r < rows; ++r) {
    float padded[kBlockColumns];
    float scale;
    std::int8_t q[kBlockColumns];
    std::int32_t sums[2];
    quantise(block_columns(op, row0 + r, block, padded), scale, q, sums);
    std::memcpy(dst + 4 * r, &scale, 4);
    if (weights.groups == 1) sums[0] += sums[1];
    for (int g = 0; g < weights.groups; ++g) {
      const std::int32_t start = -weights.zero * sums[g];
      const float weighted = scale * static_cast<float>(sums[g]);
      std::byte* correction = corrections + 4 * (g * rows + r);
      if (weights.min_bytes > 0) {
        std::memcpy(correction, &weighted, 4);
      } else {
        std::memcpy(correction, &start, 4);
      }
    }
    for (int i = 0; i < kBlockColumns / 4; ++i) std::memcpy(quants + 4 * (i * rows + r), q + 4 * i, 4);
  }
}

// Work is divided by blocks of tiles, so that a single row of a long k occupies all workers too.
void write_activations(const MatmulPath& path, const HostOp& op, const PackedTraits& weights, int worker, int workers) {
  const TileSplit split(op.desc.m, path.max_rows);
  const std::int64_t blocks = packed_blocks(op.desc.k);
  const auto row_block_bytes = static_cast<std::int64_t>(activation_row_bytes(path.form, weights));
  const Range part = part_of(split.tiles * blocks, worker, workers);
  for (std::int64_t unit = part.begin; unit < part.end; ++unit) {
    const std::int64_t tile = unit / blocks, block = unit % blocks;
    const std::int64_t row0 = split.first_row(tile);
    const int rows = split.rows(tile);
    std::byte* dst = op.workspace + (row0 * blocks + rows * block) * row_block_bytes;
    if (path.form == ActivationForm::kF32) {
      write_f32_block(op, weights, row0, rows, block, dst);
    } else {
      write_q8_block(op, weights, path.quantise, row0, rows, block, dst);
    }
  }
}

// A worker has a contiguous range of panels: with few rows its weights are one linear stream.
void multiply(const MatmulPath& path, const HostOp& op, PackedKind kind, int worker, int workers) {
  const TileTable& kernels = (*path.tiles)[static_cast<std::size_t>(kind)];
  const PackedTraits weights = packed_traits(kind);
  const TileSplit split(op.desc.m, path.max_rows);
  const std::int64_t blocks = packed_blocks(op.desc.k);
  const std::int64_t row_bytes = blocks * static_cast<std::int64_t>(activation_row_bytes(path.form, weights));
  const std::int64_t panel_bytes = blocks * static_cast<std::int64_t>(weights.block_bytes());
  const std::int64_t tiles_in_cache = std::max<std::int64_t>(1, kActivationBytesInCache / (row_bytes * split.rows(0)));
  const Range panels = part_of(packed_panels(op.desc.n), worker, workers);
  for (std::int64_t tile0 = 0; tile0 < split.tiles; tile0 += tiles_in_cache) {
    const std::int64_t tile1 = std::min(split.tiles, tile0 + tiles_in_cache);
    for (std::int64_t panel = panels.begin; panel < panels.end; ++panel) {
      const std::int64_t column = panel * kPanelRows;
      TileArgs args;
      args.weights = op.weights + panel * panel_bytes;
      args.blocks = blocks;
      args.columns = static_cast<int>(std::min<std::int64_t>(kPanelRows, op.desc.n - column));
      for (std::int64_t tile = tile0; tile < tile1; ++tile) {
        const std::int64_t row0 = split.first_row(tile);
        args.activations = op.workspace + row0 * row_bytes;
        args.out = {op.out.data + row0 * op.out.stride + column, op.out.stride};
        if (op.in1.data != nullptr) {
          args.residual = {op.in1.data + row0 * op.in1.stride + column, op.in1.stride};
        }
        kernels[static_cast<std::size_t>(split.rows(tile))](args);
      }
    }
  }
}

std::size_t workspace_bytes(ActivationForm form, const OpDesc& op) {
  return static_cast<std::size_t>(op.m * packed_blocks(op.k)) *
         activation_row_bytes(form, packed_traits(packed_kind(op.w)));
}

}  // namespace

void quantise_block(const float* x, float& scale, std::int8_t* q, std::int32_t* sums) {
  float largest = 0;
  for (int c = 0; c < kBlockColumns; ++c) largest = std::max(largest, std::fabs(x[c]));
  const float inverse = largest > kLeastQuantised ? 127.0f / largest : 0.0f;
  scale = largest / 127.0f;
  sums[0] = sums[1] = 0;
  for (int c = 0; c < kBlockColumns; ++c) {
    q[c] = static_cast<std::int8_t>(std::nearbyint(x[c] * inverse));
    sums[c / 16] += q[c];
  }
}

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
