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

// Columns of one row that ops divide alike: as many as share an activation scale (kernels/cpu/activations.h), and a
// multiple of any cache line, so that no two workers write one line of an aligned row.
inline constexpr std::int64_t kPieceColumns = 128;

// A worker's part of a matrix of m rows of n columns: of one row (decode) columns, `grain` at a time, of several whole
// rows. Two ops on the same matrix that both divide it so, with the same workers and kPieceColumns, give each worker
// the same part, and need no meeting in between (HostKernel::writes_pieces).
struct Piece {
  WorkRange rows, columns;
};
inline Piece piece_of(std::int64_t m, std::int64_t n, int worker, int workers, std::int64_t grain = kPieceColumns) {
  if (m == 1) return {{0, 1}, work_share(n, worker, workers, grain)};
  return {work_share(m, worker, workers), {0, n}};
}

// Calls body(row, first_column, end_column) for each row of this worker's part.
template <typename Body>
void for_each_row(const Piece& piece, Body body) {
  if (piece.columns.begin >= piece.columns.end) return;
  for (std::int64_t row = piece.rows.begin; row < piece.rows.end; ++row) {
    body(row, piece.columns.begin, piece.columns.end);
  }
}

}  // namespace hetero
