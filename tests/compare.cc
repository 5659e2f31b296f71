// See compare.h.
#include "tests/compare.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>

namespace hetero::test {
namespace {

constexpr std::int64_t kGuard = 64;               // floats
constexpr std::uint32_t kGuardBits = 0x7fc0dead;  // a quiet NaN that no arithmetic produces

double norm(const float* x, std::int64_t count) {
  double sum = 0;
  for (std::int64_t i = 0; i < count; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return std::sqrt(sum);
}

double largest(const float* x, std::int64_t count) {
  double most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::abs(static_cast<double>(x[i])));
  return most;
}

// Greatest norm of a head's row among all rows and heads.
double largest_head_norm(ConstHostMatrix x, std::int64_t rows, std::int64_t heads, std::int64_t dim) {
  double most = 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t h = 0; h < heads; ++h) most = std::max(most, norm(x.data + r * x.stride + h * dim, dim));
  }
  return most;
}

std::string describe(std::int64_t row, std::int64_t col, double expected, double actual, double allowed) {
  std::ostringstream text;
  text.precision(9);
  text << "at [" << row << ", " << col << "]: expected " << expected << ", got " << actual << ", difference "
       << std::abs(actual - expected) << ", allowed " << allowed;
  return text.str();
}

}  // namespace

Comparison compare(ConstHostMatrix expected, ConstHostMatrix actual, std::int64_t m, std::int64_t n,
                   const Tolerance& tolerance) {
  Comparison result;
  double dot = 0;
  bool expected_is_zero = true;
  bool actual_is_zero = true;
  for (std::int64_t i = 0; i < m; ++i) {
    const double row = tolerance.row.empty() ? 0 : tolerance.row[static_cast<std::size_t>(i)];
    for (std::int64_t j = 0; j < n; ++j) {
      const double column = tolerance.column.empty() ? 0 : tolerance.column[static_cast<std::size_t>(j)];
      const auto e = static_cast<double>(expected.data[i * expected.stride + j]);
      const auto a = static_cast<double>(actual.data[i * actual.stride + j]);
      const double allowed = row * column + tolerance.relative * std::abs(e) + tolerance.absolute;
      if (!std::isfinite(e) || !std::isfinite(a)) {
        return {false, "not finite " + describe(i, j, e, a, allowed), INFINITY};
      }
      const double difference = std::abs(a - e);
      const double ratio = difference == 0 ? 0 : difference / allowed;  // infinite where nothing is allowed
      if (!(ratio <= 1)) result.ok = false;                             // a tolerance that is no number allows nothing
      if (ratio > result.worst || std::isnan(ratio)) {
        result.worst = ratio;
        result.message = describe(i, j, e, a, allowed);
      }
      dot += e * a;
      expected_is_zero = expected_is_zero && e == 0;
      actual_is_zero = actual_is_zero && a == 0;
    }
  }
  if (actual_is_zero && !expected_is_zero) return {false, "the result is all zero, the expected is not", result.worst};
  if (dot < 0) return {false, "the result points away from the expected: a sign is wrong", result.worst};
  result.message = result.ok ? "" : "beyond the tolerance " + result.message;
  return result;
}

double unit_roundoff(ToleranceClass tolerance) { return tolerance == ToleranceClass::kF16 ? 0x1p-11 : 0x1p-24; }

Tolerance matmul_tolerance(ToleranceClass tolerance, ConstHostMatrix in, std::int64_t m, const float* weights,
                           std::int64_t n, std::int64_t k) {
  // The sums are float32 in every class. |x| <= sqrt(k) max|x| lets one row factor serve both terms.
  const double sums = 4 * 0x1p-24 * std::sqrt(static_cast<double>(k));
  const double to_norm = std::sqrt(static_cast<double>(k));
  Tolerance result;
  result.relative = 2 * unit_roundoff(tolerance);
  for (std::int64_t i = 0; i < m; ++i) {
    const float* x = in.data + i * in.stride;
    switch (tolerance) {
      case ToleranceClass::kF32:
        result.row.push_back(sums * norm(x, k));
        break;
      case ToleranceClass::kF16:
        result.row.push_back((sums * to_norm + 6 * 0x1p-11 / std::sqrt(3.0)) * largest(x, k));
        break;
      case ToleranceClass::kQ8:
        result.row.push_back((sums * to_norm + 6 / (127 * std::sqrt(12.0))) * largest(x, k));
        break;
    }
  }
  for (std::int64_t j = 0; j < n; ++j) result.column.push_back(norm(weights + j * k, k));
  return result;
}

Tolerance op_tolerance(ToleranceClass tolerance, const HostOp& op) {
  const OpDesc& desc = op.desc;
  const double u = unit_roundoff(tolerance);
  const std::int64_t last = op.position + op.constants.row_offset + desc.m - 1;
  Tolerance result;
  switch (desc.kind) {
    case OpKind::kMatmul:
      break;  // matmul_tolerance
    case OpKind::kRmsNorm:
      result.relative = (8 + std::sqrt(static_cast<double>(desc.n))) * u;
      break;
    case OpKind::kAdd:
      result.relative = 2 * u;
      break;
    case OpKind::kSwiGlu:
      result.relative = 16 * u;
      result.absolute = 1e-30;
      break;
    case OpKind::kRope:
      for (std::int64_t i = 0; i < desc.m; ++i) {
        result.row.push_back((8 * u + static_cast<double>(last) * 0x1p-24) *
                             largest(op.in0.data + i * op.in0.stride, desc.n));
      }
      result.column.assign(static_cast<std::size_t>(desc.n), 1);
      break;
    case OpKind::kAttention: {
      const double q = largest_head_norm(op.in0, desc.m, desc.heads, desc.head_dim);
      const double k = largest_head_norm(op.in1, last + 1, desc.kv_heads, desc.head_dim);
      double v = 0;
      for (std::int64_t j = 0; j <= last; ++j) {
        v = std::max(v, largest(op.in2.data + j * op.in2.stride, desc.kv_heads * desc.head_dim));
      }
      const double score =
          8 * std::sqrt(static_cast<double>(desc.head_dim)) * static_cast<double>(op.constants.attention_scale) * q * k;
      result.absolute = v * u * (score + 8 + std::sqrt(static_cast<double>(last + 1)));
      break;
    }
  }
  return result;
}

GuardedMatrix::GuardedMatrix(std::int64_t rows, std::int64_t cols, std::int64_t gap, std::int64_t lead)
    : rows_(rows), cols_(cols), stride_(cols + gap), begin_(kGuard + lead) {
  store_.assign(static_cast<std::size_t>(begin_ + rows * stride_ + kGuard), std::bit_cast<float>(kGuardBits));
  for (std::int64_t r = 0; r < rows; ++r) std::fill_n(data() + r * stride_, cols, 0.0F);
}

bool GuardedMatrix::is_element(std::int64_t index) const {
  const std::int64_t from_begin = index - begin_;
  return from_begin >= 0 && from_begin < rows_ * stride_ && from_begin % stride_ < cols_;
}

std::string GuardedMatrix::damage() const {
  for (std::size_t i = 0; i < store_.size(); ++i) {
    const auto index = static_cast<std::int64_t>(i);
    if (is_element(index) || std::bit_cast<std::uint32_t>(store_[i]) == kGuardBits) continue;
    std::ostringstream text;
    text << "written outside of the matrix [" << rows_ << ", " << cols_ << "], stride " << stride_ << ": float "
         << index - begin_ << " from its first element";
    return text.str();
  }
  return "";
}

}  // namespace hetero::test
