// What a device does with the model file's memory once it has a copy of its own.
#pragma once

#include "base/mapped_file.h"
#include "kernels/host_op.h"

namespace hetero {

// The copy serves from now on: the file's pages need not stay in this process's memory beside it.
inline void forget_source(const WeightSlice& slice) {
  const std::int64_t row = row_bytes(slice.weight.type, slice.weight.k);
  MappedFile::forget(slice.weight.data + slice.n0 * row, static_cast<std::size_t>((slice.n1 - slice.n0) * row));
}

}  // namespace hetero
