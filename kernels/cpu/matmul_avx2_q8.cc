// Matmul with 8-bit activations on AVX2. Layouts: pack.h (weights), activations.h.
//
// vpmaddubsw multiplies unsigned by signed bytes and adds pairs into 16 bits with saturation, so products are kept
// small enough that no sum of them can saturate:
//   weights of at most 15 (31, 63): 2 * 15 * 127 * 8 (2 * 31 * 127 * 4, 2 * 63 * 127 * 2) fit, and as many are added
//   before widening;
//   weights with zero 128: |weight| is the unsigned factor and the activation takes its sign: 2 * 128 * 127 fit once.
// The latter are sums over (q - 128) * activation already; to those of other weights with a zero -zero *
// sum(activations) is added, as in the VNNI kernel, which tells about outliers too.
//
// Registers of the largest tile (4 rows, 8 features): 4 sums, 4 totals, weights, a product, two constants.
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/matmul_avx2.h"
#include "kernels/cpu/matmul_kernels.h"

namespace hetero {
namespace {

using namespace avx2;

constexpr int kMaxRows = 4;

// Products of a weight quad that fit in 16 bits together.
constexpr int quads_before_widening(const PackedTraits& t) {
  if (t.zero == 128) return 1;
  return t.bits == 4 ? 8 : t.bits == 6 ? 2 : 4;
}

// Whether sums of products begin at -zero * sum(activations).
constexpr bool has_starts(const PackedTraits& t) { return t.zero != 0 && t.zero != 128; }

// Quad `i` (columns 4i..4i+3) of 8 rows.
template <PackedKind K>
HETERO_AVX2 inline __m256i load_quad(const std::byte* quants, int i) {
  constexpr PackedTraits t = packed_traits(K);
  if constexpr (t.bits == 8) {
    const __m256i q = load_bytes(quants + 64 * i);
    return t.zero == 128 ? _mm256_xor_si256(q, _mm256_set1_epi8(-128)) : q;
  } else if constexpr (t.bits == 6) {
    return load_six_bit_quad(quants, i);
  } else {
    const __m256i pairs = load_bytes(quants + 64 * (i / 2));
    return _mm256_and_si256(i % 2 == 0 ? pairs : _mm256_srli_epi16(pairs, 4), _mm256_set1_epi8(15));
  }
}

template <PackedKind K>
HETERO_AVX2 inline __m256i product(__m256i weights, __m256i activations) {
  if constexpr (packed_traits(K).zero == 128) {
    return _mm256_maddubs_epi16(_mm256_abs_epi8(weights), _mm256_sign_epi8(activations, weights));
  } else {
    return _mm256_maddubs_epi16(weights, activations);
  }
}

// Group g of one plane of the activations, times the weights. `starts`: of the sums, where they are not exact already.
template <PackedKind K, int R>
HETERO_AVX2 inline void multiply_plane(__m256i (&sums)[R], const std::byte* quants, const std::byte* activations,
                                       const std::byte* starts, int g) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr int kTogether = quads_before_widening(t);
  constexpr int kQuads = 8 / t.groups;
  const __m256i ones = _mm256_set1_epi16(1);
  HETERO_UNROLL
  for (int i = g * kQuads; i < (g + 1) * kQuads; i += kTogether) {
    __m256i narrow[R];
    HETERO_UNROLL
    for (int j = i; j < i + kTogether; ++j) {
      const __m256i weights = load_quad<K>(quants, j);
      HETERO_UNROLL
      for (int r = 0; r < R; ++r) {
        const __m256i p = product<K>(weights, broadcast_dword(activations + 4 * (R * j + r)));
        narrow[r] = j == i ? p : _mm256_add_epi16(narrow[r], p);
      }
    }
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) {
      const __m256i wide = _mm256_madd_epi16(narrow[r], ones);
      sums[r] = i == g * kQuads ? wide : _mm256_add_epi32(sums[r], wide);
    }
  }
  if constexpr (has_starts(t)) {
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) sums[r] = _mm256_add_epi32(sums[r], broadcast_dword(starts + 4 * (g * R + r)));
  }
}

// totals += sums * scale of group g of the panel's 8 rows from `lane0` on; totals of row r at [first + r].
template <PackedKind K, int R, int Totals>
HETERO_AVX2 inline void add_scaled(__m256 (&totals)[Totals], int first, const __m256i (&sums)[R], const std::byte* w,
                                   int g, int lane0) {
  const __m256 scale = load_scales<K>(w, g, lane0);
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    totals[first + r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r]), scale, totals[first + r]);
  }
}

// totals += in_steps * scale of the activations' row.
template <int R, int Totals>
HETERO_AVX2 inline void add_steps(__m256 (&totals)[Totals], const __m256 (&in_steps)[Totals],
                                  const std::byte* row_scales) {
  HETERO_UNROLL
  for (int i = 0; i < Totals; ++i) {
    totals[i] = _mm256_fmadd_ps(in_steps[i], broadcast_float(row_scales + 4 * (i % R)), totals[i]);
  }
}

