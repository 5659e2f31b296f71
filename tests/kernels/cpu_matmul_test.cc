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
#include "kernels/cpu/matmul_kernels.h"
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
  std::vector<std::pair<DType, PackedKind>> packings = {{DType::kQ4_K, PackedKind::kQ4MinF32},
                                                        {DType::kQ6_K, PackedKind::kQ8Group16}};
  for (const DType type : kAllTypes) packings.emplace_back(type, packed_kind(type));
  for (const auto& [type, kind] : packings) {
    SCOPED_TRACE(text_of(type) + " as kind " + std::to_string(static_cast<int>(kind)));
    const std::int64_t k = 1024, block = std::max<std::int64_t>(1, info(type).block_elements);
    const Weights weights = random_weights(type, 40, k, 1);
    const std::int64_t k0 = block == 1 ? 7 : block, k1 = block == 1 ? 100 : k - block;
    for (const WeightSlice& slice :
         {whole(weights), WeightSlice{weights.view, 3, 38, k0, k1}, WeightSlice{weights.view, 39, 40, 0, k1}}) {
      AlignedBuffer packed(packed_weight_bytes(slice, kind) + 64);
      std::memset(packed.data(), 0x5a, packed.size());
      pack_weight(slice, kind, packed.data());
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
      for (std::size_t i = packed_weight_bytes(slice, kind); i < packed.size(); ++i) {
        ASSERT_EQ(packed.data()[i], std::byte{0x5a}) << "written behind the end";
      }
    }
  }
}

// Devices pack a weight part by part.
TEST(PackTest, PartsFollowOneAnother) {
  for (const DType type : kAllTypes) {
    const Weights weights = random_weights(type, 40, 512, 1);
    const WeightSlice slice = whole(weights);
    AlignedBuffer at_once(packed_weight_bytes(slice)), in_parts(packed_weight_bytes(slice));
    pack_weight(slice, at_once.data());
    std::byte* at = in_parts.data();
    for (WeightSlice part = slice; part.n0 < slice.n1; part.n0 = part.n1) {
      part.n1 = std::min(slice.n1, part.n0 + 16);
      pack_weight(part, at);
      at += packed_weight_bytes(part);
    }
    EXPECT_EQ(at, in_parts.data() + in_parts.size()) << text_of(type);
    EXPECT_EQ(std::memcmp(at_once.data(), in_parts.data(), at_once.size()), 0) << text_of(type);
  }
}

TEST(PackTest, CommonFormatsDoNotGrow) {
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ8_0}) {
    const WeightSlice slice = {{nullptr, type, 64, 256}, 0, 64, 0, 256};
    EXPECT_EQ(packed_weight_bytes(slice), static_cast<std::size_t>(64 * row_bytes(type, 256))) << text_of(type);
  }
  const WeightSlice q6_k = {{nullptr, DType::kQ6_K, 64, 256}, 0, 64, 0, 256};
  const WeightSlice q4_k = {{nullptr, DType::kQ4_K, 64, 256}, 0, 64, 0, 256};
  EXPECT_EQ(packed_weight_bytes(q4_k), 64u * 256 * 11 / 16);  // 5.5 bits a weight, 4.5 in the file
  EXPECT_EQ(packed_weight_bytes(q6_k), 64u * 256 * 7 / 8);    // 6.56 bits a weight in the file
}

// A combination of values that asked for a tile that was never compiled would jump to nowhere.
void expect_tiles(const MatmulPath& path) {
  std::vector<MatmulTuning> tunings = {path.tuning};
  for (const MatmulParam& param : path.params) {
    std::vector<MatmulTuning> more;
    for (const MatmulTuning& tuning : tunings) {
      for (const std::int64_t value : param.values) {
        more.push_back(tuning);
        more.back().*param.field = value;
      }
    }
    tunings = more;
  }
  const auto kinds = static_cast<std::size_t>(path.form == ActivationForm::kQ8 ? kQuantisedKinds : kPackedKinds);
  for (const MatmulTuning& tuning : tunings) {
    for (std::int64_t m = 1; m < 64; ++m) {
      const TileSplit split = path.split(m, tuning);
      for (const std::int64_t tile : {std::int64_t{0}, split.tiles - 1}) {
        ASSERT_TRUE(m == 1 || split.rows(tile) > 1) << "activations of a row alone are written in another way";
        for (std::int64_t panels = 1; panels <= path.panels(m, tuning); ++panels) {
          const TileTables* const tables = path.tiles[static_cast<std::size_t>(panels)];
          ASSERT_NE(tables, nullptr) << panels << " panels";
          for (std::size_t kind = 0; kind < kinds; ++kind) {
            ASSERT_NE((*tables)[kind][static_cast<std::size_t>(split.rows(tile))], nullptr)
                << "m " << m << " panels " << panels << " rows " << split.rows(tile);
          }
        }
      }
    }
  }
}

