// The stored formats of weights: block layouts as GGUF defines them, what they stand for, and simple rounding to them.
// Not fast: kernels have packed layouts of their own. No state; safe from any thread.
//
// Block layouts (d, m: float16; a block is little-endian and has no padding):
//   q4_0   d  qs[16]            value = d * (q - 8)      element j: low nibble of qs[j], j + 16: high nibble
//   q4_1   d m  qs[16]          value = d * q + m        nibbles as q4_0
//   q5_0   d  qh[4] qs[16]      value = d * (q - 16)     nibbles as q4_0; bit j of the 32-bit qh is bit 4 of element j
//   q5_1   d m  qh[4] qs[16]    value = d * q + m        as q5_0
//   q8_0   d  qs[32] (int8)     value = d * q
//   q4_k   d dmin  sm[12]  qs[128]           value = d * s * q - dmin * m, s and m of its 32 elements, 6 bits each
//   q5_k   d dmin  sm[12]  qh[32]  qs[128]   as q4_k with a fifth bit
//   q6_k   ql[128]  qh[64]  s[16] (int8)  d  value = d * s * (q - 32), s of its 16 elements
#include "kernels/dtype.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>

namespace hetero {
namespace {

constexpr std::array<DTypeInfo, 11> kInfo = {{{"f32", 1, 4},
                                              {"f16", 1, 2},
                                              {"bf16", 1, 2},
                                              {"q4_0", 32, 18},
                                              {"q4_1", 32, 20},
                                              {"q5_0", 32, 22},
                                              {"q5_1", 32, 24},
                                              {"q8_0", 32, 34},
                                              {"q4_k", 256, 144},
                                              {"q5_k", 256, 176},
                                              {"q6_k", 256, 210}}};

template <typename T>
T load(const std::uint8_t* src) {
  T value;
  std::memcpy(&value, src, sizeof value);
  return value;
}
template <typename T>
void store(std::uint8_t* dst, T value) {
  std::memcpy(dst, &value, sizeof value);
}
float load_half(const std::uint8_t* src) { return f16_to_f32(load<std::uint16_t>(src)); }

// Rounds to float16, stores, and returns the stored value: what is quantised next must divide by that.
float store_half(std::uint8_t* dst, float value) {
  const std::uint16_t half = f32_to_f16(value);
  store(dst, half);
  return f16_to_f32(half);
}

int nearest(float x, int low, int high) {
  return static_cast<int>(std::clamp(std::nearbyint(x), static_cast<float>(low), static_cast<float>(high)));
}
float inverse(float x) { return x == 0 ? 0 : 1 / x; }

// --- blocks of 32 -------------------------------------------------------------------------------------------------

// Formats of 4 and 5 bits, with a minimum (`has_min`) or centred. Fifth bits are a 32-bit word before the nibbles.
struct SmallFormat {
  int bits;
  bool has_min;
  int header_bytes() const { return has_min ? 4 : 2; }
  int nibbles_at() const { return header_bytes() + (bits == 5 ? 4 : 0); }
};

void dequantise_small(SmallFormat format, const std::uint8_t* src, float* dst) {
  const float d = load_half(src);
  const float m = format.has_min ? load_half(src + 2) : 0;
  const std::uint32_t high = format.bits == 5 ? load<std::uint32_t>(src + format.header_bytes()) : 0;
  const int centre = format.has_min ? 0 : 1 << (format.bits - 1);
  const std::uint8_t* nibbles = src + format.nibbles_at();
  for (int j = 0; j < 32; ++j) {
    const std::uint32_t nibble = j < 16 ? nibbles[j] & 15U : static_cast<std::uint32_t>(nibbles[j - 16]) >> 4;
    const int q = static_cast<int>(nibble | ((high >> j & 1U) << 4)) - centre;
    const float scaled = d * static_cast<float>(q);
    dst[j] = format.has_min ? scaled + m : scaled;
  }
}

void quantise_small(SmallFormat format, const float* src, std::uint8_t* dst) {
  const int levels = 1 << format.bits;
  float d = 0;
  float low = 0;
  int centre = 0;
  if (format.has_min) {
    const auto [min, max] = std::minmax_element(src, src + 32);
    d = store_half(dst, (*max - *min) / static_cast<float>(levels - 1));
    low = store_half(dst + 2, *min);
  } else {
    // The value of greatest magnitude goes to the most negative level, which has one step more than the positive side.
    const float extreme = *std::max_element(src, src + 32, [](float a, float b) { return std::abs(a) < std::abs(b); });
    centre = levels / 2;
    d = store_half(dst, extreme / static_cast<float>(-centre));
  }
  std::uint8_t* nibbles = dst + format.nibbles_at();
  std::memset(nibbles, 0, 16);
  std::uint32_t high = 0;
  for (int j = 0; j < 32; ++j) {
    const auto q =
        static_cast<std::uint32_t>(nearest((src[j] - low) * inverse(d), -centre, levels - 1 - centre) + centre);
    const std::uint32_t nibble = (q & 15U) << (j < 16 ? 0 : 4);
    nibbles[j % 16] = static_cast<std::uint8_t>(nibbles[j % 16] | nibble);
    high |= (q >> 4 & 1U) << j;
  }
  if (format.bits == 5) store(dst + format.header_bytes(), high);
}

void dequantise_q8_0(const std::uint8_t* src, float* dst) {
  const float d = load_half(src);
  for (int j = 0; j < 32; ++j) dst[j] = d * static_cast<float>(static_cast<std::int8_t>(src[2 + j]));
}

void quantise_q8_0(const float* src, std::uint8_t* dst) {
  float largest = 0;
  for (int j = 0; j < 32; ++j) largest = std::max(largest, std::abs(src[j]));
  const float d = store_half(dst, largest / 127);
  for (int j = 0; j < 32; ++j) dst[2 + j] = static_cast<std::uint8_t>(nearest(src[j] * inverse(d), -127, 127));
}

// --- blocks of 256 with 6-bit scales and minima (q4_k, q5_k) --------------------------------------------------------

// Eight scales and eight minima of 6 bits in 12 bytes: bytes 0-3 hold scales 0-3 and bytes 4-7 minima 0-3 in their low
// 6 bits; bytes 8-11 hold the low 4 bits of scale 4-7 (low nibble) and minimum 4-7 (high nibble), whose upper 2 bits
// are the top bits of bytes 0-3 (scales) and 4-7 (minima).
struct ScaleMin {
  int scale;
  int min;
};
ScaleMin scale_min(const std::uint8_t* packed, int j) {
  if (j < 4) return {packed[j] & 63, packed[j + 4] & 63};
  return {(packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4), (packed[j + 4] >> 4) | (packed[j] >> 6 << 4)};
}
void pack_scale_min(const std::array<ScaleMin, 8>& values, std::uint8_t* packed) {
  for (std::size_t j = 0; j < 4; ++j) {
    const ScaleMin low = values[j];
    const ScaleMin high = values[j + 4];
    packed[j] = static_cast<std::uint8_t>(low.scale | (high.scale >> 4 << 6));
    packed[j + 4] = static_cast<std::uint8_t>(low.min | (high.min >> 4 << 6));
    packed[j + 8] = static_cast<std::uint8_t>((high.scale & 15) | ((high.min & 15) << 4));
  }
}

// Sub-block j (32 elements): byte (j / 2) * 32 + l of the nibbles, low ones for even j; its fifth bits are bit j of
// qh[l].
void dequantise_k45(int bits, const std::uint8_t* src, float* dst) {
  const float d = load_half(src);
  const float dmin = load_half(src + 2);
  const std::uint8_t* high = src + 16;
  const std::uint8_t* nibbles = bits == 5 ? src + 48 : src + 16;
  for (int j = 0; j < 8; ++j) {
    const ScaleMin sub = scale_min(src + 4, j);
    const float scale = d * static_cast<float>(sub.scale);
    const float low = dmin * static_cast<float>(sub.min);
    for (int l = 0; l < 32; ++l) {
      int q = nibbles[j / 2 * 32 + l] >> (j % 2 * 4) & 15;
      if (bits == 5) q += (high[l] >> j & 1) << 4;
      dst[j * 32 + l] = scale * static_cast<float>(q) - low;
    }
  }
}

void quantise_k45(int bits, const float* src, std::uint8_t* dst) {
  const int top = (1 << bits) - 1;
  std::array<float, 8> scales{};
  std::array<float, 8> minima{};  // stored as what is subtracted: never negative
  for (std::size_t j = 0; j < 8; ++j) {
    const float* sub = src + j * 32;
    const auto [min, max] = std::minmax_element(sub, sub + 32);
    minima[j] = std::max(0.0F, -*min);
    scales[j] = std::max(0.0F, *max + minima[j]) / static_cast<float>(top);
  }
  const float d = store_half(dst, *std::max_element(scales.begin(), scales.end()) / 63);
  const float dmin = store_half(dst + 2, *std::max_element(minima.begin(), minima.end()) / 63);
  std::array<ScaleMin, 8> quantised{};
  for (std::size_t j = 0; j < 8; ++j) {
    quantised[j] = {nearest(scales[j] * inverse(d), 0, 63), nearest(minima[j] * inverse(dmin), 0, 63)};
  }
  pack_scale_min(quantised, dst + 4);
  std::uint8_t* high = dst + 16;
  std::uint8_t* nibbles = bits == 5 ? dst + 48 : dst + 16;
  std::memset(dst + 16, 0, bits == 5 ? 160 : 128);
  for (int j = 0; j < 8; ++j) {
    const ScaleMin sub = quantised[static_cast<std::size_t>(j)];
    const float step = inverse(d * static_cast<float>(sub.scale));
    const float low = dmin * static_cast<float>(sub.min);
    for (int l = 0; l < 32; ++l) {
      const int q = nearest((src[j * 32 + l] + low) * step, 0, top);
      std::uint8_t& nibble = nibbles[j / 2 * 32 + l];
      nibble = static_cast<std::uint8_t>(nibble | (q & 15) << (j % 2 * 4));
      if (bits == 5) high[l] = static_cast<std::uint8_t>(high[l] | (q >> 4) << j);
    }
  }
}

// --- q6_k ---------------------------------------------------------------------------------------------------------

// Element e of the block: half h = e / 128, quarter r = e / 32 % 4, l = e % 32. Its low 4 bits are in
// ql[h * 64 + r % 2 * 32 + l] (low nibble for r < 2), its upper 2 bits in qh[h * 32 + l] at bit 2 r, its scale is
// s[e / 16].
struct Q6Place {
  int low_byte, low_shift, high_byte, high_shift;
};
Q6Place q6_place(int e) {
  const int half = e / 128;
  const int quarter = e / 32 % 4;
  const int l = e % 32;
  return {half * 64 + quarter % 2 * 32 + l, quarter / 2 * 4, 128 + half * 32 + l, quarter * 2};
}

void dequantise_q6_k(const std::uint8_t* src, float* dst) {
  const float d = load_half(src + 208);
  for (int e = 0; e < 256; ++e) {
    const Q6Place at = q6_place(e);
    const int q = (src[at.low_byte] >> at.low_shift & 15) | (src[at.high_byte] >> at.high_shift & 3) << 4;
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(src[192 + e / 16]));
    dst[e] = scale * static_cast<float>(q - 32);
  }
}

void quantise_q6_k(const float* src, std::uint8_t* dst) {
  std::array<float, 16> scales{};
  float largest = 0;
  for (std::size_t s = 0; s < 16; ++s) {
    const float* sub = src + s * 16;
    const float extreme = *std::max_element(sub, sub + 16, [](float a, float b) { return std::abs(a) < std::abs(b); });
    scales[s] = extreme / -32;
    largest = std::max(largest, std::abs(scales[s]));
  }
  std::memset(dst, 0, 192);
  const float d = store_half(dst + 208, largest / 127);
  for (std::size_t s = 0; s < 16; ++s) {
    dst[192 + s] = static_cast<std::uint8_t>(nearest(scales[s] * inverse(d), -127, 127));
  }
  for (int e = 0; e < 256; ++e) {
    const Q6Place at = q6_place(e);
    const float scale = d * static_cast<float>(static_cast<std::int8_t>(dst[192 + e / 16]));
    const int q = nearest(src[e] * inverse(scale), -32, 31) + 32;
    dst[at.low_byte] = static_cast<std::uint8_t>(dst[at.low_byte] | (q & 15) << at.low_shift);
    dst[at.high_byte] = static_cast<std::uint8_t>(dst[at.high_byte] | (q >> 4) << at.high_shift);
  }
}

void dequantise_block(DType type, const std::uint8_t* src, float* dst) {
  switch (type) {
    case DType::kF32:
      *dst = load<float>(src);
      return;
    case DType::kF16:
      *dst = load_half(src);
      return;
    case DType::kBF16:
      *dst = bf16_to_f32(load<std::uint16_t>(src));
      return;
    case DType::kQ4_0:
      return dequantise_small({4, false}, src, dst);
    case DType::kQ4_1:
      return dequantise_small({4, true}, src, dst);
    case DType::kQ5_0:
      return dequantise_small({5, false}, src, dst);
    case DType::kQ5_1:
      return dequantise_small({5, true}, src, dst);
    case DType::kQ8_0:
      return dequantise_q8_0(src, dst);
    case DType::kQ4_K:
      return dequantise_k45(4, src, dst);
    case DType::kQ5_K:
      return dequantise_k45(5, src, dst);
    case DType::kQ6_K:
      return dequantise_q6_k(src, dst);
  }
}

void quantise_block(DType type, const float* src, std::uint8_t* dst) {
  switch (type) {
    case DType::kF32:
      return store(dst, *src);
    case DType::kF16:
      return store(dst, f32_to_f16(*src));
    case DType::kBF16:
      return store(dst, f32_to_bf16(*src));
    case DType::kQ4_0:
      return quantise_small({4, false}, src, dst);
    case DType::kQ4_1:
      return quantise_small({4, true}, src, dst);
    case DType::kQ5_0:
      return quantise_small({5, false}, src, dst);
    case DType::kQ5_1:
      return quantise_small({5, true}, src, dst);
    case DType::kQ8_0:
      return quantise_q8_0(src, dst);
    case DType::kQ4_K:
      return quantise_k45(4, src, dst);
    case DType::kQ5_K:
      return quantise_k45(5, src, dst);
    case DType::kQ6_K:
      return quantise_q6_k(src, dst);
  }
}

}  // namespace

