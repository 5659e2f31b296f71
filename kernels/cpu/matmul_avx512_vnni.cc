// Matmul with 8-bit activations on AVX-512 VNNI. Layouts: pack.h (weights), activations.h.
//
// vpdpbusd multiplies unsigned by signed bytes: weights are stored unsigned, activations signed, and the integer sums
// start at -zero * sum(activations), so that they end as the sum over (q - zero) * activation, exactly. A block of 32
// columns (16 for kQ6Group16) then becomes float, times the weights' scale; a group of blocks is added to the total,
// times the activations' scale. The quads of columns with outliers follow, row by row; for a row alone, whose weights
// come from memory, both bytes of activations are multiplied as the weights pass. The only error beside float rounding
// is that of the 8-bit (15-bit) activations.
//
// Registers of the largest tiles (12 rows of one panel, 6 rows of two): 12 integer and 12 float accumulators, weights,
// a quad of activations or a scale, a mask; totals lie on the stack, touched once a group. On a processor with two
// multiplying ports each gets 32 dot products, 4 scalings of a block and 1 of a group for 4 blocks of a row and panel:
// 86 % of its VNNI peak is the limit of this design. (With an activation scale for each block it would be 80 %.)
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

// 16 scales or mins. `factors`: of those of one byte.
template <int Bytes>
HETERO_AVX512_VNNI inline __m512 load_figures(const std::byte* p, const std::byte* factors = nullptr) {
  if constexpr (Bytes == 1) {
    const __m128i integers = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm512_mul_ps(load_figures<2>(factors), _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(integers)));
  } else if constexpr (Bytes == 2) {
    return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  } else {
    return _mm512_loadu_ps(p);
  }
}

// Of a block: the scales of group g, the mins.
template <PackedKind K>
HETERO_AVX512_VNNI inline __m512 load_scales(const std::byte* block, int g) {
  constexpr PackedTraits t = packed_traits(K);
  return load_figures<t.scale_bytes>(block + t.scales_offset() + g * kPanelRows * t.scale_bytes, block);
}

template <PackedKind K>
HETERO_AVX512_VNNI inline __m512 load_mins(const std::byte* block) {
  constexpr PackedTraits t = packed_traits(K);
  return load_figures<t.min_bytes>(block + t.mins_offset(), block + t.min_factors_offset());
}

// Quads 0, 1 and 2 of a group of 6-bit elements are the low bits of its three vectors; their top bits make quad 3.
HETERO_AVX512_VNNI inline __m512i low_six(__m512i bytes) { return _mm512_and_si512(bytes, _mm512_set1_epi8(63)); }

HETERO_AVX512_VNNI inline __m512i join_top(__m512i first, __m512i second, __m512i third) {
  constexpr int kSelect = 0xca;  // where a bit of the mask is set the second operand, else the third
  __m512i top = _mm512_ternarylogic_epi32(_mm512_set1_epi8(63), _mm512_srli_epi16(second, 2), first, kSelect);
  top = _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), _mm512_srli_epi16(third, 4), top, kSelect);
  return low_six(_mm512_srli_epi16(top, 2));
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
  } else if constexpr (t.bits == 6) {
    __m512i raw[3][P], weights[P];
    HETERO_UNROLL
    for (int i = 0; i < 3; ++i) {
      HETERO_UNROLL
      for (int p = 0; p < P; ++p) {
        raw[i][p] = _mm512_loadu_si512(quants + p * panel_bytes + 64 * (3 * g + i));
        weights[p] = low_six(raw[i][p]);
      }
      add_dot<P, R>(sums, weights, activations + 4 * R * (4 * g + i));
    }
    HETERO_UNROLL
    for (int p = 0; p < P; ++p) weights[p] = join_top(raw[0][p], raw[1][p], raw[2][p]);
    add_dot<P, R>(sums, weights, activations + 4 * R * (4 * g + 3));
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

// totals += sums * scale of group g of the panels' rows.
template <PackedKind K, int P, int R>
HETERO_AVX512_VNNI inline void add_scaled(__m512 (&totals)[P * R], const __m512i (&sums)[P * R], const std::byte* w,
                                          std::int64_t panel_bytes, int g) {
  HETERO_UNROLL
  for (int p = 0; p < P; ++p) {
    const __m512 scale = load_scales<K>(w + p * panel_bytes, g);
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) {
      totals[p * R + r] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums[p * R + r]), scale, totals[p * R + r]);
    }
  }
}

