// What is particular to the CPU matmul kernels: the packed layout, the exact algebra of zero points, the division over
// workers and tiles, aliasing and strides. That each row computes a matmul is the catalogue's test.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/rng.h"
#include "kernels/cpu/cpu_facts.h"
#include "kernels/cpu/matmul_rows.h"
#include "kernels/cpu/matmul_tiles.h"
#include "kernels/cpu/pack.h"
#include "tests/compare.h"

namespace hetero {
namespace {

constexpr DType kAllTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                               DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

std::string text_of(DType type) { return std::string(info(type).name); }

struct Weights {
  std::vector<std::byte> bytes;
  WeightView view;
};

Weights random_weights(DType type, std::int64_t n, std::int64_t k, std::uint64_t seed) {
  Rng rng(seed);
  Weights weights;
  weights.bytes.resize(static_cast<std::size_t>(n * row_bytes(type, k)));
  std::vector<float> row(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < n; ++i) {
    for (float& v : row) v = static_cast<float>(rng.normal());
    quantise_row(type, row.data(), weights.bytes.data() + i * row_bytes(type, k), k);
  }
  weights.view = {weights.bytes.data(), type, n, k};
  return weights;
}

void fill_random(test::GuardedMatrix& matrix, std::uint64_t seed) {
  Rng rng(seed);
  for (std::int64_t i = 0; i < matrix.rows(); ++i) {
    for (std::int64_t j = 0; j < matrix.cols(); ++j) matrix.at(i, j) = static_cast<float>(rng.normal());
  }
}

// Runs one row of the catalogue: out = in . slice^T (+ residual).
void run(const HostKernel& kernel, const WeightSlice& slice, const test::GuardedMatrix& in,
         const test::GuardedMatrix* residual, test::GuardedMatrix& out, int workers = 1) {
  AlignedBuffer packed(kernel.packed_bytes(slice));
  kernel.pack(slice, packed.data());
  HostOp op;
  op.desc.m = in.rows();
  op.desc.n = slice.n1 - slice.n0;
  op.desc.k = slice.k1 - slice.k0;
  op.desc.w = slice.weight.type;
  ASSERT_EQ(in.cols(), op.desc.k);
  ASSERT_EQ(out.cols(), op.desc.n);
  AlignedBuffer workspace(kernel.workspace_bytes(op.desc));
  op.in0 = in.matrix();
  if (residual != nullptr) op.in1 = residual->matrix();
  op.out = out.matrix();
  op.weights = packed.data();
  op.workspace = workspace.data();
  for (int phase = 0; phase < kernel.phases; ++phase) {
    for (int worker = workers - 1; worker >= 0; --worker) kernel.run(op, phase, worker, workers);
  }
}

WeightSlice whole(const Weights& weights) { return {weights.view, 0, weights.view.n, 0, weights.view.k}; }

void expect_identical(const test::GuardedMatrix& expected, const test::GuardedMatrix& actual, std::int64_t columns,
                      std::int64_t first_column = 0) {
  for (std::int64_t i = 0; i < actual.rows(); ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      ASSERT_EQ(expected.at(i, first_column + j), actual.at(i, j)) << "row " << i << " column " << j;
    }
  }
}

bool computes_exactly_per_row(const KernelVariant& row) { return row.tolerance == ToleranceClass::kQ8; }

// One row of the catalogue, on this processor.
class CpuMatmul : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const HardwareFacts facts = detect_cpu_facts();
    OpDesc op;
    op.n = op.k = 32;
    op.w = DType::kQ4_0;
    for (const KernelVariant& candidate : cpu_matmul_rows()) {
      if (candidate.id != GetParam()) continue;
      row_ = candidate;
      const Applicability applicability = candidate.applicable(op, facts);
      if (!applicability.yes) GTEST_SKIP() << GetParam() << ": " << applicability.why_not;
    }
    ASSERT_NE(row_.host, nullptr);
  }

  bool applies_to(DType type) const {
    OpDesc op;
    op.n = op.k = 256;
    op.w = type;
    return row_.applicable(op, detect_cpu_facts()).yes;
  }

  KernelVariant row_;
};

