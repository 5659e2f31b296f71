// Matmul with 8-bit activations on AVX-512 VNNI. Layouts: pack.h (weights), matmul_tiles.h (activations).
//
// vpdpbusd multiplies unsigned by signed bytes: weights are stored unsigned, activations signed, and the integer sums
// start at -zero * sum(activations), so that they end as the sum over (q - zero) * activation, exactly. A block of 32
// columns (16 for kQ8Group16) then becomes float: sum * weight scale * activation scale. In a wide block the sum over
// the high plane is shifted and the low plane added to it: one more read of the weights, which are in L1. The only
// error beside float rounding is that of the 8-bit (15-bit) activations.
//
// Registers of the largest tile (12 rows): 12 integer and 12 float accumulators, 2 of weights, 1 of scales, a mask.
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

// GCC 12 takes the deliberately undefined operands inside its own AVX-512 headers for our mistakes (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include <cstring>

#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/matmul_tiles.h"

#define HETERO_AVX512_VNNI __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

namespace hetero {
namespace {

constexpr int kMaxRows = 12;

HETERO_AVX512_VNNI inline __m512i broadcast_dword(const std::byte* p) {
  std::int32_t value;
  std::memcpy(&value, p, sizeof value);
  return _mm512_set1_epi32(value);
}

HETERO_AVX512_VNNI inline __m512 broadcast_float(const std::byte* p) { return _mm512_castsi512_ps(broadcast_dword(p)); }

template <int Bytes>
HETERO_AVX512_VNNI inline __m512 load_figures(const std::byte* p) {
  if constexpr (Bytes == 2) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  } else {
    return _mm512_loadu_ps(p);
  }
}

template <int R>
HETERO_AVX512_VNNI inline void add_dot(__m512i (&sums)[R], __m512i weights, const std::byte* activations) {
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) sums[r] = _mm512_dpbusd_epi32(sums[r], weights, broadcast_dword(activations + 4 * r));
}

// Adds group g of one plane of the activations, times the weights.
template <PackedKind K, int R>
HETERO_AVX512_VNNI inline void add_plane(__m512i (&sums)[R], const std::byte* quants, const std::byte* activations,
                                         int g) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr int kQuads = 8 / t.groups;  // of four columns, in a group
  const __m512i low_nibbles = _mm512_set1_epi8(15);
  if constexpr (t.bits == 4) {
    HETERO_UNROLL
    for (int i = 0; i < 4; ++i) {
      const __m512i pairs = _mm512_loadu_si512(quants + 64 * i);
      add_dot<R>(sums, _mm512_and_si512(pairs, low_nibbles), activations + 4 * R * (2 * i));
      add_dot<R>(sums, _mm512_and_si512(_mm512_srli_epi16(pairs, 4), low_nibbles), activations + 4 * R * (2 * i + 1));
    }
  } else {
    HETERO_UNROLL
    for (int i = g * kQuads; i < (g + 1) * kQuads; ++i) {
      add_dot<R>(sums, _mm512_loadu_si512(quants + 64 * i), activations + 4 * R * i);
    }
  }
}

template <PackedKind K, int R>
HETERO_AVX512_VNNI inline void start(__m512i (&sums)[R], const std::byte* starts, int g) {
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    sums[r] = packed_traits(K).min_bytes > 0 ? _mm512_setzero_si512() : broadcast_dword(starts + 4 * (g * R + r));
  }
}

template <PackedKind K, int R>
HETERO_AVX512_VNNI void tile(const TileArgs& args) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr auto kLowPlane = static_cast<std::int64_t>(R * (low_row_bytes(t) - kBlockColumns));  // behind its starts
  const std::byte* w = args.weights;
  const std::byte* a = args.activations;
  __m512 total[R];
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) total[r] = _mm512_setzero_ps();

  for (std::int64_t block = 0; block < args.blocks; ++block) {
    const std::byte* corrections = a + 4 * R;
    const std::byte* activations = corrections + 4 * R * t.groups;
    const std::byte* quants = w + t.quants_offset();
    const std::byte* low = args.low + block * static_cast<std::int64_t>(R * low_row_bytes(t));
    const bool wide = R == 1 || flagged(args.wide + 4 * block);
    if constexpr (R == 1) prefetch_block<t.block_bytes()>(w);
    HETERO_UNROLL
    for (int g = 0; g < t.groups; ++g) {
      __m512i sums[R];
      start<K, R>(sums, corrections, g);
      add_plane<K, R>(sums, quants, activations, g);
      if (wide) {
        __m512i low_sums[R];
        start<K, R>(low_sums, low, g);
        if constexpr (R == 1) {  // two short chains of dot products, not a long one
          add_plane<K, R>(low_sums, quants, low + kLowPlane, g);
          sums[0] = _mm512_add_epi32(_mm512_slli_epi32(sums[0], kLowBits), low_sums[0]);
        } else {
          HETERO_UNROLL
          for (int r = 0; r < R; ++r) sums[r] = _mm512_add_epi32(_mm512_slli_epi32(sums[r], kLowBits), low_sums[r]);
          add_plane<K, R>(sums, quants, low + kLowPlane, g);
        }
      }
      const __m512 scale = load_figures<t.scale_bytes>(w + g * kPanelRows * t.scale_bytes);
      HETERO_UNROLL
      for (int r = 0; r < R; ++r) {
        const __m512 both = _mm512_mul_ps(scale, broadcast_float(a + 4 * r));
        total[r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[r]), both, total[r]);
      }
    }
    if constexpr (t.min_bytes > 0) {
      const __m512 min = load_figures<t.min_bytes>(w + t.mins_offset());
      HETERO_UNROLL
      for (int r = 0; r < R; ++r) total[r] = _mm512_fmadd_ps(min, broadcast_float(corrections + 4 * r), total[r]);
    }
    w += t.block_bytes();
    a += R * activation_row_bytes(ActivationForm::kQ8, t);
  }

  const auto present = static_cast<__mmask16>((1u << args.columns) - 1);
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    __m512 value = total[r];
    if (args.residual.data != nullptr) {
      value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(present, args.residual.data + r * args.residual.stride));
    }
    _mm512_mask_storeu_ps(args.out.data + r * args.out.stride, present, value);
  }
}

