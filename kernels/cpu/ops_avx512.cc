// The ops for AVX-512 (F, BW, VL, DQ). Everything between push and pop is compiled for it; headers of the standard
// library stay outside, so that no function shared with other files is.
#if defined(__x86_64__)

// GCC 12 takes the deliberately undefined operands inside its own intrinsics for mistakes of their callers.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/ops_kernels.h"
#include "kernels/work_split.h"

#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"))), \
                             apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,prefer-vector-width=512")
#endif

namespace hetero {
namespace {

struct Simd {
  using F = __m512;
  static constexpr std::int64_t kLanes = 16;
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static F load_first(const float* p, std::int64_t count) { return _mm512_maskz_loadu_ps(mask(count), p); }
  static void store_first(float* p, F x, std::int64_t count) { _mm512_mask_storeu_ps(p, mask(count), x); }
  static F all(float x) { return _mm512_set1_ps(x); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }  // a * b + c
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static F round(F x) { return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F times_power_of_two(F x, F n) { return _mm512_scalef_ps(x, n); }  // n whole, x * 2^n normal
  static F zero_unless_at_least(F x, F limit, F value) {                    // x >= limit ? value : 0
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_GE_OQ), value);
  }
  static float sum(F x) { return _mm512_reduce_add_ps(x); }

 private:
  static __mmask16 mask(std::int64_t count) { return static_cast<__mmask16>((1U << count) - 1U); }
};

#include "kernels/cpu/ops_attention.inc"
#include "kernels/cpu/ops_rows.inc"

}  // namespace

const CpuOps kCpuOpsAvx512 = ops_of_this_file();

}  // namespace hetero

#if defined(__clang__)
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif

#endif  // __x86_64__
