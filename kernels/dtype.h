// Element and block formats of weights, as GGUF stores them, and the conversions that define their values.
// A row of k elements is k / block_elements consecutive blocks; rows are contiguous, [n, k] row-major.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace hetero {

enum class DType : std::uint8_t { kF32, kF16, kBF16, kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ4_K, kQ5_K, kQ6_K };

struct DTypeInfo {
  std::string_view name;        // "q4_0": in canonical op texts, flags and documents
  std::int64_t block_elements;  // 1, 32 or 256
  std::int64_t block_bytes;
};

const DTypeInfo& info(DType type);
std::optional<DType> dtype_from_name(std::string_view name);

// Bytes of a row of k elements. Precondition: k is a multiple of block_elements.
std::int64_t row_bytes(DType type, std::int64_t k);

// The values that a stored row stands for: dst[0, k). This defines the format for every kernel of the project.
void dequantise_row(DType type, const std::byte* src, float* dst, std::int64_t k);

// Rounds a row to the format (nearest, simple scale choice): for tests and generated weights, not a quality quantiser.
void quantise_row(DType type, const float* src, std::byte* dst, std::int64_t k);

float f16_to_f32(std::uint16_t h);
std::uint16_t f32_to_f16(float f);  // round to nearest even; overflow gives infinity
float bf16_to_f32(std::uint16_t h);
std::uint16_t f32_to_bf16(float f);  // round to nearest even

}  // namespace hetero
