#include "tuner/apps/limits_kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace hetero {
namespace {

// Enough independent sums to cover the latency of 4 or 5 cycles at two operations a cycle.
constexpr int kSums = 12;

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) float fma_avx2(std::int64_t iterations) {
  __m256 sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 a = _mm256_set1_ps(0.999F);
  const __m256 b = _mm256_set1_ps(0.001F);
  for (std::int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm256_fmadd_ps(sums[i], a, b);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm256_add_ps(sums[0], sums[i]);
  return _mm256_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f"))) float fma_avx512(std::int64_t iterations) {
  __m512 sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 a = _mm512_set1_ps(0.999F);
  const __m512 b = _mm512_set1_ps(0.001F);
  for (std::int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_fmadd_ps(sums[i], a, b);
  }
  for (int i = 1; i < kSums; ++i) sums[0] = _mm512_add_ps(sums[0], sums[i]);
  return _mm512_cvtss_f32(sums[0]);
}

__attribute__((target("avx512f,avx512vnni"))) float dot_avx512_vnni(std::int64_t iterations) {
  __m512i sums[kSums];
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_epi32(i);
  const __m512i a = _mm512_set1_epi8(3);
  const __m512i b = _mm512_set1_epi8(-5);
  for (std::int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_dpbusd_epi32(sums[i], a, b);
  }
  // Through memory: GCC 12 warns of uninitialised values inside its own header for the shorter ways.
  alignas(64) std::int32_t lanes[16];
  std::int64_t total = 0;
  for (const __m512i& sum : sums) {
    _mm512_store_si512(lanes, sum);
    total += lanes[0];
  }
  return static_cast<float>(total);
}

#endif

float multiply_add_portable(std::int64_t iterations) {
  float sums[kSums * 4];
  for (int i = 0; i < kSums * 4; ++i) sums[i] = static_cast<float>(i);
  for (std::int64_t n = 0; n < iterations; ++n) {
    for (float& sum : sums) sum = sum * 0.999F + 0.001F;
  }
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

}  // namespace

std::vector<PeakLoop> peak_loops() {
  std::vector<PeakLoop> loops;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    loops.push_back({"f32 FMA, AVX2", 2.0 * 8 * kSums, fma_avx2});
  }
  if (__builtin_cpu_supports("avx512f")) loops.push_back({"f32 FMA, AVX-512", 2.0 * 16 * kSums, fma_avx512});
  if (__builtin_cpu_supports("avx512vnni")) {
    loops.push_back({"8-bit dot, AVX-512 VNNI", 2.0 * 64 * kSums, dot_avx512_vnni});
  }
#endif
  if (loops.empty()) loops.push_back({"f32 multiply-add, as compiled", 2.0 * 4 * kSums, multiply_add_portable});
  return loops;
}

std::uint64_t read_words(const std::uint64_t* data, std::int64_t words) {
  // Eight sums, so that additions do not wait for each other; the compiler makes vectors of them.
  std::uint64_t sums[8] = {};
  constexpr std::int64_t kAhead = 1024;  // 8 KiB: what hardware prefetchers leave waiting at the ends of pages
  for (std::int64_t i = 0; i < words; i += 8) {
    __builtin_prefetch(data + i + kAhead);  // beyond the end it is harmless
    for (int lane = 0; lane < 8; ++lane) sums[lane] += data[i + lane];
  }
  std::uint64_t total = 0;
  for (const std::uint64_t sum : sums) total += sum;
  return total;
}

}  // namespace hetero