TEST(CpuMatmulPaths, EveryTileThatParametersAskForIsThere) {
  expect_tiles(kMatmulPortablePath);
#if defined(__x86_64__)
  expect_tiles(kMatmulAvx512VnniPath);
  expect_tiles(kMatmulAvx512F32Path);
  expect_tiles(kMatmulAvx2Q8Path);
  expect_tiles(kMatmulAvx2F32Path);
#elif defined(__aarch64__)
#if defined(HETERO_NEON_DOTPROD)
  expect_tiles(kMatmulNeonI8mmPath);
  expect_tiles(kMatmulNeonDotprodPath);
#endif
  expect_tiles(kMatmulNeonF32Path);
#endif
}

// Parameters make a difference, and the defaults are those of the kernel.
TEST(CpuMatmulPaths, ParametersDecideOnTiles) {
#if defined(__x86_64__)
  const MatmulPath& path = kMatmulAvx512VnniPath;
  EXPECT_EQ(path.split(64, path.tuned(nullptr)).rows(0), 6);
  EXPECT_EQ(path.panels(64, path.tuned(nullptr)), 2);
  EXPECT_EQ(path.panels(12, path.tuned(nullptr)), 1);
  EXPECT_EQ(path.split(12, path.tuned(nullptr)).rows(0), 12);
  const std::int64_t values[] = {4, 2, 32, 16, 2048};  // panels, streams, cache_kib, chunk, prefetch
  const MatmulTuning tuning = path.tuned(values);
  EXPECT_EQ(path.split(64, tuning).rows(0), 3);
  EXPECT_EQ(path.panels(64, tuning), 4);
  EXPECT_EQ(path.panels(1, tuning), 2);
  EXPECT_EQ(tuning.cache_kib, 32);
  EXPECT_EQ(tuning.chunk, 16);
  EXPECT_EQ(tuning.prefetch, 2048);
  EXPECT_EQ(kMatmulAvx2Q8Path.split(64, kMatmulAvx2Q8Path.tuned(nullptr)).rows(0), 4);
#else
  GTEST_SKIP() << "asks for the AVX-512 kernel's parameters";
#endif
}