HETERO_AVX512_VNNI inline float largest_of(__m512 x0, __m512 x1) {
  return _mm512_reduce_max_ps(_mm512_max_ps(_mm512_abs_ps(x0), _mm512_abs_ps(x1)));
}

HETERO_AVX512_VNNI inline __m512i quantised(__m512 x, float per_unit) {
  return _mm512_cvtps_epi32(_mm512_mul_ps(x, _mm512_set1_ps(per_unit)));
}

HETERO_AVX512_VNNI inline std::int32_t store_half(std::int8_t* dst, __m512i q) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(dst), _mm512_cvtsepi32_epi8(q));
  return _mm512_reduce_add_epi32(q);
}

HETERO_AVX512_VNNI float narrow(const float* x, std::int8_t* high, PlaneSums& sums) {
  const __m512 x0 = _mm512_loadu_ps(x), x1 = _mm512_loadu_ps(x + 16);
  const float largest = largest_of(x0, x1), per_unit = steps_per_unit(largest);
  sums.half[0] = store_half(high, quantised(x0, per_unit));
  sums.half[1] = store_half(high + 16, quantised(x1, per_unit));
  return largest;
}

HETERO_AVX512_VNNI float wide(const float* x, std::int8_t* high, std::int8_t* low, PlaneSums (&sums)[2]) {
  const __m512 x16[2] = {_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)};
  const float largest = largest_of(x16[0], x16[1]), per_unit = steps_per_unit(largest) * kLowScale;
  const __m512i half = _mm512_set1_epi32(1 << (kLowBits - 1));
  for (int i = 0; i < 2; ++i) {
    const __m512i q = quantised(x16[i], per_unit);
    const __m512i h = _mm512_srai_epi32(_mm512_add_epi32(q, half), kLowBits);
    sums[0].half[i] = store_half(high + 16 * i, h);
    sums[1].half[i] = store_half(low + 16 * i, _mm512_sub_epi32(q, _mm512_slli_epi32(h, kLowBits)));
  }
  return largest;
}

HETERO_AVX512_VNNI void add_squares(const float* x, std::int64_t groups, float (&lanes)[16]) {
  __m512 sums = _mm512_loadu_ps(lanes);
  for (std::int64_t i = 0; i < groups; ++i) {
    const __m512 value = _mm512_loadu_ps(x + 16 * i);
    sums = _mm512_add_ps(sums, _mm512_mul_ps(value, value));
  }
  _mm512_storeu_ps(lanes, sums);
}

template <PackedKind K, int... Index>
constexpr TileTable table(std::integer_sequence<int, Index...>) {
  return {nullptr, &tile<K, Index + 1>...};
}
template <int... Kind>
constexpr TileTables tables(std::integer_sequence<int, Kind...>) {
  return {table<static_cast<PackedKind>(Kind)>(std::make_integer_sequence<int, kMaxRows>())...};
}
constexpr TileTables kTiles = tables(std::make_integer_sequence<int, kQuantisedKinds>());

constexpr BlockQuantiser kQuantiser = {narrow, wide, add_squares};
constexpr MatmulPath kPath = {ActivationForm::kQ8, kMaxRows, &kQuantiser, &kTiles};

void run(const HostOp& op, int phase, int worker, int workers) { run_matmul(kPath, op, phase, worker, workers); }

}  // namespace

const HostKernel kMatmulAvx512Vnni = {2, run, q8_workspace_bytes, packed_weight_bytes, pack_weight};

}  // namespace hetero

#endif
