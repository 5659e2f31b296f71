// Random weights to measure with: one pool of valid blocks per format, cut into copies that do not overlap, so that
// running over the copies in turn reads weights that no cache holds.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <map>

#include "base/aligned_buffer.h"
#include "kernels/host_op.h"

namespace hetero {

class WeightPool {
 public:
  // How many copies of a weight make a set of at least `cold_bytes`: 1 when a single one does.
  static int copies_for(DType type, std::int64_t n, std::int64_t k, std::uint64_t cold_bytes);

  // Before build(): says that copies [0, copies) of an [n, k] weight will be asked for.
  void reserve(DType type, std::int64_t n, std::int64_t k, int copies);
  void build();

  // Precondition: reserved and built. The memory lives as long as the pool.
  WeightView copy(DType type, std::int64_t n, std::int64_t k, int index) const;
  // A float32 vector of `n` random values, for norms. Precondition: reserve(kF32, 1, n, 1) and build().
  WeightView vector(std::int64_t n) const { return copy(DType::kF32, 1, n, 0); }

 private:
  std::map<DType, std::uint64_t> reserved_bytes_;
  std::map<DType, AlignedBuffer> pools_;
};

}  // namespace hetero
