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

inline constexpr std::int64_t kPieceColumns = 128;

// Calls body(row, first_column, end_column) for this worker's part of a matrix of m rows of n columns. One row (decode)
// is divided by columns, `grain` at a time, several are divided by rows. Ops that divide alike, with pieces of
// kPieceColumns, follow one another on what each worker has itself (HostKernel::writes_pieces).
template <typename Body>
void for_each_piece(std::int64_t m, std::int64_t n, int worker, int workers, std::int64_t grain, Body body) {
  if (m == 1) {
    const WorkRange columns = work_share(n, worker, workers, grain);
    if (columns.begin < columns.end) body(0, columns.begin, columns.end);
    return;
  }
  const WorkRange rows = work_share(m, worker, workers);
  for (std::int64_t row = rows.begin; row < rows.end; ++row) body(row, 0, n);
}

}  // namespace hetero