// Activations that are whole numbers with 127 in every block quantise without error, and a scale of 1 leaves integers:
// the result is exact, or the zero point, the saturation of 16-bit sums or the order of elements is wrong.
TEST_P(CpuMatmul, IntegersAreExact) {
  constexpr std::int64_t kM = 5, kN = 37;
  const auto one = f32_to_f16(1.0f);
  for (const DType type : {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ6_K}) {
    const std::int64_t k = type == DType::kQ6_K ? 256 : 160;
    for (const bool extreme : {false, true}) {
      SCOPED_TRACE(text_of(type) + (extreme ? " extreme" : " random"));
      Rng rng(3);
      Weights weights = random_weights(type, kN, k, 3);
      const std::size_t header = type == DType::kQ4_1 || type == DType::kQ5_1 ? 4 : 2;  // scale, and a min of 0
      const auto block_bytes = static_cast<std::size_t>(info(type).block_bytes);
      for (std::size_t at = 0; at < weights.bytes.size(); at += block_bytes) {
        for (std::size_t i = 0; i < block_bytes; ++i) {
          const std::uint64_t largest = type == DType::kQ8_0 ? 0x80 : 0xff;
          weights.bytes[at + i] = static_cast<std::byte>(extreme ? largest : rng.below(256));
        }
        if (type == DType::kQ6_K) {  // behind the elements: 16 sub-scales, scale
          std::fill_n(&weights.bytes[at + 192], 16, std::byte{1});
          std::memcpy(&weights.bytes[at + 208], &one, 2);
        } else {
          std::fill_n(&weights.bytes[at], header, std::byte{0});
          std::memcpy(&weights.bytes[at], &one, 2);
        }
      }
      test::GuardedMatrix in(kM, k), out(kM, kN);
      for (std::int64_t i = 0; i < kM; ++i) {
        for (std::int64_t c = 0; c < k; ++c) {
          const bool largest = extreme || c % kBlockColumns == 5;
          const float sign = extreme ? (i % 2 == 0 ? 1.0f : -1.0f) : 1.0f;
          in.at(i, c) = largest ? sign * 127 : static_cast<float>(rng.below(255)) - 127;
        }
      }
      run(*row_.host, whole(weights), in, nullptr, out);
      std::vector<float> row(static_cast<std::size_t>(k));
      for (std::int64_t n = 0; n < kN; ++n) {
        dequantise_row(type, weights.bytes.data() + n * row_bytes(type, k), row.data(), k);
        for (std::int64_t i = 0; i < kM; ++i) {
          double sum = 0;
          for (std::int64_t c = 0; c < k; ++c)
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
// falls into nor the instruction set changes a bit. Some rows have outliers, which the others of their tiles must not
// notice. (A row alone has 15 bits throughout, so it is compared with itself alone.) The last group of activations has
// fewer blocks than the others.
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
    const std::int64_t k = info(type).block_elements == 256 ? 512 : 544;
    const Weights weights = random_weights(type, 53, k, 13);  // two panels, one, and a part of one
    test::GuardedMatrix in(29, k), all(29, 53);
    fill_random(in, 14);
    for (std::int64_t i = 0; i < 29; i += 3) in.at(i, 37 * i % k) = i % 2 == 0 ? 90.0f : -90.0f;
    run(*row_.host, whole(weights), in, nullptr, all);
    if (compare_first) {
      test::GuardedMatrix other(29, 53);
      run(*first.host, whole(weights), in, nullptr, other);
      expect_identical(other, all, 53);
    }
    for (std::int64_t i = 0; i + 1 < 29; ++i) {
      test::GuardedMatrix two(2, k), out(2, 53);
      std::copy(&in.at(i, 0), &in.at(i, 0) + k, &two.at(0, 0));
      std::copy(&in.at(i + 1, 0), &in.at(i + 1, 0) + k, &two.at(1, 0));
      run(*row_.host, whole(weights), two, nullptr, out);
      for (std::int64_t j = 0; j < 53; ++j) {
        ASSERT_EQ(all.at(i, j), out.at(0, j)) << "row " << i << " feature " << j;
        ASSERT_EQ(all.at(i + 1, j), out.at(1, j)) << "row " << i + 1 << " feature " << j;
      }
      if (!compare_first) continue;
      test::GuardedMatrix one(1, k), alone(1, 53), other(1, 53);
      std::copy(&in.at(i, 0), &in.at(i, 0) + k, &one.at(0, 0));
      run(*row_.host, whole(weights), one, nullptr, alone);
      run(*first.host, whole(weights), one, nullptr, other);
      expect_identical(other, alone, 53);
    }
  }
}

// The most that quantisation can do: half a step times |weight|, summed, where a step is 1/127 of the largest magnitude
// of a group without its outliers (the quantised value is off by a rounding of the product besides). Far below what the
// tolerance class allows: were an outlier of each row quantised as the others are, its group alone would break it.
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
          for (std::int64_t group = 0; group < kK; group += kGroupColumns) {
            double narrow = 0, all = 0, weight = 0;
            for (std::int64_t c = group; c < std::min(kK, group + kGroupColumns); ++c) {
              const double w = row[static_cast<std::size_t>(c)], x = in.at(i, c);
              weight += std::abs(w);
              sum += w * x;
              magnitude += std::abs(w * x);
              const bool outlier = m == 1 || std::abs(x) > kOutlier * std::sqrt(squares / kK);
              all = std::max(all, std::abs(x));
              if (!outlier) narrow = std::max(narrow, std::abs(x));
            }
            allowed += weight * std::max(narrow / 127, all / 16256) / 2;
          }
          // Float rounding: 24 blocks, and weights with a min are differences of two larger sums.
          allowed += 1e-5 * (magnitude + std::sqrt(squares));
          ASSERT_LE(std::abs(static_cast<double>(out.at(i, n)) - sum), allowed) << "row " << i << " feature " << n;
        }
      }
    }
  }
}

