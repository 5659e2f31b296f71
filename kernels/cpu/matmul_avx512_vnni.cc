// Matmul with 8-bit activations on AVX-512 VNNI. Layouts: pack.h (weights), matmul_tiles.h (activations).
//
// vpdpbusd multiplies unsigned by signed bytes: weights are stored unsigned, activations signed, and the integer sums
// start at -zero * sum(activations), so that they end as the sum over (q - zero) * activation, exactly. A block of 32
// columns (16 for kQ8Group16) then becomes float: sum * weight scale * activation scale. The low planes of wide blocks
// follow in a pass of their own, so that the long loop keeps all in registers; of a row alone, whose weights come from
// memory, both planes are summed as they pass. The only error beside float rounding is that of the 8-bit (15-bit)
// activations.
//
// Registers of the largest tiles (12 rows of one panel, 6 rows of two): 12 integer and 12 float accumulators, 2 or 4 of
// weights, 1 of activations or 2 of scales, a mask. Of 10 operations on the two multiplying ports, 8 are dot products
// (the others scale a block's sums): 80 % of the processor's VNNI peak is the limit of this design.
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
constexpr int kMaxPairRows = 6;

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

// Adds a quad of columns of P panels times R rows: each quad of activations is fetched once for all panels.
template <int P, int R>
HETERO_AVX512_VNNI inline void add_dot(__m512i (&sums)[P * R], const __m512i (&weights)[P],
                                       const std::byte* activations) {
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m512i quad = broadcast_dword(activations + 4 * r);
    HETERO_UNROLL
    for (int p = 0; p < P; ++p) sums[p * R + r] = _mm512_dpbusd_epi32(sums[p * R + r], weights[p], quad);
  }
}

// Adds group g of one plane of the activations, times the weights.
template <PackedKind K, int P, int R>
HETERO_AVX512_VNNI inline void add_plane(__m512i (&sums)[P * R], const std::byte* quants, std::int64_t panel_bytes,
                                         const std::byte* activations, int g) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr int kQuads = 8 / t.groups;  // of four columns, in a group
  const __m512i low_nibbles = _mm512_set1_epi8(15);
  if constexpr (t.bits == 4) {
    HETERO_UNROLL
    for (int i = 0; i < 4; ++i) {
      __m512i low[P], high[P];
      HETERO_UNROLL
      for (int p = 0; p < P; ++p) {
        const __m512i pairs = _mm512_loadu_si512(quants + p * panel_bytes + 64 * i);
        low[p] = _mm512_and_si512(pairs, low_nibbles);
        high[p] = _mm512_and_si512(_mm512_srli_epi16(pairs, 4), low_nibbles);
      }
      add_dot<P, R>(sums, low, activations + 4 * R * (2 * i));
      add_dot<P, R>(sums, high, activations + 4 * R * (2 * i + 1));
    }
  } else {
    HETERO_UNROLL
    for (int i = g * kQuads; i < (g + 1) * kQuads; ++i) {
      __m512i weights[P];
      HETERO_UNROLL
      for (int p = 0; p < P; ++p) weights[p] = _mm512_loadu_si512(quants + p * panel_bytes + 64 * i);
      add_dot<P, R>(sums, weights, activations + 4 * R * i);
    }
  }
}

template <PackedKind K, int P, int R>
HETERO_AVX512_VNNI inline void start(__m512i (&sums)[P * R], const std::byte* starts, int g) {
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m512i first =
        packed_traits(K).min_bytes > 0 ? _mm512_setzero_si512() : broadcast_dword(starts + 4 * (g * R + r));
    HETERO_UNROLL
    for (int p = 0; p < P; ++p) sums[p * R + r] = first;
  }
}

// total += sums * (scale of the panel's row and group) * (scale of the activations' row, times `unit`).
template <PackedKind K, int P, int R>
HETERO_AVX512_VNNI inline void add_scaled(__m512 (&total)[P * R], const __m512i (&sums)[P * R], const std::byte* w,
                                          std::int64_t panel_bytes, const std::byte* row_scales, int g, float unit) {
  constexpr PackedTraits t = packed_traits(K);
  __m512 scale[P];
  HETERO_UNROLL
  for (int p = 0; p < P; ++p) {
    scale[p] = load_figures<t.scale_bytes>(w + p * panel_bytes + g * kPanelRows * t.scale_bytes);
    if (unit != 1) scale[p] = _mm512_mul_ps(scale[p], _mm512_set1_ps(unit));
  }
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m512 of_row = broadcast_float(row_scales + 4 * r);
    HETERO_UNROLL
    for (int p = 0; p < P; ++p) {
      const int i = p * R + r;
      total[i] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[i]), _mm512_mul_ps(scale[p], of_row), total[i]);
    }
  }
}