// totals += in_steps * scale of the activations' row.
template <int P, int R>
HETERO_AVX512_VNNI inline void add_steps(__m512 (&totals)[P * R], const __m512 (&in_steps)[P * R],
                                         const std::byte* row_scales) {
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m512 scale = broadcast_float(row_scales + 4 * r);
    HETERO_UNROLL
    for (int p = 0; p < P; ++p) totals[p * R + r] = _mm512_fmadd_ps(in_steps[p * R + r], scale, totals[p * R + r]);
  }
}

// Any quad of a block.
template <PackedKind K>
HETERO_AVX512_VNNI inline __m512i load_quad(const std::byte* quants, int quad) {
  constexpr PackedTraits t = packed_traits(K);
  if constexpr (t.bits == 4) {
    const __m512i pairs = _mm512_loadu_si512(quants + 64 * (quad / 2));
    return _mm512_and_si512(_mm512_srl_epi16(pairs, _mm_cvtsi32_si128(4 * (quad % 2))), _mm512_set1_epi8(15));
  } else if constexpr (t.bits == 6) {
    quants += quad / 4 * 192;
    if (quad % 4 < 3) return low_six(_mm512_loadu_si512(quants + quad % 4 * 64));
    return join_top(_mm512_loadu_si512(quants), _mm512_loadu_si512(quants + 64), _mm512_loadu_si512(quants + 128));
  } else {
    return _mm512_loadu_si512(quants + 64 * quad);
  }
}

// Adds row r's outliers.
template <PackedKind K, int P, int R>
HETERO_AVX512_VNNI inline void add_outliers(__m512 (&totals)[P * R], const TileArgs& args, int r) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* list = args.extra + r * args.extra_bytes;
  std::int32_t count;
  std::memcpy(&count, list, sizeof count);
  list += kOutlierHeadBytes;
  for (std::int32_t i = 0; i < count; ++i, list += sizeof(Outlier)) {
    Outlier outlier;
    std::memcpy(&outlier, list, sizeof outlier);
    const int quad = outlier.quad % 8;  // of its block
    const std::byte* w = args.weights + outlier.quad / 8 * static_cast<std::int64_t>(t.block_bytes());
    const __m512i high = broadcast_dword(list + offsetof(Outlier, high));
    HETERO_UNROLL
    for (int p = 0; p < P; ++p, w += args.panel_bytes) {
      const __m512i weights = load_quad<K>(w + t.quants_offset(), quad);
      const __m512i sum = _mm512_dpbusd_epi32(_mm512_set1_epi32(outlier.start), weights, high);
      const __m512 scale = load_scales<K>(w, quad * t.groups / 8);
      const __m512 in_steps = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
      totals[p * R + r] = _mm512_fmadd_ps(in_steps, _mm512_set1_ps(outlier.scale), totals[p * R + r]);
    }
  }
}

template <int N>
HETERO_AVX512_VNNI inline void clear(__m512 (&values)[N]) {
  HETERO_UNROLL
  for (int i = 0; i < N; ++i) values[i] = _mm512_setzero_ps();
}

template <PackedKind K, int P, int R>
HETERO_AVX512_VNNI void tile(const TileArgs& args) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr bool kAlone = P * R == 1;
  constexpr auto kBlockBytes = static_cast<std::int64_t>(R * block_row_bytes(ActivationForm::kQ8, t));
  constexpr auto kHighBytes = static_cast<std::int64_t>(high_block_bytes(t));  // of a row alone
  constexpr auto kHighPlane = kHighBytes - kBlockColumns;                      // behind its starts
  const std::int64_t panel_bytes = P == 1 ? 0 : args.panel_bytes;
  __m512 total[P * R], in_steps[P * R];  // in_steps: of a group of blocks, in units of the activations' scale
  clear(total);

  const std::byte* w = args.weights;
  const std::byte* a = args.activations;
  const std::byte* high = args.extra;
  for (std::int64_t block = 0; block < args.blocks;) {
    const std::byte* row_scales = a;
    a += 4 * R;
    clear(in_steps);
    for (const std::int64_t end = std::min(args.blocks, block + kGroupBlocks); block < end; ++block) {
      const std::byte* activations = a + 4 * R * t.groups;
      const std::byte* quants = w + t.quants_offset();
      if constexpr (kAlone) prefetch_block<t.block_bytes()>(w);
      HETERO_UNROLL
      for (int g = 0; g < t.groups; ++g) {
        __m512i sums[P * R];
        start<K, P, R>(sums, a, g);
        add_plane<K, P, R>(sums, quants, panel_bytes, activations, g);
        if constexpr (kAlone) {
          __m512i high_sums[1];
          start<K, P, R>(high_sums, high, g);
          add_plane<K, P, R>(high_sums, quants, panel_bytes, high + kHighPlane, g);
          sums[0] = _mm512_add_epi32(_mm512_slli_epi32(high_sums[0], kLowBits), sums[0]);
        }
        add_scaled<K, P, R>(in_steps, sums, w, panel_bytes, g);
      }
      if constexpr (t.min_bytes > 0) {
        HETERO_UNROLL
        for (int p = 0; p < P; ++p) {
          const __m512 min = load_mins<K>(w + p * panel_bytes);
          HETERO_UNROLL
          for (int r = 0; r < R; ++r) {
            in_steps[p * R + r] = _mm512_fmadd_ps(min, broadcast_float(a + 4 * r), in_steps[p * R + r]);
          }
        }
      }
      w += t.block_bytes();
      a += kBlockBytes;
      high += kHighBytes;
    }
    add_steps<P, R>(total, in_steps, row_scales);
  }

  if constexpr (!kAlone) {
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) add_outliers<K, P, R>(total, args, r);
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

