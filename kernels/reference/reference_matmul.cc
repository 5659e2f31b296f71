// Reference matmul: dequantise a few weight rows, then one dot product in double for each row of activations.
// Workers divide the output features.
#include <algorithm>
#include <array>
#include <new>
#include <vector>

#include "kernels/reference/reference_kernels.h"
#include "kernels/work_split.h"

namespace hetero {
namespace {

// Weight rows that share one pass over the activations, and independent partial sums of each. The reference sums in
// another order than a plain loop would, which double precision makes irrelevant; it is several times faster.
constexpr std::int64_t kRows = 4;
constexpr std::int64_t kLanes = 4;
using Sums = std::array<double, kRows>;

// sums[r] = activations . weights[r], weights as [kRows, k] doubles.
Sums dot_rows(const float* activations, const double* weights, std::int64_t k) {
  double lanes[kRows][kLanes] = {};
  std::int64_t c = 0;
  for (; c + kLanes <= k; c += kLanes) {
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t l = 0; l < kLanes; ++l) {
        lanes[r][l] += static_cast<double>(activations[c + l]) * weights[r * k + c + l];
      }
    }
  }
  Sums sums{};
  for (std::int64_t r = 0; r < kRows; ++r) {
    double sum = (lanes[r][0] + lanes[r][1]) + (lanes[r][2] + lanes[r][3]);
    for (std::int64_t tail = c; tail < k; ++tail) sum += static_cast<double>(activations[tail]) * weights[r * k + tail];
    sums[static_cast<std::size_t>(r)] = sum;
  }
  return sums;
}

void run_matmul(const HostOp& op, int /*phase*/, int worker, int workers) {
  const WeightSlice& slice = *reinterpret_cast<const WeightSlice*>(op.weights);
  const WeightView& weight = slice.weight;
  const std::int64_t k = slice.k1 - slice.k0;
  const std::int64_t stored_row = row_bytes(weight.type, weight.k);
  const std::byte* first = weight.data + slice.n0 * stored_row + row_bytes(weight.type, slice.k0);
  std::vector<float> row(static_cast<std::size_t>(k));
  std::vector<double> rows(static_cast<std::size_t>(kRows * k));

  const WorkRange share = work_share(op.desc.n, worker, workers, kRows);
  for (std::int64_t n = share.begin; n < share.end; n += kRows) {
    const std::int64_t count = std::min(kRows, share.end - n);  // the rows beyond it hold older ones; nobody reads them
    for (std::int64_t r = 0; r < count; ++r) {
      dequantise_row(weight.type, first + (n + r) * stored_row, row.data(), k);
      std::copy(row.begin(), row.end(), rows.begin() + r * k);
    }
    for (std::int64_t m = 0; m < op.desc.m; ++m) {
      const Sums sums = dot_rows(op.in0.data + m * op.in0.stride, rows.data(), k);
      for (std::int64_t r = 0; r < count; ++r) {
        const double residual =
            op.in1.data == nullptr ? 0 : static_cast<double>(op.in1.data[m * op.in1.stride + n + r]);
        op.out.data[m * op.out.stride + n + r] = static_cast<float>(sums[static_cast<std::size_t>(r)] + residual);
      }
    }
  }
}

std::size_t slice_bytes(const WeightSlice& /*slice*/) { return sizeof(WeightSlice); }
void keep_slice(const WeightSlice& slice, std::byte* dst) { new (dst) WeightSlice(slice); }

}  // namespace

const HostKernel kReferenceMatmul = {
    .phases = 1, .run = run_matmul, .workspace_bytes = nullptr, .packed_bytes = slice_bytes, .pack = keep_slice};

}  // namespace hetero