const DTypeInfo& info(DType type) { return kInfo[static_cast<std::size_t>(type)]; }

std::optional<DType> dtype_from_name(std::string_view name) {
  for (std::size_t i = 0; i < kInfo.size(); ++i) {
    if (kInfo[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::int64_t row_bytes(DType type, std::int64_t k) { return k / info(type).block_elements * info(type).block_bytes; }

void dequantise_row(DType type, const std::byte* src, float* dst, std::int64_t k) {
  const DTypeInfo& format = info(type);
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(src);
  for (std::int64_t e = 0; e < k; e += format.block_elements, bytes += format.block_bytes) {
    dequantise_block(type, bytes, dst + e);
  }
}

void quantise_row(DType type, const float* src, std::byte* dst, std::int64_t k) {
  const DTypeInfo& format = info(type);
  auto* bytes = reinterpret_cast<std::uint8_t*>(dst);
  for (std::int64_t e = 0; e < k; e += format.block_elements, bytes += format.block_bytes) {
    quantise_block(type, src + e, bytes);
  }
}

float f16_to_f32(std::uint16_t h) {
  const std::uint32_t sign = static_cast<std::uint32_t>(h & 0x8000U) << 16;
  const std::uint32_t exponent = h >> 10 & 31U;
  const std::uint32_t mantissa = h & 1023U;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000U | mantissa << 13);
  if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | mantissa << 13);
  // Subnormal: mantissa * 2^-24, exact in float32.
  const float magnitude = static_cast<float>(mantissa) * 0x1.0p-24F;
  return sign != 0 ? -magnitude : magnitude;
}

std::uint16_t f32_to_f16(float f) {
  const auto bits = std::bit_cast<std::uint32_t>(f);
  const std::uint32_t sign = bits >> 16 & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U);  // NaN stays one
  // 65520 and above round to infinity.
  if (magnitude >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);
  if (magnitude < 0x38800000U) {
    // Below the smallest normal half: adding 0.5 puts units of 2^-24 into the lowest bits and rounds to even.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
  }
  const std::uint32_t odd = magnitude >> 13 & 1U;
  return static_cast<std::uint16_t>(sign | ((magnitude - (112U << 23) + 0xfffU + odd) >> 13));
}

float bf16_to_f32(std::uint16_t h) { return std::bit_cast<float>(static_cast<std::uint32_t>(h) << 16); }

std::uint16_t f32_to_bf16(float f) {
  const auto bits = std::bit_cast<std::uint32_t>(f);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40U);  // NaN stays one
  return static_cast<std::uint16_t>((bits + 0x7fffU + (bits >> 16 & 1U)) >> 16);
}

}  // namespace hetero