// sums[i] = sum of bytes 16i..16i+15, for i in 0..3.
HETERO_AVX512_VNNI inline void sum_bytes(__m512i bytes, std::int32_t* sums) {
  __m512i quads = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), bytes);
  quads = _mm512_add_epi32(quads, _mm512_shuffle_epi32(quads, _MM_PERM_BADC));
  quads = _mm512_add_epi32(quads, _mm512_shuffle_epi32(quads, _MM_PERM_CDAB));
  const __m512i first_of_each = _mm512_maskz_compress_epi32(0x1111, quads);
  _mm_storeu_si128(reinterpret_cast<__m128i*>(sums), _mm512_castsi512_si128(first_of_each));
}

// Quantises 16 columns; writes their high where there are outliers.
HETERO_AVX512_VNNI inline __m128i quantise_half(const float* x, __m512 per_unit, __mmask16 outliers,
                                                std::int8_t* high) {
  __m512i q = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x), per_unit));
  if (outliers != 0) {
    const __m512i rounded = _mm512_add_epi32(q, _mm512_set1_epi32(1 << (kLowBits - 1)));
    const __m512i of_outliers = _mm512_maskz_srai_epi32(outliers, rounded, kLowBits);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(high), _mm512_cvtsepi32_epi8(of_outliers));
    q = _mm512_sub_epi32(q, _mm512_slli_epi32(of_outliers, kLowBits));
  }
  return _mm512_cvtsepi32_epi8(q);
}

HETERO_AVX512_VNNI void quantise_group(const float* x, int blocks, float limit, QuantisedGroup& out) {
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
    const auto half = [&](int i) HETERO_AVX512_VNNI {
      return quantise_half(x + 16 * i, per_unit, outliers[i], out.high + 16 * i);
    };
    __m512i bytes = _mm512_castsi128_si512(half(first));
    bytes = _mm512_inserti32x4(bytes, half(first + 1), 1);
    const bool two_blocks = first + 2 < 2 * blocks;
    bytes = _mm512_inserti32x4(bytes, two_blocks ? half(first + 2) : _mm_setzero_si128(), 2);
    bytes = _mm512_inserti32x4(bytes, two_blocks ? half(first + 3) : _mm_setzero_si128(), 3);
    _mm512_storeu_si512(out.low + 16 * first, bytes);
    sum_bytes(bytes, out.low_sums + first);
  }
}

HETERO_AVX512_VNNI void add_squares(const float* x, std::int64_t count, float (&lanes)[16]) {
  __m512 sums = _mm512_loadu_ps(lanes);
  for (std::int64_t i = 0; i < count; ++i) {
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

constexpr Quantiser kQuantiser = {quantise_group, add_squares};
constexpr MatmulPath kPath = {ActivationForm::kQ8, kMaxRows, &kQuantiser, &kTiles, kMaxPairRows, &kPairTiles};

void run(const HostOp& op, int phase, int worker, int workers) { run_matmul(kPath, op, phase, worker, workers); }

}  // namespace

const HostKernel kMatmulAvx512Vnni = {2, run, q8_workspace_bytes, packed_weight_bytes, pack_weight};

}  // namespace hetero

#endif