// Every element within half a step, sums as they are, outliers where they are: the plain quantiser, which the
// instruction sets are compared with through results.
TEST(QuantiserTest, RoundsToHalfAStep) {
  Rng rng(19);
  for (int trial = 0; trial < 200; ++trial) {
    const int blocks = 1 + trial % kGroupBlocks, columns = blocks * kBlockColumns, outlier = 31 * trial % columns;
    const bool has_outlier = trial % 3 != 0;
    float x[kGroupColumns];
    for (float& v : x) v = static_cast<float>(rng.normal());
    if (has_outlier) x[outlier] = trial % 2 == 0 ? 70.0f : -70.0f;
    QuantisedGroup q;
    kPortableQuantiser.group(x, blocks, 12.0f, q);
    EXPECT_LE(q.scale, 6.0f / 127);  // the outlier costs the others nothing
    int low_sums[2 * kGroupBlocks] = {};
    for (int c = 0; c < columns; ++c) {
      const bool is_outlier = has_outlier && c == outlier;
      EXPECT_EQ(q.outliers[c / 16] >> (c % 16) & 1, is_outlier ? 1 : 0);
      const int high = q.outliers[c / 16] != 0 ? q.high[c] : 0;
      EXPECT_LE(std::abs((high * 128 + q.low[c]) * static_cast<double>(q.scale) - x[c]), q.scale * 0.502);
      EXPECT_GE(q.low[c], is_outlier ? -64 : -127);
      EXPECT_LE(q.low[c], is_outlier ? 63 : 127);
      if (!is_outlier) {
        EXPECT_EQ(high, 0);
      }
      low_sums[c / 16] += q.low[c];
    }
    for (int half = 0; half < 2 * blocks; ++half) EXPECT_EQ(q.low_sums[half], low_sums[half]);
  }
}

// As many outliers as a row can have, at the end of a workspace of the size that the kernel asked for: the sanitizers
// and the matrix's guards see a list that is too long.
TEST_P(CpuMatmul, TakesAsManyOutliersAsThereCanBe) {
  if (row_.tolerance != ToleranceClass::kQ8) GTEST_SKIP() << "float32 activations";
  constexpr std::int64_t kM = 3, kN = 16, kK = 4096;
  const Weights weights = random_weights(DType::kQ4_0, kN, kK, 23);
  test::GuardedMatrix in(kM, kK), out(kM, kN), expected(kM, kN);
  for (std::int64_t i = 0; i < kM; ++i) {
    for (std::int64_t c = 0; c < kK; ++c) in.at(i, c) = c % 2 == 0 ? 1e-3f : -1e-3f;
    const auto most = static_cast<std::int64_t>(kK / (kOutlier * kOutlier)) - 1;
    for (std::int64_t j = 0; j < most; ++j) in.at(i, j * (kK / most)) = j % 2 == 0 ? 1.0f : -1.0f;
  }
  run(*row_.host, whole(weights), in, nullptr, out);
  std::vector<float> row(kK);
  for (std::int64_t n = 0; n < kN; ++n) {
    dequantise_row(DType::kQ4_0, weights.bytes.data() + n * row_bytes(DType::kQ4_0, kK), row.data(), kK);
    double sum = 0;
    for (std::int64_t c = 0; c < kK; ++c) sum += static_cast<double>(row[static_cast<std::size_t>(c)]) * in.at(0, c);
    for (std::int64_t i = 0; i < kM; ++i) EXPECT_NEAR(out.at(i, n), sum, 2e-3 * std::sqrt(kK)) << i << " " << n;
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
#elif defined(__aarch64__)
  HardwareFacts facts;
  facts.neon = true;
  EXPECT_EQ(applicable_ids(facts), (std::vector<std::string>{"matmul.cpu.neon_f32", "matmul.cpu.portable"}));
#if defined(HETERO_NEON_DOTPROD)
  facts.neon_dotprod = true;
  EXPECT_EQ(applicable_ids(facts).front(), "matmul.cpu.neon_dotprod");
  facts.neon_i8mm = true;
  EXPECT_EQ(applicable_ids(facts).front(), "matmul.cpu.neon_i8mm");
  op.w = DType::kBF16;
  EXPECT_EQ(applicable_ids(facts).front(), "matmul.cpu.neon_f32");
#endif
#endif
  op.w = DType::kQ4_K;
  op.k = 128;
  EXPECT_TRUE(applicable_ids({}).empty());  // not a whole block
  op.kind = OpKind::kAdd;
  EXPECT_TRUE(applicable_ids({}).empty());
}

}  // namespace
}  // namespace hetero
