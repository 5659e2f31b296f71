// Matmul with 8-bit activations on AVX-512 VNNI: what the tile of matmul_q8.inc is made of, and the quantiser.
//
// vpdpbusd multiplies unsigned by signed bytes: weights are stored unsigned, activations signed.
//
// Registers of the largest tiles (12 rows of one panel, 6 of two, 4 of three, 3 of four): 12 integer and 12 float
// accumulators, weights, a quad of activations or a scale, a mask; totals lie on the stack, touched once a group. On a
// processor with two multiplying ports each gets 32 dot products, 4 scalings of a block and 1 of a group for 4 blocks
// of a row and panel: 86 % of its VNNI peak is the limit of this design. (With an activation scale for each block it
// would be 80 %.)
//
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

// GCC 12 takes the deliberately undefined operands inside its own AVX-512 headers for our mistakes (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/matmul_tiles.h"

#define HETERO_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace hetero {
namespace {

constexpr int kMaxRows = 12;

// Quads 0, 1 and 2 of a group of 6-bit elements are the low bits of its three vectors; their top bits make quad 3.
HETERO_TARGET inline __m512i low_six(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi8(63)); }

HETERO_TARGET inline __m512i join_top(__m512i first, __m512i second, __m512i third) {
  constexpr int kSelect = 0xca;  // where a bit of the mask is set the second operand, else the third
  __m512i top = _mm512_ternarylogic_epi32(_mm512_set1_epi8(63), _mm512_srli_epi16(second, 2), first, kSelect);
  top = _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), _mm512_srli_epi16(third, 4), top, kSelect);
  return low_six(_mm512_srli_epi16(top, 2));
}

struct Simd {
  using F = __m512;
  using I = __m512i;
  static constexpr int kLanes = 16;
  static constexpr bool kSigned = false;
  static constexpr int vectors(int panels, int /*rows*/) { return panels; }

