// What a device does with the model file's memory while it makes a copy of its own.
#pragma once

#include <algorithm>

#include "base/mapped_file.h"
#include "kernels/host_op.h"

namespace hetero {

// The copy serves from now on: the file's pages need not stay in this process's memory beside it.
inline void forget_source(const WeightSlice& slice) {
  const std::int64_t row = row_bytes(slice.weight.type, slice.weight.k);
  MappedFile::forget(slice.weight.data + slice.n0 * row, static_cast<std::size_t>((slice.n1 - slice.n0) * row));
}

// Calls pack(part) for parts of the slice in order and gives the pages of each back before the next, so that few rows
// are in memory twice; the largest weight, an output matrix, may be a third of a model.
template <typename Pack>
void pack_and_forget(const WeightSlice& slice, Pack pack) {
  constexpr std::int64_t kRows = 4096;  // whole panels of every packing
  for (WeightSlice part = slice; part.n0 < slice.n1; part.n0 = part.n1) {
    part.n1 = std::min(slice.n1, part.n0 + kRows);
    pack(part);
    forget_source(part);
  }
}

}  // namespace hetero