std::vector<std::string> row_ids() {
  std::vector<std::string> ids;
  for (const KernelVariant& row : cpu_matmul_rows()) ids.push_back(row.id);
  return ids;
}
INSTANTIATE_TEST_SUITE_P(Rows, CpuMatmul, testing::ValuesIn(row_ids()), [](const auto& test) {
  std::string name = test.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

TEST(PackTest, KeepsEveryValueOfEverySlice) {
  for (const DType type : kAllTypes) {
    SCOPED_TRACE(text_of(type));
    const std::int64_t k = 1024, block = std::max<std::int64_t>(1, info(type).block_elements);
    const Weights weights = random_weights(type, 40, k, 1);
    const std::int64_t k0 = block == 1 ? 7 : block, k1 = block == 1 ? 100 : k - block;
    for (const WeightSlice& slice :
         {whole(weights), WeightSlice{weights.view, 3, 38, k0, k1}, WeightSlice{weights.view, 39, 40, 0, k1}}) {
      const PackedKind kind = packed_kind(type);
      AlignedBuffer packed(packed_weight_bytes(slice) + 64);
      std::memset(packed.data(), 0x5a, packed.size());
      pack_weight(slice, packed.data());
      const std::int64_t blocks = packed_blocks(slice.k1 - slice.k0), rows = slice.n1 - slice.n0;
      std::vector<float> expected(static_cast<std::size_t>(k));
      for (std::int64_t n = 0; n < packed_panels(rows) * kPanelRows; ++n) {
        if (n < rows) {
          dequantise_row(type, weights.bytes.data() + (slice.n0 + n) * row_bytes(type, k), expected.data(), k);
        }
        for (std::int64_t b = 0; b < blocks; ++b) {
          float values[kBlockColumns][kPanelRows];
          const std::int64_t index = n / kPanelRows * blocks + b;
          unpack_block(kind, packed.data() + static_cast<std::size_t>(index) * packed_traits(kind).block_bytes(),
                       values);
          for (std::int64_t c = 0; c < kBlockColumns; ++c) {
            const std::int64_t column = slice.k0 + b * kBlockColumns + c;
            const float want = n < rows && column < slice.k1 ? expected[static_cast<std::size_t>(column)] : 0.0f;
            ASSERT_EQ(want, values[c][n % kPanelRows]) << "row " << n << " column " << column;
          }
        }
      }
      for (std::size_t i = packed_weight_bytes(slice); i < packed.size(); ++i) {
        ASSERT_EQ(packed.data()[i], std::byte{0x5a}) << "written behind the end";
      }
    }
  }
}

TEST(PackTest, CommonFormatsDoNotGrow) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ8_0}) {
    const WeightSlice slice = {{nullptr, type, 64, 256}, 0, 64, 0, 256};
    EXPECT_EQ(packed_weight_bytes(slice), static_cast<std::size_t>(64 * row_bytes(type, 256))) << text_of(type);
  }
}

// Activations that are whole numbers with 127 in every block quantise without error, and a scale of 1 leaves integers:
// the result is exact, or the zero point, the saturation of 16-bit sums or the order of elements is wrong.
TEST_P(CpuMatmul, IntegersAreExact) {
  constexpr std::int64_t kM = 5, kN = 37, kK = 160;
  const auto one = f32_to_f16(1.0f);
  for (const DType type : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0}) {
    for (const bool extreme : {false, true}) {
      SCOPED_TRACE(text_of(type) + (extreme ? " extreme" : " random"));
      Rng rng(3);
      Weights weights = random_weights(type, kN, kK, 3);
      const std::size_t header = type == DType::kQ4_1 || type == DType::kQ5_1 ? 4 : 2;  // scale, and a min of 0
      const auto block_bytes = static_cast<std::size_t>(info(type).block_bytes);
      for (std::size_t at = 0; at < weights.bytes.size(); at += block_bytes) {
        std::fill_n(&weights.bytes[at], header, std::byte{0});
        std::memcpy(&weights.bytes[at], &one, 2);
        for (std::size_t i = header; i < block_bytes; ++i) {
          const std::uint64_t largest = type == DType::kQ8_0 ? 0x80 : 0xff;
          weights.bytes[at + i] = static_cast<std::byte>(extreme ? largest : rng.below(256));
        }
      }
      test::GuardedMatrix in(kM, kK), out(kM, kN);
      for (std::int64_t i = 0; i < kM; ++i) {
        for (std::int64_t c = 0; c < kK; ++c) {
          const bool largest = extreme || c % kBlockColumns == 5;
          const float sign = extreme ? (i % 2 == 0 ? 1.0f : -1.0f) : 1.0f;
          in.at(i, c) = largest ? sign * 127 : static_cast<float>(rng.below(255)) - 127;
        }
      }
      run(*row_.host, whole(weights), in, nullptr, out);
      std::vector<float> row(kK);
      for (std::int64_t n = 0; n < kN; ++n) {
        dequantise_row(type, weights.bytes.data() + n * row_bytes(type, kK), row.data(), kK);
        for (std::int64_t i = 0; i < kM; ++i) {
          double sum = 0;
          for (std::int64_t c = 0; c < kK; ++c)
            sum += static_cast<double>(row[static_cast<std::size_t>(c)]) * in.at(i, c);
          ASSERT_EQ(static_cast<double>(out.at(i, n)), sum) << "row " << i << " feature " << n;
        }
      }
    }
  }
}

