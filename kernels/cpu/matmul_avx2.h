// What the two AVX2 matmul kernels share: loads and the end of a tile. Included by those alone.
//
// A vector holds 8 of a panel's 16 rows; a tile takes one half of the panel after the other. The second pass finds the
// panel in the cache: both halves share its lines.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/matmul_tiles.h"

#define HETERO_AVX2 __attribute__((target("avx2,fma,f16c")))

namespace hetero::avx2 {

inline constexpr int kLanes = 8;

HETERO_AVX2 inline __m256i load_bytes(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

HETERO_AVX2 inline __m256i broadcast_dword(const std::byte* p) {
  std::int32_t value;
  std::memcpy(&value, p, sizeof value);
  return _mm256_set1_epi32(value);
}

HETERO_AVX2 inline __m256 broadcast_float(const std::byte* p) { return _mm256_castsi256_ps(broadcast_dword(p)); }

// 8 scales, mins or floats. `factors`: of those of one byte.
template <int Bytes>
HETERO_AVX2 inline __m256 load_figures(const std::byte* p, const std::byte* factors = nullptr) {
  if constexpr (Bytes == 1) {
    const __m128i integers = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p));
    return _mm256_mul_ps(load_figures<2>(factors), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(integers)));
  } else if constexpr (Bytes == 2) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  } else {
    return _mm256_castsi256_ps(load_bytes(p));
  }
}

// Of 8 rows of a block from `lane0` on: the scales of group g, the mins.
template <PackedKind K>
HETERO_AVX2 inline __m256 load_scales(const std::byte* block, int g, int lane0) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* scales = block + t.scales_offset() + (g * kPanelRows + lane0) * t.scale_bytes;
  return load_figures<t.scale_bytes>(scales, block + 2 * lane0);
}

template <PackedKind K>
HETERO_AVX2 inline __m256 load_mins(const std::byte* block, int lane0) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* factors = block + t.min_factors_offset() + 2 * lane0;
  return load_figures<t.min_bytes>(block + t.mins_offset() + lane0 * t.min_bytes, factors);
}

// Quad `i` (columns 4i..4i+3) of 8 rows, of elements of 6 bits.
HETERO_AVX2 inline __m256i load_six_bit_quad(const std::byte* quants, int i) {
  const std::byte* bytes = quants + i / 4 * 192;
  if (i % 4 < 3) return _mm256_and_si256(load_bytes(bytes + i % 4 * 64), _mm256_set1_epi8(63));
  const __m256i first = _mm256_and_si256(_mm256_srli_epi16(load_bytes(bytes), 2), _mm256_set1_epi8(48));
  const __m256i second = _mm256_and_si256(_mm256_srli_epi16(load_bytes(bytes + 64), 4), _mm256_set1_epi8(12));
  const __m256i third = _mm256_and_si256(_mm256_srli_epi16(load_bytes(bytes + 128), 6), _mm256_set1_epi8(3));
  return _mm256_or_si256(_mm256_or_si256(first, second), third);
}

// Writes 8 features of row r from feature `lane0` of the panel on; adds the residual.
HETERO_AVX2 inline void store(const TileArgs& args, int r, int lane0, __m256 value) {
  const __m256i lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
  const __m256i present = _mm256_cmpgt_epi32(_mm256_set1_epi32(args.columns - lane0), lanes);
  if (args.residual.data != nullptr) {
    const float* residual = args.residual.data + r * args.residual.stride + lane0;
    value = _mm256_add_ps(value, _mm256_maskload_ps(residual, present));
  }
  _mm256_maskstore_ps(args.out.data + r * args.out.stride + lane0, present, value);
}

}  // namespace hetero::avx2
