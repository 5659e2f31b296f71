#include "runtime/device/arena.h"

#include <utility>

namespace hetero {
namespace {

constexpr std::uint64_t kSlotAlign = 256;

}  // namespace

TensorId Arena::add(std::string name, std::int64_t rows, std::int64_t cols, RowOrigin origin) {
  Tensor tensor{std::move(name), rows, cols, origin, next_offset_};
  const std::uint64_t bytes = static_cast<std::uint64_t>(rows) * static_cast<std::uint64_t>(cols) * sizeof(float);
  next_offset_ += (bytes + kSlotAlign - 1) / kSlotAlign * kSlotAlign;
  tensors_.push_back(std::move(tensor));
  return static_cast<TensorId>(tensors_.size() - 1);
}

void Arena::allocate() { memory_ = AlignedBuffer(next_offset_); }

std::uint64_t Arena::offset_bytes(const Region& region, std::int64_t position) const {
  const Tensor& t = tensor(region.tensor);
  const std::int64_t row = region.row0 + (t.origin == RowOrigin::kSequence ? position : 0);
  return t.offset_bytes + static_cast<std::uint64_t>(row * t.cols + region.col0) * sizeof(float);
}

HostMatrix Arena::matrix(const Region& region, std::int64_t position) {
  return {reinterpret_cast<float*>(memory_.data() + offset_bytes(region, position)), tensor(region.tensor).cols};
}

HostMatrix Arena::from_first_row(const Region& region) {
  const Tensor& t = tensor(region.tensor);
  const std::uint64_t offset = t.offset_bytes + static_cast<std::uint64_t>(region.col0) * sizeof(float);
  return {reinterpret_cast<float*>(memory_.data() + offset), t.cols};
}

}  // namespace hetero