TEST_P(CpuMatmul, AnyNumberOfWorkersGivesTheSame) {
  for (const DType type : {DType::kQ4_0, DType::kQ6_K, DType::kF16}) {
    if (!applies_to(type)) continue;
    SCOPED_TRACE(text_of(type));
    const Weights weights = random_weights(type, 83, 256, 5);
    for (const std::int64_t m : {1, 26}) {
      test::GuardedMatrix in(m, 256), alone(m, 83);
      fill_random(in, 6);
      run(*row_.host, whole(weights), in, nullptr, alone);
      for (const int workers : {2, 3, 7, 64}) {
        test::GuardedMatrix out(m, 83);
        run(*row_.host, whole(weights), in, nullptr, out, workers);
        expect_identical(alone, out, 83);
      }
    }
  }
}

TEST_P(CpuMatmul, ResidualMayBeTheOutput) {
  const Weights weights = random_weights(DType::kQ4_1, 45, 96, 7);
  for (const std::int64_t m : {1, 4, 31}) {
    // Columns begin anywhere, rows are apart: nothing between them may be read or written.
    test::GuardedMatrix in(m, 96, 3, 1), residual(m, 45, 5, 3), apart(m, 45, 2, 1), same(m, 45, 7, 5);
    fill_random(in, 8);
    fill_random(residual, 9);
    fill_random(same, 9);
    run(*row_.host, whole(weights), in, &residual, apart, 2);
    run(*row_.host, whole(weights), in, &same, same, 2);
    expect_identical(apart, same, 45);
    EXPECT_EQ(apart.damage(), "");
    EXPECT_EQ(same.damage(), "");
    test::GuardedMatrix without(m, 45);
    run(*row_.host, whole(weights), in, nullptr, without);
    for (std::int64_t i = 0; i < m; ++i) {
      for (std::int64_t j = 0; j < 45; ++j) ASSERT_EQ(without.at(i, j) + residual.at(i, j), apart.at(i, j));
    }
  }
}

// A share of a split matmul computes the very numbers that the whole computes there.
TEST_P(CpuMatmul, RowSlicesAreTheWhole) {
  for (const DType type : kAllTypes) {
    if (!applies_to(type)) continue;
    SCOPED_TRACE(text_of(type));
    const Weights weights = random_weights(type, 70, 512, 11);
    test::GuardedMatrix in(3, 512), all(3, 70), part(3, 33);
    fill_random(in, 12);
    run(*row_.host, whole(weights), in, nullptr, all);
    run(*row_.host, {weights.view, 32, 65, 0, 512}, in, nullptr, part);
    expect_identical(all, part, 33, 32);
  }
}