template <PackedKind K, int P, int R>
HETERO_AVX512_VNNI void tile(const TileArgs& args) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr bool kAlone = P * R == 1;
  constexpr auto kBlockBytes = static_cast<std::int64_t>(R * activation_row_bytes(ActivationForm::kQ8, t));
  constexpr auto kLowBytes = static_cast<std::int64_t>(R * low_row_bytes(t));
  constexpr auto kLowPlane = static_cast<std::int64_t>(R * (low_row_bytes(t) - kBlockColumns));  // behind its starts
  const std::int64_t panel_bytes = P == 1 ? 0 : args.panel_bytes;
  __m512 total[P * R];
  HETERO_UNROLL
  for (int i = 0; i < P * R; ++i) total[i] = _mm512_setzero_ps();

  const std::byte* w = args.weights;
  const std::byte* a = args.activations;
  const std::byte* low = args.low;
  bool any_wide = false;
  for (std::int64_t block = 0; block < args.blocks; ++block) {
    const std::byte* corrections = a + 4 * R;
    const std::byte* activations = corrections + 4 * R * t.groups;
    const std::byte* quants = w + t.quants_offset();
    any_wide |= flagged(args.wide + 4 * block);
    if constexpr (kAlone) prefetch_block<t.block_bytes()>(w);
    HETERO_UNROLL
    for (int g = 0; g < t.groups; ++g) {
      __m512i sums[P * R];
      start<K, P, R>(sums, corrections, g);
      add_plane<K, P, R>(sums, quants, panel_bytes, activations, g);
      if constexpr (kAlone) {
        __m512i low_sums[1];
        start<K, P, R>(low_sums, low, g);
        add_plane<K, P, R>(low_sums, quants, panel_bytes, low + kLowPlane, g);
        sums[0] = _mm512_add_epi32(_mm512_slli_epi32(sums[0], kLowBits), low_sums[0]);
      }
      add_scaled<K, P, R>(total, sums, w, panel_bytes, a, g, 1);
    }
    if constexpr (t.min_bytes > 0) {
      __m512 min[P];
      HETERO_UNROLL
      for (int p = 0; p < P; ++p) min[p] = load_figures<t.min_bytes>(w + p * panel_bytes + t.mins_offset());
      HETERO_UNROLL
      for (int i = 0; i < P * R; ++i) {
        total[i] = _mm512_fmadd_ps(min[i / R], broadcast_float(corrections + 4 * (i % R)), total[i]);
      }
    }
    w += t.block_bytes();
    a += kBlockBytes;
    low += kLowBytes;
  }

  if (!kAlone && any_wide) {
    for (std::int64_t block = 0; block < args.blocks; ++block) {
      if (!flagged(args.wide + 4 * block)) continue;
      w = args.weights + block * static_cast<std::int64_t>(t.block_bytes());
      low = args.low + block * kLowBytes;
      HETERO_UNROLL
      for (int g = 0; g < t.groups; ++g) {
        __m512i sums[P * R];
        start<K, P, R>(sums, low, g);
        add_plane<K, P, R>(sums, w + t.quants_offset(), panel_bytes, low + kLowPlane, g);
        add_scaled<K, P, R>(total, sums, w, panel_bytes, args.activations + block * kBlockBytes, g, 1 / kLowScale);
      }
    }
  }

  HETERO_UNROLL
  for (int i = 0; i < P * R; ++i) {
    const int p = i / R, r = i % R, columns = args.columns - p * kPanelRows;
    const auto present = static_cast<__mmask16>(columns >= kPanelRows ? 0xffff : (1u << columns) - 1);
    const std::int64_t at = r * args.out.stride + p * kPanelRows;
    __m512 value = total[i];
    if (args.residual.data != nullptr) {
      const std::int64_t from = r * args.residual.stride + p * kPanelRows;
      value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(present, args.residual.data + from));
    }
    _mm512_mask_storeu_ps(args.out.data + at, present, value);
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

template <PackedKind K, int P, int... Index>
constexpr TileTable table(std::integer_sequence<int, Index...>) {
  return {nullptr, &tile<K, P, Index + 1>...};
}
template <int P, int Rows, int... Kind>
constexpr TileTables tables(std::integer_sequence<int, Kind...>) {
  return {table<static_cast<PackedKind>(Kind), P>(std::make_integer_sequence<int, Rows>())...};
}
constexpr auto kKinds = std::make_integer_sequence<int, kQuantisedKinds>();
constexpr TileTables kTiles = tables<1, kMaxRows>(kKinds);
constexpr TileTables kPairTiles = tables<2, kMaxPairRows>(kKinds);

constexpr BlockQuantiser kQuantiser = {narrow, wide, add_squares};
constexpr MatmulPath kPath = {ActivationForm::kQ8, kMaxRows, &kQuantiser, &kTiles, kMaxPairRows, &kPairTiles};

void run(const HostOp& op, int phase, int worker, int workers) { run_matmul(kPath, op, phase, worker, workers); }

}  // namespace

const HostKernel kMatmulAvx512Vnni = {2, run, q8_workspace_bytes, packed_weight_bytes, pack_weight};

}  // namespace hetero

#endif
