// Reference of all ops but matmul. Workers divide rows, or pairs of row and head for attention.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/reference/reference_kernels.h"
#include "kernels/work_split.h"

namespace hetero {
namespace {

double dot(const float* a, const float* b, std::int64_t count) {
  double lanes[4] = {};
  std::int64_t c = 0;
  for (; c + 4 <= count; c += 4) {
    for (std::int64_t l = 0; l < 4; ++l) lanes[l] += static_cast<double>(a[c + l]) * static_cast<double>(b[c + l]);
  }
  double sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
  for (; c < count; ++c) sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
  return sum;
}

void run_rms_norm(const HostOp& op, int /*phase*/, int worker, int workers) {
  const std::int64_t n = op.desc.n;
  const WorkRange rows = work_share(op.desc.m, worker, workers);
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    const float* in = op.in0.data + r * op.in0.stride;
    float* out = op.out.data + r * op.out.stride;
    const double mean_square = dot(in, in, n) / static_cast<double>(n);
    const double scale = 1 / std::sqrt(mean_square + static_cast<double>(op.constants.eps));
    for (std::int64_t c = 0; c < n; ++c) {
      out[c] = static_cast<float>(static_cast<double>(in[c]) * scale * static_cast<double>(op.vector[c]));
    }
  }
}

// Column c of the part is column (column_offset + c) % head_dim of its head. Each pair is rotated when its first
// column is met, so that in place works.
void run_rope(const HostOp& op, int /*phase*/, int worker, int workers) {
  const OpConstants& model = op.constants;
  const std::int64_t dims = model.rope_dims;
  const bool halves = model.rope_style == RopeStyle::kHalves;
  const WorkRange rows = work_share(op.desc.m, worker, workers);
  std::vector<double> frequency(static_cast<std::size_t>(dims / 2));
  for (std::int64_t i = 0; i < dims / 2; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(dims);
    const double factor = op.vector == nullptr ? 1 : static_cast<double>(op.vector[i]);
    frequency[static_cast<std::size_t>(i)] = std::pow(static_cast<double>(model.rope_base), exponent) / factor;
  }
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    const auto position = static_cast<double>(op.position + model.row_offset + r);
    const float* in = op.in0.data + r * op.in0.stride;
    float* out = op.out.data + r * op.out.stride;
    for (std::int64_t c = 0; c < op.desc.n; ++c) {
      const std::int64_t in_head = (model.column_offset + c) % op.desc.head_dim;
      if (in_head >= dims) {
        out[c] = in[c];
        continue;
      }
      const bool first_of_pair = halves ? in_head < dims / 2 : in_head % 2 == 0;
      if (!first_of_pair) continue;
      const std::int64_t pair = halves ? in_head : in_head / 2;
      const std::int64_t other = c + (halves ? dims / 2 : 1);
      const double angle = position * frequency[static_cast<std::size_t>(pair)];
      const double a = static_cast<double>(in[c]);
      const double b = static_cast<double>(in[other]);
      out[c] = static_cast<float>(a * std::cos(angle) - b * std::sin(angle));
      out[other] = static_cast<float>(a * std::sin(angle) + b * std::cos(angle));
    }
  }
}

// One query against all cache rows that it sees.
void attend(const HostOp& op, std::int64_t row, std::int64_t head, std::vector<double>& scores,
            std::vector<double>& sums) {
  const std::int64_t dim = op.desc.head_dim;
  const std::int64_t kv_column = head / (op.desc.heads / op.desc.kv_heads) * dim;
  const std::int64_t seen = op.position + op.constants.row_offset + row + 1;
  const float* query = op.in0.data + row * op.in0.stride + head * dim;

  scores.resize(static_cast<std::size_t>(seen));
  for (std::int64_t j = 0; j < seen; ++j) {
    scores[static_cast<std::size_t>(j)] = static_cast<double>(op.constants.attention_scale) *
                                          dot(query, op.in1.data + j * op.in1.stride + kv_column, dim);
  }
  const double largest = *std::max_element(scores.begin(), scores.end());
  double total = 0;
  for (double& score : scores) total += score = std::exp(score - largest);

  sums.assign(static_cast<std::size_t>(dim), 0);
  for (std::int64_t j = 0; j < seen; ++j) {
    const float* value = op.in2.data + j * op.in2.stride + kv_column;
    const double weight = scores[static_cast<std::size_t>(j)];
    for (std::int64_t d = 0; d < dim; ++d) sums[static_cast<std::size_t>(d)] += weight * static_cast<double>(value[d]);
  }
  float* out = op.out.data + row * op.out.stride + head * dim;
  for (std::int64_t d = 0; d < dim; ++d) out[d] = static_cast<float>(sums[static_cast<std::size_t>(d)] / total);
}

void run_attention(const HostOp& op, int /*phase*/, int worker, int workers) {
  std::vector<double> scores;
  std::vector<double> sums;
  // Later rows see more: dealing them out one by one keeps the workers equal.
  for (std::int64_t at = worker; at < op.desc.m * op.desc.heads; at += workers) {
    attend(op, at / op.desc.heads, at % op.desc.heads, scores, sums);
  }
}

void run_swiglu(const HostOp& op, int /*phase*/, int worker, int workers) {
  for_each_row(piece_of(op.desc.m, op.desc.n, worker, workers, 16),
               [&](std::int64_t row, std::int64_t c0, std::int64_t c1) {
                 for (std::int64_t c = c0; c < c1; ++c) {
                   const auto gate = static_cast<double>(op.in0.data[row * op.in0.stride + c]);
                   const auto up = static_cast<double>(op.in1.data[row * op.in1.stride + c]);
                   op.out.data[row * op.out.stride + c] = static_cast<float>(gate / (1 + std::exp(-gate)) * up);
                 }
               });
}

void run_add(const HostOp& op, int /*phase*/, int worker, int workers) {
  for_each_row(piece_of(op.desc.m, op.desc.n, worker, workers, 16),
               [&](std::int64_t row, std::int64_t c0, std::int64_t c1) {
                 for (std::int64_t c = c0; c < c1; ++c) {
                   op.out.data[row * op.out.stride + c] =
                       op.in0.data[row * op.in0.stride + c] + op.in1.data[row * op.in1.stride + c];
                 }
               });
}

constexpr HostKernel kernel(void (*run)(const HostOp&, int, int, int)) {
  return {.phases = 1, .run = run, .workspace_bytes = nullptr, .packed_bytes = nullptr, .pack = nullptr};
}

}  // namespace

const HostKernel kReferenceRmsNorm = kernel(run_rms_norm);
const HostKernel kReferenceRope = kernel(run_rope);
const HostKernel kReferenceAttention = kernel(run_attention);
const HostKernel kReferenceSwiGlu = kernel(run_swiglu);
const HostKernel kReferenceAdd = kernel(run_add);

}  // namespace hetero