// With 8-bit activations sums are integers within a block and blocks are added in order, so neither the tile that a row
// falls into nor the instruction set changes a bit. Some blocks have outliers, in rows that differ: they are wide, and
// other rows of their tiles must not notice. (A row alone is wide
// throughout, so it is compared with itself alone.)
TEST_P(CpuMatmul, EightBitPathsAgreeInEveryTileAndInstructionSet) {
  if (!computes_exactly_per_row(row_)) GTEST_SKIP() << "float32 sums depend on the tile";
  const KernelVariant first = cpu_matmul_rows().front();
  OpDesc op;
  op.n = op.k = 256;
  op.w = DType::kQ4_0;
  const bool compare_first = first.applicable(op, detect_cpu_facts()).yes && computes_exactly_per_row(first);
  for (const DType type : kAllTypes) {
    if (!applies_to(type)) continue;
    SCOPED_TRACE(text_of(type));
    const Weights weights = random_weights(type, 21, 512, 13);
    test::GuardedMatrix in(29, 512), all(29, 21);
    fill_random(in, 14);
    for (std::int64_t i = 0; i < 29; i += 3) in.at(i, 37 * i % 512) = i % 2 == 0 ? 90.0f : -90.0f;
    run(*row_.host, whole(weights), in, nullptr, all);
    if (compare_first) {
      test::GuardedMatrix other(29, 21);
      run(*first.host, whole(weights), in, nullptr, other);
      expect_identical(other, all, 21);
    }
    for (std::int64_t i = 0; i + 1 < 29; ++i) {
      test::GuardedMatrix two(2, 512), out(2, 21);
      std::copy(&in.at(i, 0), &in.at(i, 0) + 512, &two.at(0, 0));
      std::copy(&in.at(i + 1, 0), &in.at(i + 1, 0) + 512, &two.at(1, 0));
      run(*row_.host, whole(weights), two, nullptr, out);
      for (std::int64_t j = 0; j < 21; ++j) {
        ASSERT_EQ(all.at(i, j), out.at(0, j)) << "row " << i << " feature " << j;
        ASSERT_EQ(all.at(i + 1, j), out.at(1, j)) << "row " << i + 1 << " feature " << j;
      }
      if (!compare_first) continue;
      test::GuardedMatrix one(1, 512), alone(1, 21), other(1, 21);
      std::copy(&in.at(i, 0), &in.at(i, 0) + 512, &one.at(0, 0));
      run(*row_.host, whole(weights), one, nullptr, alone);
      run(*first.host, whole(weights), one, nullptr, other);
      expect_identical(other, alone, 21);
    }
  }
}

// The most that quantisation can do: half a step times |weight|, summed, where a step is max|x| / 127 in a narrow block
// and max|x| / 16256 in a wide one (the quantised value is off by a rounding of the product besides). Far below what
// the tolerance class allows: with one outlier a row and narrow blocks throughout, the outlier's block alone breaks it.
TEST_P(CpuMatmul, ErrorsAreThoseOfTheStep) {
  if (row_.tolerance != ToleranceClass::kQ8) GTEST_SKIP() << "float32 activations";
  constexpr std::int64_t kN = 21, kK = 768;
  for (const DType type : kAllTypes) {
    if (!applies_to(type)) continue;
    SCOPED_TRACE(text_of(type));
    const Weights weights = random_weights(type, kN, kK, 17);
    for (const std::int64_t m : {1, 2, 13}) {
      test::GuardedMatrix in(m, kK), out(m, kN);
      fill_random(in, 18);
      for (std::int64_t i = 0; i < m; i += 2) in.at(i, 301 + i) = 500;
      run(*row_.host, whole(weights), in, nullptr, out);
      std::vector<float> row(kK);
      for (std::int64_t i = 0; i < m; ++i) {
        double squares = 0;
        for (std::int64_t c = 0; c < kK; ++c) squares += static_cast<double>(in.at(i, c)) * in.at(i, c);
        for (std::int64_t n = 0; n < kN; ++n) {
          dequantise_row(type, weights.bytes.data() + n * row_bytes(type, kK), row.data(), kK);
          double sum = 0, magnitude = 0, allowed = 0;
          for (std::int64_t c0 = 0; c0 < kK; c0 += kBlockColumns) {
            double largest = 0, weight = 0;
            for (std::int64_t c = c0; c < c0 + kBlockColumns; ++c) {
              const double w = row[static_cast<std::size_t>(c)], x = in.at(i, c);
              largest = std::max(largest, std::abs(x));
              weight += std::abs(w);
              sum += w * x;
              magnitude += std::abs(w * x);
            }
            const bool wide = m == 1 || largest > kOutlier * std::sqrt(squares / kK);
            allowed += weight * largest / (wide ? 16256.0 : 127.0) / 2;
          }
          // Float rounding: 24 blocks, and weights with a min are differences of two larger sums.
          allowed += 1e-5 * (magnitude + std::sqrt(squares));
          ASSERT_LE(std::abs(static_cast<double>(out.at(i, n)) - sum), allowed) << "row " << i << " feature " << n;
        }
      }
    }
  }
}

