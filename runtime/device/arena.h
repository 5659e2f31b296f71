// The fixed block of memory that holds every activation and the KV cache, and that every device maps.
// Tensors are float32 [rows, cols] row-major; slots are reused across layers and never re-mapped.
// Not thread-safe: laid out by one thread before devices attach; its contents are guarded by the schedule's order.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/host_op.h"

namespace hetero {

using TensorId = std::int32_t;
inline constexpr TensorId kNoTensor = -1;

// How a region's rows are counted.
enum class RowOrigin : std::uint8_t {
  kStep,     // row 0 is the first token of this step
  kSequence  // row 0 is the first token of this step too, but stored at row `position` (KV cache)
};

struct Tensor {
  std::string name;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  RowOrigin origin = RowOrigin::kStep;
  std::uint64_t offset_bytes = 0;  // from the arena's base; 256-byte aligned
};

// A rectangle of a tensor, in rows of the step.
struct Region {
  TensorId tensor = kNoTensor;
  std::int64_t row0 = 0, rows = 0;
  std::int64_t col0 = 0, cols = 0;

  bool valid() const { return tensor != kNoTensor; }
  bool overlaps(const Region& o) const {
    return tensor == o.tensor && row0 < o.row0 + o.rows && o.row0 < row0 + rows && col0 < o.col0 + o.cols &&
           o.col0 < col0 + cols;
  }
  friend bool operator==(const Region&, const Region&) = default;
};

class Arena {
 public:
  // Before allocate(). Returns the new tensor's id.
  TensorId add(std::string name, std::int64_t rows, std::int64_t cols, RowOrigin origin = RowOrigin::kStep);
  void allocate();
  void touch() { memory_.touch(); }  // gets every page now; before anything is stored

  const std::vector<Tensor>& tensors() const { return tensors_; }
  const Tensor& tensor(TensorId id) const { return tensors_[static_cast<std::size_t>(id)]; }
  std::byte* data() { return memory_.data(); }
  std::size_t size_bytes() const { return memory_.size(); }

  // Byte offset of the region's first element when the step begins at sequence position `position`.
  std::uint64_t offset_bytes(const Region& region, std::int64_t position) const;
  HostMatrix matrix(const Region& region, std::int64_t position);
  // The whole tensor from row 0 at the region's first column: how attention sees a cache.
  HostMatrix from_first_row(const Region& region);

 private:
  std::vector<Tensor> tensors_;
  std::uint64_t next_offset_ = 0;
  AlignedBuffer memory_;
};

}  // namespace hetero
