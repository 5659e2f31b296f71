// The one comparator of the project's numeric tests, the tolerances that it is given, and guarded buffers.
// A tolerance follows from the op's arithmetic, its reduction length and the norms of its operands; it is never chosen
// to fit a result.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/host_op.h"
#include "kernels/variant.h"

namespace hetero::test {

// What may differ, element by element: row[i] * column[j] + relative * |expected| + absolute.
// Empty `row` or `column` stands for zeros.
struct Tolerance {
  std::vector<double> row{};
  std::vector<double> column{};
  double relative = 0;
  double absolute = 0;
};

struct Comparison {
  bool ok = true;
  std::string message;  // the first reason and the worst element; empty when ok
  double worst = 0;     // greatest |actual - expected| / allowed
};

// Fails on a NaN or infinity on either side, on a difference beyond the tolerance, on an actual that is all zero where
// the expected is not, and on an actual that points away from the expected (their dot product is negative), even where
// every element is within the tolerance.
Comparison compare(ConstHostMatrix expected, ConstHostMatrix actual, std::int64_t m, std::int64_t n,
                   const Tolerance& tolerance);

// Unit roundoff of the worst format that values of this class pass through: 2^-24 (f32, q8 but for its activations) or
// 2^-11 (f16).
double unit_roundoff(ToleranceClass tolerance);

// in[m, k] . weights[n, k]^T, weights dequantised. With u the unit roundoff and norms of rows:
//   f32  4 u sqrt(k) |x| |w|: rounding errors of a sum walk at random (Higham and Mary 2019)
//   f16  k independent errors of up to u max|x| each, times w, at 6 sigma: 6 u / sqrt(3) max|x| |w|
//   q8   k independent errors, uniform in +- max|x| / 127 / 2, at 6 sigma: 6 / (127 sqrt(12)) max|x| |w|
// f16 and q8 sum in float32 too and are allowed its term, with |x| <= sqrt(k) max|x|. All: 2 u |expected| for the
// result.
Tolerance matmul_tolerance(ToleranceClass tolerance, ConstHostMatrix in, std::int64_t m, const float* weights,
                           std::int64_t n, std::int64_t k);

// The other ops, u as above (q8 counts as f32: these ops quantise nothing):
//   rms_norm   (8 + sqrt(n)) u |expected|
//   add        2 u |expected|
//   swiglu     16 u |expected|, and 1e-30 where the exponential may flush to zero
//   rope       (8 + last position) u max|x| of the row: a float32 angle is wrong by position * u
//   attention  max|v| (8 u sqrt(dim) scale max|q| max|k| + (8 + sqrt(context)) u), |q| and |k| norms of a head's row:
//              an error of a score is a relative error of its weight
Tolerance op_tolerance(ToleranceClass tolerance, const HostOp& op);

// A float matrix [rows, cols] with rows `stride` apart, between guard regions. Everything that is not an element holds
// a NaN of a fixed pattern: a kernel that reads it shows NaN, one that writes it is found by damage().
class GuardedMatrix {
 public:
  // `gap`: floats between rows. `lead`: floats before row 0 beyond the guard, which shifts the alignment.
  GuardedMatrix(std::int64_t rows, std::int64_t cols, std::int64_t gap = 0, std::int64_t lead = 0);

  float* data() { return store_.data() + begin_; }
  const float* data() const { return store_.data() + begin_; }
  float& at(std::int64_t row, std::int64_t col) { return data()[row * stride_ + col]; }
  float at(std::int64_t row, std::int64_t col) const { return data()[row * stride_ + col]; }
  std::int64_t rows() const { return rows_; }
  std::int64_t cols() const { return cols_; }
  HostMatrix matrix() { return {data(), stride_}; }
  ConstHostMatrix matrix() const { return {data(), stride_}; }

  // What was written outside of the elements; empty when nothing was.
  std::string damage() const;

 private:
  bool is_element(std::int64_t index) const;
  std::int64_t rows_, cols_, stride_, begin_;
  std::vector<float> store_;
};

}  // namespace hetero::test