// Every element of a narrow and of a wide block within half a step, sums of planes as they are: the plain quantiser,
// which the instruction sets are compared with through results.
TEST(BlockQuantiserTest, RoundsToHalfAStep) {
  Rng rng(19);
  for (int trial = 0; trial < 200; ++trial) {
    float x[kBlockColumns];
    for (float& v : x) v = static_cast<float>(rng.normal());
    if (trial % 2 == 0) x[trial % kBlockColumns] = trial % 4 == 0 ? 70.0f : -70.0f;
    std::int8_t high[kBlockColumns], low[kBlockColumns];
    PlaneSums narrow{}, planes[2];
    const float largest = kPortableQuantiser.narrow(x, high, narrow);
    const double step = static_cast<double>(largest) / 127;
    int total = 0;
    for (int c = 0; c < kBlockColumns; ++c) {
      EXPECT_LE(std::abs(high[c] * step - x[c]), step * 0.5001);
      total += high[c];
    }
    EXPECT_EQ(narrow.half[0] + narrow.half[1], total);
    EXPECT_EQ(kPortableQuantiser.wide(x, high, low, planes), largest);
    int high_total = 0, low_total = 0;
    for (int c = 0; c < kBlockColumns; ++c) {
      EXPECT_LE(std::abs((high[c] * 128 + low[c]) * step / 128 - x[c]), step / 128 * 0.502);
      EXPECT_GE(low[c], -64);
      EXPECT_LE(low[c], 63);
      EXPECT_GE(high[c], -127);
      high_total += high[c];
      low_total += low[c];
    }
    EXPECT_EQ(planes[0].half[0] + planes[0].half[1], high_total);
    EXPECT_EQ(planes[1].half[0] + planes[1].half[1], low_total);
  }
}

TEST_P(CpuMatmul, VanishingActivationsGiveZero) {
  const Weights weights = random_weights(DType::kQ8_0, 17, 64, 15);
  test::GuardedMatrix in(2, 64), out(2, 17);
  for (std::int64_t c = 0; c < 64; ++c) {
    in.at(0, c) = 0;
    in.at(1, c) = c % 2 == 0 ? 1e-38f : -1e-40f;  // 127 / max|x| is beyond float
  }
  run(*row_.host, whole(weights), in, nullptr, out);
  for (std::int64_t j = 0; j < 17; ++j) {
    EXPECT_EQ(out.at(0, j), 0);
    EXPECT_LT(std::abs(out.at(1, j)), 1e-30f);
  }
}

TEST(CpuMatmulRows, ApplyByFactsAndWeightFormat) {
  OpDesc op;
  op.n = op.k = 256;
  op.w = DType::kQ4_K;
  const auto applicable_ids = [&](const HardwareFacts& facts) {
    std::vector<std::string> ids;
    for (const KernelVariant& row : cpu_matmul_rows()) {
      const Applicability applicability = row.applicable(op, facts);
      EXPECT_EQ(applicability.yes, applicability.why_not.empty()) << row.id;
      if (applicability.yes) ids.push_back(row.id);
    }
    return ids;
  };
  EXPECT_EQ(applicable_ids({}), std::vector<std::string>{"matmul.cpu.portable"});
#if defined(__x86_64__)
  HardwareFacts facts;
  facts.avx2 = true;
  EXPECT_EQ(applicable_ids(facts),
            (std::vector<std::string>{"matmul.cpu.avx2_q8", "matmul.cpu.avx2_f32", "matmul.cpu.portable"}));
  facts.avx512 = facts.avx512_vnni = true;
  EXPECT_EQ(applicable_ids(facts).size(), 5u);
  op.w = DType::kBF16;
  EXPECT_EQ(applicable_ids(facts),
            (std::vector<std::string>{"matmul.cpu.avx512_f32", "matmul.cpu.avx2_f32", "matmul.cpu.portable"}));
#endif
  op.w = DType::kQ4_K;
  op.k = 128;
  EXPECT_TRUE(applicable_ids({}).empty());  // not a whole block
  op.kind = OpKind::kAdd;
  EXPECT_TRUE(applicable_ids({}).empty());
}

}  // namespace
}  // namespace hetero
