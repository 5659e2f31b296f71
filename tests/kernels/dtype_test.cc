// The stored formats: golden values from an independent implementation, rounding, and the float16 conversions.
#include "kernels/dtype.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <vector>

#include "base/fingerprint.h"
#include "base/rng.h"

namespace hetero {
namespace {

constexpr DType kAll[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                          DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

// Made with the NumPy dequantisers of the PyPI package gguf 0.19.0 from the bytes of golden_bytes().
struct Golden {
  DType type;
  std::int64_t k;
  std::uint64_t fingerprint;  // of all k floats
  float values[4];            // elements 0, 1, k/2 - 1, k - 1
};
constexpr Golden kGolden[] = {
    {DType::kF32, 16, 0xa89c08471799ae3eULL, {-0x1.b26216p-121F, 0x1.1bbb5ep-1F, -0x1.7abac8p-10F, 0x1.0e63fp-119F}},
    {DType::kF16, 16, 0xd0ab1c8050336a3fULL, {0x1.42cp-3F, -0x1.ac8p-15F, 0x1.5cp-12F, -0x1.af4p-1F}},
    {DType::kBF16, 16, 0x9709e8c19e79cee5ULL, {0x1.16p-29F, -0x1.b2p-121F, 0x1.ep-101F, -0x1.7ap-10F}},
    {DType::kQ4_0, 64, 0x5e883494e9f3ea0eULL, {0x1.8dp-4F, -0x1.f04p-2F, 0x1.f04p-2F, -0x1.29cp-1F}},
    {DType::kQ4_1, 64, 0xe48c7183d145f0cfULL, {0x1.1a7p+0F, 0x1.d1ap-1F, -0x1.67p-2F, 0x1.6e6p-1F}},
    {DType::kQ5_0, 64, 0x0b497c2db2768a7aULL, {0x1.429p+0F, -0x1.8dp-4F, 0x1.29cp-2F, -0x1.f04p-1F}},
    {DType::kQ5_1, 64, 0xf84a0d7a9b8a0358ULL, {0x1.7dbp+0F, 0x1.0948p+1F, 0x1.4fcp-2F, 0x1.64ep+0F}},
    {DType::kQ8_0, 64, 0x0e01f23ab6ca5a3dULL, {0x1.140ap+3F, -0x1.83b2p+3F, 0x1.8098p+1F, -0x1.3628p+1F}},
    {DType::kQ4_K, 512, 0x29bc77486b7c0dc8ULL, {0x1.66f7p+4F, 0x1.8e248p+5F, 0x1.e42ep+4F, 0x1.6dc3p+4F}},
    {DType::kQ5_K, 512, 0x204de0e181cc4c9bULL, {0x1.2bf96p+7F, 0x1.3515cp+7F, 0x1.42e6p+4F, 0x1.fb58p+2F}},
    {DType::kQ6_K, 512, 0xae9990014fe49272ULL, {-0x1.6c6fp+4F, -0x1.11534p+6F, 0x1.d13cp+3F, 0x1.78d7p+7F}},
};

// Arbitrary bytes; d = 0.09692 and the minimum (where there is one) = -0.3506; floats without large exponents.
std::vector<std::byte> golden_bytes(DType type, std::int64_t k) {
  const std::int64_t block = info(type).block_bytes;
  std::vector<std::byte> bytes(static_cast<std::size_t>(row_bytes(type, k)));
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 + 11 + i * i % 101);
  const bool quantised = info(type).block_elements > 1;
  const bool has_min = type == DType::kQ4_1 || type == DType::kQ5_1 || type == DType::kQ4_K || type == DType::kQ5_K;
  for (std::size_t at = 0; at < bytes.size(); at += static_cast<std::size_t>(block)) {
    std::byte* start = bytes.data() + at;
    if (!quantised) {
      start[block - 1] &= std::byte{0xbf};
      continue;
    }
    std::byte* d = start + (type == DType::kQ6_K ? 208 : 0);
    d[0] = std::byte{0x34};
    d[1] = std::byte{0x2e};
    if (has_min) {
      start[2] = std::byte{0x9c};
      start[3] = std::byte{0xb5};
    }
  }
  return bytes;
}

TEST(DType, DequantisesAsGgufDefines) {
  for (const Golden& golden : kGolden) {
    const std::vector<std::byte> bytes = golden_bytes(golden.type, golden.k);
    std::vector<float> values(static_cast<std::size_t>(golden.k));
    dequantise_row(golden.type, bytes.data(), values.data(), golden.k);
    const auto at = [&](std::int64_t i) { return values[static_cast<std::size_t>(i)]; };
    EXPECT_EQ(at(0), golden.values[0]) << info(golden.type).name;
    EXPECT_EQ(at(1), golden.values[1]) << info(golden.type).name;
    EXPECT_EQ(at(golden.k / 2 - 1), golden.values[2]) << info(golden.type).name;
    EXPECT_EQ(at(golden.k - 1), golden.values[3]) << info(golden.type).name;
    EXPECT_EQ(fingerprint_of(values.data(), values.size() * sizeof(float)), golden.fingerprint)
        << info(golden.type).name;
  }
}

// Greatest error of rounding a block, in units of half a step of the block's range; formats with a sign share one step
// among both sides. The steps of K-quants are themselves rounded to 6 or 8 bits.
TEST(DType, RoundingStaysWithinAStep) {
  Rng rng(7);
  for (const DType type : kAll) {
    const std::int64_t k = 512;
    std::vector<float> before(k);
    for (float& x : before) x = static_cast<float>(rng.normal());
    std::vector<std::byte> stored(static_cast<std::size_t>(row_bytes(type, k)));
    std::vector<float> after(k);
    quantise_row(type, before.data(), stored.data(), k);
    dequantise_row(type, stored.data(), after.data(), k);
    double step = 0;  // of values in [-4, 4]
    switch (type) {
      case DType::kF32:
        break;
      case DType::kF16:
        step = 0x1p-8;
        break;
      case DType::kBF16:
        step = 0x1p-5;
        break;
      case DType::kQ4_0:
      case DType::kQ4_1:
      case DType::kQ4_K:
        step = 8.0 / 15;
        break;
      case DType::kQ5_0:
      case DType::kQ5_1:
      case DType::kQ5_K:
        step = 8.0 / 31;
        break;
      case DType::kQ6_K:
        step = 8.0 / 63;
        break;
      case DType::kQ8_0:
        step = 8.0 / 255;
        break;
    }
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_LE(std::abs(after[i] - before[i]), step) << info(type).name << " element " << i;
    }
  }
}

TEST(DType, RoundingKeepsWhatTheFormatHolds) {
  for (const DType type : kAll) {
    const std::int64_t k = 512;
    std::vector<float> zeros(k, 0.0F);
    std::vector<std::byte> stored(static_cast<std::size_t>(row_bytes(type, k)), std::byte{0xff});
    std::vector<float> after(k, 1.0F);
    quantise_row(type, zeros.data(), stored.data(), k);
    dequantise_row(type, stored.data(), after.data(), k);
    EXPECT_EQ(after, zeros) << info(type).name;
  }
}

TEST(DType, NamesRoundTrip) {
  for (const DType type : kAll) EXPECT_EQ(dtype_from_name(info(type).name), type);
  EXPECT_EQ(dtype_from_name("q4_2"), std::nullopt);
  EXPECT_EQ(dtype_from_name(""), std::nullopt);
  EXPECT_EQ(row_bytes(DType::kQ4_K, 512), 288);
  EXPECT_EQ(row_bytes(DType::kQ8_0, 64), 68);
}

TEST(DType, EveryHalfSurvivesTheRoundTrip) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const auto half = static_cast<std::uint16_t>(h);
    const float value = f16_to_f32(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value))));
    } else {
      ASSERT_EQ(f32_to_f16(value), half) << h;
    }
    const float brain = bf16_to_f32(half);
    if (!std::isnan(brain)) {
      ASSERT_EQ(f32_to_bf16(brain), half) << h;
    }
  }
}

TEST(DType, HalvesRoundToNearestEven) {
  EXPECT_EQ(f32_to_f16(1 + 0x1p-11F), 0x3c00);  // a tie goes to the even 1
  EXPECT_EQ(f32_to_f16(1 + 0x3p-11F), 0x3c02);  // and here to the even above
  EXPECT_EQ(f32_to_f16(1 + 0x1p-11F + 0x1p-20F), 0x3c01);
  EXPECT_EQ(f32_to_f16(65519), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520), 0x7c00);  // half way beyond the largest: infinity
  EXPECT_EQ(f32_to_f16(-INFINITY), 0xfc00);
  EXPECT_EQ(f32_to_f16(0x1p-25F), 0x0000);  // half of the smallest: to even
  EXPECT_EQ(f32_to_f16(0x1.8p-25F), 0x0001);
  EXPECT_EQ(f32_to_f16(-0.0F), 0x8000);
  EXPECT_EQ(f32_to_bf16(1 + 0x1p-8F), 0x3f80);
  EXPECT_EQ(f32_to_bf16(1 + 0x3p-8F), 0x3f82);
}

}  // namespace
}  // namespace hetero
