// GGUF formats as OpenVINO constants: the values stay what they are, and rounding to another format is told.
#include "runtime/device/openvino/ov_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"

namespace hetero {
namespace {

constexpr std::int64_t kRows = 5, kCols = 1024;

std::vector<std::byte> stored(DType type) {
  Rng rng(3);
  std::vector<std::byte> bytes(static_cast<std::size_t>(kRows * row_bytes(type, kCols)));
  std::vector<float> row(kCols);
  for (std::int64_t i = 0; i < kRows; ++i) {
    for (float& v : row) v = static_cast<float>(rng.normal() * 0.1 + 0.03);
    quantise_row(type, row.data(), bytes.data() + i * row_bytes(type, kCols), kCols);
  }
  return bytes;
}

class EveryFormat : public testing::TestWithParam<DType> {};

TEST_P(EveryFormat, KeepsItsValues) {
  const std::vector<std::byte> bytes = stored(GetParam());
  // A slice that begins within the weight, on a block of the widest format.
  const WeightSlice slice{{bytes.data(), GetParam(), kRows, kCols}, 1, 4, 256, 768};
  const OvWeight weight = ov_weight(slice);
  ASSERT_EQ(weight.n, 3);
  ASSERT_EQ(weight.k, 512);
  std::vector<float> want(kCols), got(512);
  for (std::int64_t row = 0; row < 3; ++row) {
    dequantise_row(GetParam(), bytes.data() + (row + 1) * row_bytes(GetParam(), kCols), want.data(), kCols);
    expand_row(weight, row, got.data());
    for (std::size_t j = 0; j < got.size(); ++j) {
      // Two roundings of float32 on either side, of a product and a sum that are a few times the value at most.
      ASSERT_NEAR(got[j], want[j + 256], 2e-7) << "row " << row << " column " << j;
    }
  }
}

TEST_P(EveryFormat, StaysSmall) {
  const std::vector<std::byte> bytes = stored(GetParam());
  const OvWeight weight = ov_weight({{bytes.data(), GetParam(), kRows, kCols}, 0, kRows, 0, kCols});
  const DTypeInfo& format = info(GetParam());
  const double bits = 8.0 * static_cast<double>(weight.bytes()) / (kRows * kCols);
  const double stored_bits = 8.0 * static_cast<double>(format.block_bytes) / static_cast<double>(format.block_elements);
  // Scales and offsets of 32 bits for 32 columns; five and six bits in eight.
  EXPECT_LE(bits, stored_bits + 4.5) << format.name;
}

INSTANTIATE_TEST_SUITE_P(Gguf, EveryFormat,
                         testing::Values(DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1,
                                         DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K,
                                         DType::kQ6_K),
                         [](const auto& tested) { return std::string(hetero::info(tested.param).name); });

TEST(OvWeight, FingerprintFollowsTheValues) {
  std::vector<std::byte> bytes = stored(DType::kQ4_1);
  const WeightSlice slice{{bytes.data(), DType::kQ4_1, kRows, kCols}, 0, kRows, 0, kCols};
  const std::string before = ov_weight(slice).fingerprint();
  EXPECT_EQ(ov_weight(slice).fingerprint(), before);
  bytes[2] ^= std::byte{1};  // the lowest bit of the first block's minimum
  EXPECT_NE(ov_weight(slice).fingerprint(), before);
}

TEST(Requantisation, TellsItsError) {
  const std::vector<std::byte> bytes = stored(DType::kQ6_K);
  const WeightSlice slice{{bytes.data(), DType::kQ6_K, kRows, kCols}, 0, kRows, 0, kCols};
  RequantisationError coarse, fine;
  const OvWeight four = requantised_weight(slice, {4, 32}, coarse);
  requantised_weight(slice, {8, 32}, fine);
  EXPECT_EQ(four.bits, 4);
  // Uniform rounding to s / 8 for a block's greatest value s, some 2.3 standard deviations: 0.08 of them, and 16 times
  // less with four bits more.
  EXPECT_GT(coarse.relative(), 0.04);
  EXPECT_LT(coarse.relative(), 0.16);
  EXPECT_LT(fine.relative(), coarse.relative() / 8);
  // The error is that of the values that are used.
  std::vector<float> was(kCols), is(kCols);
  double error = 0, norm = 0;
  for (std::int64_t row = 0; row < kRows; ++row) {
    dequantise_row(DType::kQ6_K, bytes.data() + row * row_bytes(DType::kQ6_K, kCols), was.data(), kCols);
    expand_row(four, row, is.data());
    for (std::size_t j = 0; j < was.size(); ++j) {
      error += std::pow(static_cast<double>(is[j] - was[j]), 2);
      norm += std::pow(static_cast<double>(was[j]), 2);
    }
  }
  EXPECT_NEAR(std::sqrt(error / norm), coarse.relative(), 1e-6);
}

TEST(Requantisation, WiderGroupsCostMore) {
  const std::vector<std::byte> bytes = stored(DType::kQ8_0);
  const WeightSlice slice{{bytes.data(), DType::kQ8_0, kRows, kCols}, 0, kRows, 0, 576};
  double before = 0;
  for (const auto& [text, group] : {std::pair{"i4g32", 32}, {"i4g128", 96}, {"i4row", 576}}) {
    const std::optional<Requantisation> to = requantisation_from(text);
    ASSERT_TRUE(to) << text;
    EXPECT_EQ(name_of(*to), text);
    RequantisationError error;
    EXPECT_EQ(requantised_weight(slice, *to, error).group, group) << text << ": 576 columns";
    EXPECT_GT(error.relative(), before) << text;
    before = error.relative();
  }
  for (const char* text : {"", "i4", "i5g32", "i4g", "i4g1", "i4g32x", "stored", "i8rows"}) {
    EXPECT_FALSE(requantisation_from(text)) << text;
  }
}

}  // namespace
}  // namespace hetero
