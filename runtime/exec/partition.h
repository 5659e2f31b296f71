// How a strategy divides a block: the list of parts, each a rectangle of rows x features for one device.
// Pure: plans, sizes and facts in, parts out. The executor and the solver use the same function.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiles/plan.h"
#include "runtime/device/device.h"

namespace hetero {

// One device's part of a block. Features are given as a fraction range of the block's divided dimension; concrete
// columns follow per tensor by split_columns().
struct Part {
  int device = 0;  // index into the facts given
  std::int64_t row0 = 0;
  std::int64_t rows = 0;         // rows that count
  std::int64_t padded_rows = 0;  // rows computed (>= rows): the static graph's size
  double f0 = 0, f1 = 1;         // features [f0, f1) as fractions
  bool partial = false;          // paired: the second matmul gives a partial sum over [f0, f1)

  bool whole_features() const { return f0 <= 0 && f1 >= 1; }
};

// The parts of a block for a step of `m` rows. Rows of all parts cover [0, m) x all features exactly once. Static
// devices get only standard sizes (a remainder is padded to the next one; above the largest, several are used). Throws
// input_error when a share names a device that is not among `facts`.
std::vector<Part> expand(const BlockPlan& plan, std::int64_t m, const std::vector<const DeviceFacts*>& facts);

// Rows [0, m) on one device as graphs of its standard sizes, the last padded; a dynamic device gives one part.
std::vector<Part> row_parts(int device, const DeviceFacts& facts, std::int64_t row0, std::int64_t rows);

struct ColumnRange {
  std::int64_t c0 = 0, c1 = 0;
};
// Columns of a tensor of `cols` columns for features [f0, f1): boundaries rounded to multiples of `align` (cols itself
// always ends the last range). Ranges of adjacent parts meet. May be empty.
ColumnRange split_columns(double f0, double f1, std::int64_t cols, std::int64_t align);

}  // namespace hetero
