// Runs one op of the catalogue on made-up operands in guarded buffers, and judges it against the reference.
#pragma once

#include <string>

#include "kernels/catalogue.h"

namespace hetero::test {

// The ways in which the same op may lie in memory and be divided.
struct Layout {
  int workers = 1;
  std::int64_t gap = 0;         // floats between the rows of every matrix
  std::int64_t lead = 0;        // floats by which every matrix is off alignment
  bool slice = false;           // matmul: the op is an inner rectangle of a larger weight
  bool residual = false;        // matmul
  bool in_place = false;        // out is in0 (swiglu, rope, add) or the residual (matmul)
  bool halves = false;          // rope style
  std::int64_t position = 0;    // rope; attention derives it from its context
  std::int64_t row_offset = 0;  // rope, attention: of the position, this much is passed as row_offset
  bool last_worker_first = false;
};
std::string describe(const Layout& layout);

// The layouts that make sense for this kind of op.
std::vector<Layout> layouts_for(OpKind kind);

// Empty when the row computes what the reference computes and touches nothing else; otherwise what is wrong.
std::string judge(const KernelVariant& row, const OpDesc& op, const Layout& layout, std::uint64_t seed);

// Matmuls of host kernels with parameters: empty when every value of each parameter, and some combinations of them,
// give the bits that the defaults give and touch nothing else; otherwise which do not.
std::string judge_params(const KernelVariant& row, const OpDesc& op, const Layout& layout, std::uint64_t seed);

}  // namespace hetero::test