  HETERO_TARGET static F all(float x) { return _mm512_set1_ps(x); }
  HETERO_TARGET static I all_int(std::int32_t x) { return _mm512_set1_epi32(x); }
  HETERO_TARGET static I broadcast_int(const std::byte* p) {
    std::int32_t value;
    std::memcpy(&value, p, sizeof value);
    return _mm512_set1_epi32(value);
  }
  HETERO_TARGET static F broadcast(const std::byte* p) { return _mm512_castsi512_ps(broadcast_int(p)); }
  HETERO_TARGET static F add(F a, F b) { return _mm512_add_ps(a, b); }
  HETERO_TARGET static I add(I a, I b) { return _mm512_add_epi32(a, b); }
  HETERO_TARGET static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  HETERO_TARGET static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  template <int N>
  HETERO_TARGET static I shift_left(I x) {
    return _mm512_slli_epi32(x, N);
  }
  HETERO_TARGET static F to_float(I x) { return _mm512_cvtepi32_ps(x); }
  HETERO_TARGET static F load_floats(const std::byte* p) { return _mm512_loadu_ps(p); }
  HETERO_TARGET static F load_halves(const std::byte* p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  HETERO_TARGET static F load_bytes(const std::byte* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  HETERO_TARGET static F load_first(const float* p, int count) { return _mm512_maskz_loadu_ps(mask(count), p); }
  HETERO_TARGET static void store_first(float* p, F x, int count) { _mm512_mask_storeu_ps(p, mask(count), x); }

  template <PackedKind K>
  HETERO_TARGET static I load_quad(const std::byte* quants, int i) {
    constexpr PackedTraits t = packed_traits(K);
    if constexpr (t.bits == 4) {
      const __m512i pairs = _mm512_loadu_si512(quants + 64 * (i / 2));
      return _mm512_and_si512(_mm512_srl_epi16(pairs, _mm_cvtsi32_si128(4 * (i % 2))), _mm512_set1_epi8(15));
    } else if constexpr (t.bits == 6) {
      quants += i / 4 * 192;
      if (i % 4 < 3) return low_six(_mm512_loadu_si512(quants + i % 4 * 64));
      return join_top(_mm512_loadu_si512(quants), _mm512_loadu_si512(quants + 64), _mm512_loadu_si512(quants + 128));
    } else {
      return _mm512_loadu_si512(quants + 64 * i);
    }
  }
  template <PackedKind K>
  HETERO_TARGET static I add_dot(I sums, I weights, I quad) {
    return _mm512_dpbusd_epi32(sums, weights, quad);
  }

  // Adds a quad of columns: each quad of activations is fetched once for all panels.
  template <int V, int R>
  HETERO_TARGET static void add_quad(I (&sums)[V * R], const I (&weights)[V], const std::byte* activations) {
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) {
      const I quad = broadcast_int(activations + 4 * r);
      HETERO_UNROLL
      for (int v = 0; v < V; ++v) sums[v * R + r] = _mm512_dpbusd_epi32(sums[v * R + r], weights[v], quad);
    }
  }

  template <PackedKind K, int V, int R>
  HETERO_TARGET static void add_plane(I (&sums)[V * R], const std::byte* const (&quants)[V],
                                      const std::byte* activations, int g) {
    constexpr PackedTraits t = packed_traits(K);
    constexpr int kQuads = 8 / t.groups;  // of four columns, in a group
    const I low_nibbles = _mm512_set1_epi8(15);
    if constexpr (t.bits == 4) {
      HETERO_UNROLL
      for (int i = 0; i < 4; ++i) {
        I low[V], high[V];
        HETERO_UNROLL
        for (int v = 0; v < V; ++v) {
          const I pairs = _mm512_loadu_si512(quants[v] + 64 * i);
          low[v] = _mm512_and_si512(pairs, low_nibbles);
          high[v] = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), low_nibbles);
        }
        add_quad<V, R>(sums, low, activations + 4 * R * (2 * i));
        add_quad<V, R>(sums, high, activations + 4 * R * (2 * i + 1));
      }
    } else if constexpr (t.bits == 6) {
      I raw[3][V], weights[V];
      HETERO_UNROLL
      for (int i = 0; i < 3; ++i) {
        HETERO_UNROLL
        for (int v = 0; v < V; ++v) {
          raw[i][v] = _mm512_loadu_si512(quants[v] + 64 * (3 * g + i));
          weights[v] = low_six(raw[i][v]);
        }
        add_quad<V, R>(sums, weights, activations + 4 * R * (4 * g + i));
      }
      HETERO_UNROLL
      for (int v = 0; v < V; ++v) weights[v] = join_top(raw[0][v], raw[1][v], raw[2][v]);
      add_quad<V, R>(sums, weights, activations + 4 * R * (4 * g + 3));
    } else {
      HETERO_UNROLL
      for (int i = g * kQuads; i < (g + 1) * kQuads; ++i) {
        I weights[V];
        HETERO_UNROLL
        for (int v = 0; v < V; ++v) weights[v] = _mm512_loadu_si512(quants[v] + 64 * i);
        add_quad<V, R>(sums, weights, activations + 4 * R * i);
      }
    }
  }

 private:
  static __mmask16 mask(int count) { return static_cast<__mmask16>(count >= kLanes ? 0xffff : (1u << count) - 1); }
};

#include "kernels/cpu/matmul_q8.inc"

// sums[i] = sum of bytes 16i..16i+15, for i in 0..3.
HETERO_TARGET inline void sum_bytes(__m512i bytes, std::int32_t* sums) {
  __m512i quads = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
  quads = _mm512_add_epi32(quads, _mm512_shuffle_epi32(quads, _MM_PERM_BADC));
  quads = _mm512_add_epi32(quads, _mm512_shuffle_epi32(quads, _MM_PERM_CDAB));
  const __m512i first_of_each = _mm512_maskz_compress_epi32(0x1111, quads);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(sums), _mm512_castsi512_si128(first_of_each));
}

