#include "tuner/measure/weight_pool.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <vector>

#include "base/rng.h"

namespace hetero {
namespace {

// Tensors of a GGUF file begin at multiples of this; kernels may profit from it, so copies do too.
constexpr std::int64_t kAlignment = 32;

std::uint64_t copy_stride(DType type, std::int64_t n, std::int64_t k) {
  const std::int64_t bytes = n * row_bytes(type, k);
  const std::int64_t unit = std::lcm(info(type).block_bytes, kAlignment);
  return static_cast<std::uint64_t>((bytes + unit - 1) / unit * unit);
}

// Values of weights do not change times, so one piece of random blocks is repeated over the whole pool.
void fill(DType type, AlignedBuffer& pool) {
  constexpr std::int64_t kPieceElements = 256 * 256;
  Rng rng(17);
  std::vector<float> values(kPieceElements);
  for (float& v : values) v = static_cast<float>(0.05 * rng.normal());
  std::vector<std::byte> piece(static_cast<std::size_t>(row_bytes(type, kPieceElements)));
  quantise_row(type, values.data(), piece.data(), kPieceElements);
  for (std::size_t at = 0; at < pool.size(); at += piece.size()) {
    std::memcpy(pool.data() + at, piece.data(), std::min(piece.size(), pool.size() - at));
  }
}

}  // namespace

int WeightPool::copies_for(DType type, std::int64_t n, std::int64_t k, std::uint64_t cold_bytes) {
  const std::uint64_t stride = std::max<std::uint64_t>(1, copy_stride(type, n, k));
  return static_cast<int>(std::clamp<std::uint64_t>((cold_bytes + stride - 1) / stride, 1, 4096));
}

void WeightPool::reserve(DType type, std::int64_t n, std::int64_t k, int copies) {
  std::uint64_t& bytes = reserved_bytes_[type];
  bytes = std::max(bytes, copy_stride(type, n, k) * static_cast<std::uint64_t>(copies));
}

void WeightPool::build() {
  for (const auto& [type, bytes] : reserved_bytes_) {
    AlignedBuffer& pool = pools_[type];
    pool = AlignedBuffer(bytes);
    fill(type, pool);
  }
}

WeightView WeightPool::copy(DType type, std::int64_t n, std::int64_t k, int index) const {
  return {pools_.at(type).data() + copy_stride(type, n, k) * static_cast<std::uint64_t>(index), type, n, k};
}

}  // namespace hetero