// Adds one block's products, in steps of the activations. `high`: the high block of a row alone, else unused.
template <PackedKind K, int R, int Totals>
HETERO_AVX2 inline void add_block(__m256 (&in_steps)[Totals], int first, const std::byte* w, const std::byte* a,
                                  const std::byte* high, int lane0) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* activations = a + 4 * R * t.groups;
  const std::byte* quants = w + t.quants_offset() + 4 * lane0;
  HETERO_UNROLL
  for (int g = 0; g < t.groups; ++g) {
    __m256i sums[R];
    multiply_plane<K, R>(sums, quants, activations, a, g);
    if constexpr (R == 1) {
      __m256i high_sums[1];
      multiply_plane<K, R>(high_sums, quants, high + (high_block_bytes(t) - kBlockColumns), high, g);
      sums[0] = _mm256_add_epi32(_mm256_slli_epi32(high_sums[0], kLowBits), sums[0]);
    }
    add_scaled<K, R>(in_steps, first, sums, w, g, lane0);
  }
  if constexpr (t.min_bytes > 0) {
    const __m256 min = load_mins<K>(w, lane0);
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) {
      in_steps[first + r] = _mm256_fmadd_ps(min, broadcast_float(a + 4 * r), in_steps[first + r]);
    }
  }
}

// Adds row r's outliers to the total of the 8 features from `lane0` on.
template <PackedKind K>
HETERO_AVX2 inline __m256 with_outliers(__m256 total, const TileArgs& args, int r, int lane0) {
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
    const __m256i weights = load_quad<K>(w + t.quants_offset() + 4 * lane0, quad);
    const __m256i products = product<K>(weights, broadcast_dword(list + offsetof(Outlier, high)));
    __m256i sum = _mm256_madd_epi16(products, _mm256_set1_epi16(1));
    if constexpr (has_starts(t)) sum = _mm256_add_epi32(sum, _mm256_set1_epi32(outlier.start));
    const __m256 scale = load_scales<K>(w, quad * t.groups / 8, lane0);
    const __m256 in_steps = _mm256_mul_ps(_mm256_cvtepi32_ps(sum), scale);
    total = _mm256_fmadd_ps(in_steps, _mm256_set1_ps(outlier.scale), total);
  }
  return total;
}

template <int N>
HETERO_AVX2 inline void clear(__m256 (&values)[N]) {
  HETERO_UNROLL
  for (int i = 0; i < N; ++i) values[i] = _mm256_setzero_ps();
}

// Vectors [first, first + Vectors) of the panel.
template <PackedKind K, int R, int Vectors>
HETERO_AVX2 inline void vectors(const TileArgs& args, int first) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr auto kWeightBytes = static_cast<std::int64_t>(t.block_bytes());
  constexpr auto kBlockBytes = static_cast<std::int64_t>(R * block_row_bytes(ActivationForm::kQ8, t));
  constexpr auto kHighBytes = static_cast<std::int64_t>(high_block_bytes(t));  // of a row alone
  __m256 total[Vectors * R], in_steps[Vectors * R];                            // in_steps: of a group of blocks
  clear(total);
  const std::byte* a = args.activations;
  for (std::int64_t block = 0; block < args.blocks;) {
    const std::byte* row_scales = a;
    a += 4 * R;
    clear(in_steps);
    for (const std::int64_t end = std::min(args.blocks, block + kGroupBlocks); block < end; ++block) {
      const std::byte* w = args.weights + block * kWeightBytes;
      if constexpr (R == 1) prefetch_block<t.block_bytes()>(w);
      HETERO_UNROLL
      for (int v = 0; v < Vectors; ++v) {
        add_block<K, R>(in_steps, v * R, w, a, args.extra + block * kHighBytes, (first + v) * kLanes);
      }
      a += kBlockBytes;
    }
    add_steps<R>(total, in_steps, row_scales);
  }
  HETERO_UNROLL
  for (int i = 0; i < Vectors * R; ++i) {
    const int r = i % R, lane0 = (first + i / R) * kLanes;
    store(args, r, lane0, R == 1 ? total[i] : with_outliers<K>(total[i], args, r, lane0));
  }
}

template <PackedKind K, int R>
HETERO_AVX2 void tile(const TileArgs& args) {
  constexpr int kVectors = R == 1 ? 2 : 1;  // one row: both halves in one pass, a single stream of weights
  for (int first = 0; first * kLanes < args.columns; first += kVectors) vectors<K, R, kVectors>(args, first);
}

HETERO_AVX2 float largest_lane(__m256 x) {
  __m128 half = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  half = _mm_max_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_max_ss(half, _mm_movehdup_ps(half)));
}

HETERO_AVX2 std::int32_t sum_of_lanes(__m256i x) {
  __m128i half = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
}

// Stores a block's q.
HETERO_AVX2 inline void store_bytes(const __m256i (&q)[4], std::int8_t* dst) {
  // Packing works within 128-bit lanes: dwords come out as 0,4,1,5 of the wanted order.
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm256_permutevar8x32_epi32(packed, order));
}

HETERO_AVX2 void quantise_group(const float* x, int blocks, float limit, QuantisedGroup& out) {
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

HETERO_AVX2 void add_squares(const float* x, std::int64_t count, float (&lanes)[16]) {
  __m256 sums[2] = {_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8)};
  for (std::int64_t i = 0; i < 2 * count; ++i) {
    const __m256 value = _mm256_loadu_ps(x + 8 * i);
    sums[i % 2] = _mm256_add_ps(sums[i % 2], _mm256_mul_ps(value, value));
  }
  _mm256_storeu_ps(lanes, sums[0]);
  _mm256_storeu_ps(lanes + 8, sums[1]);
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

constexpr Quantiser kQuantiser = {quantise_group, add_squares};
constexpr MatmulPath kPath = {ActivationForm::kQ8, kMaxRows, &kQuantiser, &kTiles};

void run(const HostOp& op, int phase, int worker, int workers) { run_matmul(kPath, op, phase, worker, workers); }

}  // namespace

const HostKernel kMatmulAvx2Q8 = {2, run, q8_workspace_bytes, packed_weight_bytes, pack_weight};

}  // namespace hetero

#endif
