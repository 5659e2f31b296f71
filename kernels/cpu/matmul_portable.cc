// Matmul in plain C++, for processors that no other row knows, and the form from which a new instruction set starts.
// A block of weights becomes floats in an L1 buffer, then multiplies every row of the tile.
#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/matmul_tiles.h"

namespace hetero {
namespace {

constexpr int kMaxRows = 12;

template <PackedKind K, int R>
void tile(const TileArgs& args) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* w = args.weights;
  const auto* a = reinterpret_cast<const float*>(args.activations);
  float total[R][kPanelRows] = {};
  for (std::int64_t block = 0; block < args.blocks; ++block) {
    float values[kBlockColumns][kPanelRows];
    unpack_block(K, w, values);
    if (t.min_bytes > 0) a += R;  // sums of activations: `values` contain the mins already
    for (int r = 0; r < R; ++r) {
      float sums[kPanelRows] = {};
      for (int c = 0; c < kBlockColumns; ++c) {
        for (int lane = 0; lane < kPanelRows; ++lane) sums[lane] += values[c][lane] * a[R * c + r];
      }
      for (int lane = 0; lane < kPanelRows; ++lane) total[r][lane] += sums[lane];
    }
    w += t.block_bytes();
    a += R * kBlockColumns;
  }
  for (int r = 0; r < R; ++r) {
    for (int lane = 0; lane < args.columns; ++lane) {
      const float residual = args.residual.data == nullptr ? 0 : args.residual.data[r * args.residual.stride + lane];
      args.out.data[r * args.out.stride + lane] = total[r][lane] + residual;
    }
  }
}

template <PackedKind K, int... Index>
constexpr TileTable table(std::integer_sequence<int, Index...>) {
  return {nullptr, &tile<K, Index + 1>...};
}
template <int... Kind>
constexpr TileTables tables(std::integer_sequence<int, Kind...>) {
  return {table<static_cast<PackedKind>(Kind)>(std::make_integer_sequence<int, kMaxRows>())...};
}
constexpr TileTables kTiles = tables(std::make_integer_sequence<int, kPackedKinds>());

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulPortablePath, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulPortablePath = {
    .tuning = {.rows = kMaxRows}, .params = kPortableParams, .max_rows = kMaxRows, .tiles = {nullptr, &kTiles}};
const HostKernel kMatmulPortable = matmul_kernel(kMatmulPortablePath, run);

}  // namespace hetero
