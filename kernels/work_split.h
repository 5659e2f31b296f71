// How the workers of a HostKernel divide its work: contiguous ranges, as equal as the grain allows. Pure functions.
#pragma once

#include <algorithm>
#include <cstdint>

namespace hetero {

struct WorkRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

// The part of [0, total) that belongs to `worker`; boundaries are multiples of `grain`. Workers beyond the work get an
// empty range.
inline WorkRange work_share(std::int64_t total, int worker, int workers, std::int64_t grain = 1) {
  const std::int64_t grains = (total + grain - 1) / grain;
  return {std::min(total, grains * worker / workers * grain), std::min(total, grains * (worker + 1) / workers * grain)};
}

// Calls body(row, first_column, end_column) for this worker's part of a matrix of m rows of n columns, in row-major
// order: decode (one row) is divided by columns, prefill mostly by rows.
template <typename Body>
void for_each_piece(std::int64_t m, std::int64_t n, int worker, int workers, std::int64_t grain, Body body) {
  const std::int64_t grains_a_row = (n + grain - 1) / grain;
  const WorkRange share = work_share(m * grains_a_row, worker, workers);
  for (std::int64_t at = share.begin; at < share.end;) {
    const std::int64_t row = at / grains_a_row;
    const std::int64_t end = std::min(share.end, (row + 1) * grains_a_row);
    body(row, at % grains_a_row * grain, std::min(n, (end - row * grains_a_row) * grain));
    at = end;
  }
}

}  // namespace hetero
