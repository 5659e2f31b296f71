// The vectors of the two AVX2 matmul kernels. Included by those alone.
//
// A vector holds 8 of a panel's 16 rows; a tile takes one half of the panel after the other. The second pass finds the
// panel in the cache: both halves share its lines.
#pragma once

#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/matmul_tiles.h"

#define HETERO_TARGET __attribute__((target("avx2,fma,f16c")))

namespace hetero {

// What matmul_simd.inc asks for.
struct Avx2 {
  using F = __m256;
  using I = __m256i;
  static constexpr int kLanes = 8;

  HETERO_TARGET static I load(const std::byte* p) { return _mm256_loadu_si256(reinterpret_cast<const I*>(p)); }
  HETERO_TARGET static I broadcast_int(const std::byte* p) {
    std::int32_t value;
    std::memcpy(&value, p, sizeof value);
    return _mm256_set1_epi32(value);
  }
  HETERO_TARGET static F all(float x) { return _mm256_set1_ps(x); }
  HETERO_TARGET static F broadcast(const std::byte* p) { return _mm256_castsi256_ps(broadcast_int(p)); }
  HETERO_TARGET static F add(F a, F b) { return _mm256_add_ps(a, b); }
  HETERO_TARGET static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  HETERO_TARGET static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  HETERO_TARGET static F load_floats(const std::byte* p) { return _mm256_castsi256_ps(load(p)); }
  HETERO_TARGET static F load_halves(const std::byte* p) {
    return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  }
  HETERO_TARGET static F load_bytes(const std::byte* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  HETERO_TARGET static F load_first(const float* p, int count) { return _mm256_maskload_ps(p, mask(count)); }
  HETERO_TARGET static void store_first(float* p, F x, int count) { _mm256_maskstore_ps(p, mask(count), x); }

  // Quad `i` (columns 4i..4i+3) of 8 rows, of elements of 6 bits.
  HETERO_TARGET static I load_six_bit_quad(const std::byte* quants, int i) {
    const std::byte* bytes = quants + i / 4 * 192;
    if (i % 4 < 3) return _mm256_and_si256(load(bytes + i % 4 * 64), _mm256_set1_epi8(63));
    const I first = _mm256_and_si256(_mm256_srli_epi16(load(bytes), 2), _mm256_set1_epi8(48));
    const I second = _mm256_and_si256(_mm256_srli_epi16(load(bytes + 64), 4), _mm256_set1_epi8(12));
    const I third = _mm256_and_si256(_mm256_srli_epi16(load(bytes + 128), 6), _mm256_set1_epi8(3));
    return _mm256_or_si256(_mm256_or_si256(first, second), third);
  }

 private:
  HETERO_TARGET static I mask(int count) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};

}  // namespace hetero