// Quantises 16 columns; writes their high where there are outliers.
HETERO_TARGET inline __m128i quantise_half(const float* x, __m512 per_unit, __mmask16 outliers, std::int8_t* high) {
  __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), per_unit));
  if (outliers != 0) {
    const __m512i rounded = _mm512_add_epi32(q, _mm512_set1_epi32(1 << (kLowBits - 1)));
    const __m512i of_outliers = _mm512_maskz_srai_epi32(outliers, rounded, kLowBits);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(high), _mm512_cvtsepi32_epi8(of_outliers));
    q = _mm512_sub_epi32(q, _mm512_slli_epi32(of_outliers, kLowBits));
  }
  return _mm512_cvtsepi32_epi8(q);
}

HETERO_TARGET void quantise_group(const float* x, int blocks, float limit, QuantisedGroup& out) {
  const __m512 limits = _mm512_set1_ps(limit);
  __m512 narrow = _mm512_setzero_ps(), all = _mm512_setzero_ps();
  __mmask16 outliers[2 * kGroupBlocks] = {};
  for (int half = 0; half < 2 * blocks; ++half) {
    const __m512 magnitude = _mm512_abs_ps(_mm512_loadu_ps(x + 16 * half));
    outliers[half] = _mm512_cmp_ps_mask(magnitude, limits, _CMP_GT_OQ);
    narrow = _mm512_mask_max_ps(narrow, static_cast<__mmask16>(~outliers[half]), narrow, magnitude);
    all = _mm512_max_ps(all, magnitude);
  }
  std::copy(outliers, outliers + 2 * kGroupBlocks, out.outliers);
  const Step step = step_for(_mm512_reduce_max_ps(narrow), _mm512_reduce_max_ps(all));
  out.scale = step.scale;
  const __m512 per_unit = _mm512_set1_ps(step.per_unit);
  for (int first = 0; first < 2 * blocks; first += 4) {  // 64 columns, where there are as many
    const auto half = [&](int i)
                          HETERO_TARGET { return quantise_half(x + 16 * i, per_unit, outliers[i], out.high + 16 * i); };
    __m512i bytes = _mm512_castsi128_si512(half(first));
    bytes = _mm512_inserti32x4(bytes, half(first + 1), 1);
    const bool two_blocks = first + 2 < 2 * blocks;
    bytes = _mm512_inserti32x4(bytes, two_blocks ? half(first + 2) : _mm_setzero_si128(), 2);
    bytes = _mm512_inserti32x4(bytes, two_blocks ? half(first + 3) : _mm_setzero_si128(), 3);
    _mm512_storeu_si512(out.low + 16 * first, bytes);
    sum_bytes(bytes, out.low_sums + first);
  }
}

HETERO_TARGET void add_squares(const float* x, std::int64_t count, float (&lanes)[16]) {
  __m512 sums = _mm512_loadu_ps(lanes);
  for (std::int64_t i = 0; i < count; ++i) {
    const __m512 value = _mm512_loadu_ps(x + 16 * i);
    sums = _mm512_add_ps(sums, _mm512_mul_ps(value, value));
  }
  _mm512_storeu_ps(lanes, sums);
}

constexpr Quantiser kQuantiser = {quantise_group, add_squares};
constexpr std::int64_t kPanels[] = {1, 2, 3, 4}, kStreams[] = {1, 2, 4};
constexpr MatmulParam kParams[] = {
    {"panels", &MatmulTuning::panels, kPanels, kSeveralRows,
     "panels of 16 output features of a tile, by 12 / panels rows"},
    {"streams", &MatmulTuning::streams, kStreams, kOneRowOnly, "panels that are read side by side"},
    kCacheParam,
    kChunkParam,
    kPrefetchParam};

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulAvx512VnniPath, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulAvx512VnniPath = {.form = ActivationForm::kQ8,
                                              .quantiser = &kQuantiser,
                                              .tuning = {.rows = kMaxRows, .panels = 2},
                                              .params = kParams,
                                              .max_rows = kMaxRows,
                                              .tiles = {nullptr, &kTiles<1, kMaxRows>, &kTiles<2, kMaxRows / 2>,
                                                        &kTiles<3, kMaxRows / 3>, &kTiles<4, kMaxRows / 4>}};
const HostKernel kMatmulAvx512Vnni = matmul_kernel(kMatmulAvx512VnniPath, run);

}  // namespace hetero

#endif
