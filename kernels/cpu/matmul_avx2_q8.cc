// Matmul with 8-bit activations on AVX2: what the tile of matmul_q8.inc is made of, and the quantiser.
//
// vpmaddubsw multiplies unsigned by signed bytes and adds pairs into 16 bits with saturation, so products are kept
// small enough that no sum of them can saturate:
//   weights of at most 15 (31, 63): 2 * 15 * 127 * 8 (2 * 31 * 127 * 4, 2 * 63 * 127 * 2) fit, and as many are added
//   before widening;
//   weights with zero 128: |weight| is the unsigned factor and the activation takes its sign: 2 * 128 * 127 fit once.
//
// Registers of a tile of 4 rows and 8 features, the default: 4 sums, 4 totals, weights, a product, two constants.
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/matmul_avx2.h"
#include "kernels/cpu/matmul_kernels.h"

namespace hetero {
namespace {

constexpr int kMaxRows = 6;

// Products of a weight quad that fit in 16 bits together.
constexpr int quads_before_widening(const PackedTraits& t) {
  if (t.zero == 128) return 1;
  return t.bits == 4 ? 8 : t.bits == 6 ? 2 : 4;
}

struct Simd : Avx2 {
  static constexpr bool kSigned = true;
  static constexpr int vectors(int panels, int rows) { return rows == 1 ? 2 * panels : 1; }  // one row: streams

  HETERO_TARGET static I all_int(std::int32_t x) { return _mm256_set1_epi32(x); }
  using Avx2::add;
  HETERO_TARGET static I add(I a, I b) { return _mm256_add_epi32(a, b); }
  template <int N>
  HETERO_TARGET static I shift_left(I x) {
    return _mm256_slli_epi32(x, N);
  }
  HETERO_TARGET static F to_float(I x) { return _mm256_cvtepi32_ps(x); }

  template <PackedKind K>
  HETERO_TARGET static I load_quad(const std::byte* quants, int i) {
    constexpr PackedTraits t = packed_traits(K);
    if constexpr (t.bits == 8) {
      const I q = load(quants + 64 * i);
      return t.zero == 128 ? _mm256_xor_si256(q, _mm256_set1_epi8(-128)) : q;
    } else if constexpr (t.bits == 6) {
      return load_six_bit_quad(quants, i);
    } else {
      const I pairs = load(quants + 64 * (i / 2));
      return _mm256_and_si256(i % 2 == 0 ? pairs : _mm256_srli_epi16(pairs, 4), _mm256_set1_epi8(15));
    }
  }

  // Of a weight quad, in 16 bits: two sums a lane.
  template <PackedKind K>
  HETERO_TARGET static I product(I weights, I activations) {
    if constexpr (packed_traits(K).zero == 128) {
      return _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(activations, weights));
    } else {
      return _mm256_maddubs_epi16(weights, activations);
    }
  }
  HETERO_TARGET static I widened(I sums) { return _mm256_madd_epi16(sums, _mm256_set1_epi16(1)); }

  template <PackedKind K>
  HETERO_TARGET static I add_dot(I sums, I weights, I quad) {
    return add(sums, widened(product<K>(weights, quad)));
  }

  template <PackedKind K, int V, int R>
  HETERO_TARGET static void add_plane(I (&sums)[V * R], const std::byte* const (&quants)[V],
                                      const std::byte* activations, int g) {
    constexpr PackedTraits t = packed_traits(K);
    constexpr int kTogether = quads_before_widening(t);
    constexpr int kQuads = 8 / t.groups;
    HETERO_UNROLL
    for (int v = 0; v < V; ++v) {
      HETERO_UNROLL
      for (int i = g * kQuads; i < (g + 1) * kQuads; i += kTogether) {
        I narrow[R];
        HETERO_UNROLL
        for (int j = i; j < i + kTogether; ++j) {
          const I weights = load_quad<K>(quants[v], j);
          HETERO_UNROLL
          for (int r = 0; r < R; ++r) {
            const I p = product<K>(weights, broadcast_int(activations + 4 * (R * j + r)));
            narrow[r] = j == i ? p : _mm256_add_epi16(narrow[r], p);
          }
        }
        HETERO_UNROLL
        for (int r = 0; r < R; ++r) sums[v * R + r] = add(sums[v * R + r], widened(narrow[r]));
      }
    }
  }
};

#include "kernels/cpu/matmul_q8.inc"

HETERO_TARGET float largest_lane(__m256 x) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

HETERO_TARGET std::int32_t sum_of_lanes(__m256i x) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

// Stores a block's q.
HETERO_TARGET inline void store_bytes(const __m256i (&q)[4], std::int8_t* dst) {
  // Packing works within 128-bit lanes: dwords come out as 0,4,1,5 of the wanted order.
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm256_permutevar8x32_epi32(packed, order));
}

HETERO_TARGET void quantise_group(const float* x, int blocks, float limit, QuantisedGroup& out) {
  const __m256 sign = _mm256_set1_ps(-0.0f), limits = _mm256_set1_ps(limit);
  __m256 narrow = _mm256_setzero_ps(), all = _mm256_setzero_ps();
  for (int half = 0; half < 2 * blocks; ++half) {
    int outliers = 0;
    for (int i = 0; i < 2; ++i) {
      const __m256 magnitude = _mm256_andnot_ps(sign, _mm256_loadu_ps(x + 16 * half + 8 * i));
      const __m256 above = _mm256_cmp_ps(magnitude, limits, _CMP_GT_OQ);
      outliers |= _mm256_movemask_ps(above) << (8 * i);
      narrow = _mm256_max_ps(narrow, _mm256_andnot_ps(above, magnitude));
      all = _mm256_max_ps(all, magnitude);
    }
    out.outliers[half] = static_cast<std::uint16_t>(outliers);
  }
  const Step step = step_for(largest_lane(narrow), largest_lane(all));
  out.scale = step.scale;
  const __m256 per_unit = _mm256_set1_ps(step.per_unit);
  for (int b = 0; b < blocks; ++b) {
    const int column = kBlockColumns * b;
    const unsigned outliers = out.outliers[2 * b] | static_cast<unsigned>(out.outliers[2 * b + 1]) << 16;
    __m256i q[4];
    for (int i = 0; i < 4; ++i) {
      q[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + column + 8 * i), per_unit));
    }
    if (outliers != 0) {
      const __m256i bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
      __m256i high[4];
      for (int i = 0; i < 4; ++i) {
        const __m256i of_lanes = _mm256_and_si256(_mm256_set1_epi32(static_cast<int>(outliers >> (8 * i) & 255)), bits);
        const __m256i rounded = _mm256_add_epi32(q[i], _mm256_set1_epi32(1 << (kLowBits - 1)));
        high[i] = _mm256_and_si256(_mm256_srai_epi32(rounded, kLowBits), _mm256_cmpeq_epi32(of_lanes, bits));
        q[i] = _mm256_sub_epi32(q[i], _mm256_slli_epi32(high[i], kLowBits));
      }
      store_bytes(high, out.high + column);
    }
    store_bytes(q, out.low + column);
    out.low_sums[2 * b] = sum_of_lanes(_mm256_add_epi32(q[0], q[1]));
    out.low_sums[2 * b + 1] = sum_of_lanes(_mm256_add_epi32(q[2], q[3]));
  }
}

HETERO_TARGET void add_squares(const float* x, std::int64_t count, float (&lanes)[16]) {
  __m256 sums[2] = {_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8)};
  for (std::int64_t i = 0; i < 2 * count; ++i) {
    const __m256 value = _mm256_loadu_ps(x + 8 * i);
    sums[i % 2] = _mm256_add_ps(sums[i % 2], _mm256_mul_ps(value, value));
  }
  _mm256_storeu_ps(lanes, sums[0]);
  _mm256_storeu_ps(lanes + 8, sums[1]);
}

constexpr Quantiser kQuantiser = {quantise_group, add_squares};
// Four rows by 8 features are what the 16 registers hold; with six, sums move to the stack and weights serve more rows.
constexpr std::int64_t kRows[] = {3, 4, kMaxRows}, kStreams[] = {1, 2};
constexpr MatmulParam kParams[] = {{"rows", &MatmulTuning::rows, kRows, kSeveralRows, "rows of a tile, at most"},
                                   {"streams", &MatmulTuning::streams, kStreams, kOneRowOnly,
                                    "panels of 16 output features that are read side by side"},
                                   kCacheParam,
                                   kChunkParam,
                                   kPrefetchParam};

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulAvx2Q8Path, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulAvx2Q8Path = {.form = ActivationForm::kQ8,
                                          .quantiser = &kQuantiser,
                                          .tuning = {.rows = 4},
                                          .params = kParams,
                                          .max_rows = kMaxRows,
                                          .tiles = {nullptr, &kTiles<1, kMaxRows>, &kTiles<2, 1>}};
const HostKernel kMatmulAvx2Q8 = matmul_kernel(kMatmulAvx2Q8Path, run);

}  // namespace hetero

#endif
