// Matmul with 8-bit activations on AVX2. Layouts: pack.h (weights), matmul_tiles.h (activations).
//
// vpmaddubsw multiplies unsigned by signed bytes and adds pairs into 16 bits with saturation, so products are kept
// small enough that no sum of them can saturate:
//   weights of at most 15 (31): 2 * 15 * 127 * 8 (2 * 31 * 127 * 4) fit, and as many are added before widening;
//   weights with zero 128: |weight| is the unsigned factor and the activation takes its sign: 2 * 128 * 127 fit once.
// The latter are sums over (q - 128) * activation already; to those of 4-bit weights with a zero -zero *
// sum(activations) is added, as in the VNNI kernel, which tells about low planes too.
//
// Registers of the largest tile (4 rows, 8 features): 4 sums, 4 totals, weights, a product, two constants.
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

#include "kernels/cpu/matmul_avx2.h"
#include "kernels/cpu/matmul_kernels.h"

namespace hetero {
namespace {

using namespace avx2;

constexpr int kMaxRows = 4;

// Products of a weight quad that fit in 16 bits together.
constexpr int quads_before_widening(const PackedTraits& t) {
  if (t.zero == 128) return 1;
  return t.bits == 4 ? 8 : 4;
}

// Quad `i` (columns 4i..4i+3) of 8 rows.
template <PackedKind K>
HETERO_AVX2 inline __m256i load_quad(const std::byte* quants, int i) {
  constexpr PackedTraits t = packed_traits(K);
  if constexpr (t.bits == 8) {
    const __m256i q = load_bytes(quants + 64 * i);
    return t.zero == 128 ? _mm256_xor_si256(q, _mm256_set1_epi8(-128)) : q;
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
  if constexpr (t.zero == 8) {
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) sums[r] = _mm256_add_epi32(sums[r], broadcast_dword(starts + 4 * r));
  }
}

// total += sums * (scale of the panel's row and group) * (scale of the activations' row, times `unit`), for the 8
// features from `lane0` on; totals of row r at [first + r].
template <PackedKind K, int R, int Totals>
HETERO_AVX2 inline void add_scaled(__m256 (&total)[Totals], int first, const __m256i (&sums)[R], const std::byte* w,
                                   const std::byte* row_scales, int g, int lane0, float unit) {
  constexpr PackedTraits t = packed_traits(K);
  __m256 scale = load_figures<t.scale_bytes>(w + (g * kPanelRows + lane0) * t.scale_bytes);
  if (unit != 1) scale = _mm256_mul_ps(scale, _mm256_set1_ps(unit));
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    const __m256 both = _mm256_mul_ps(scale, broadcast_float(row_scales + 4 * r));
    total[first + r] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums[r]), both, total[first + r]);
  }
}

// Adds one block's products to the totals. `low`: the low plane of a row alone, else null.
template <PackedKind K, int R, int Totals>
HETERO_AVX2 inline void add_block(__m256 (&total)[Totals], int first, const std::byte* w, const std::byte* a,
                                  const std::byte* low, int lane0) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* corrections = a + 4 * R;
  const std::byte* activations = corrections + 4 * R * t.groups;
  const std::byte* quants = w + t.quants_offset() + 4 * lane0;
  HETERO_UNROLL
  for (int g = 0; g < t.groups; ++g) {
    __m256i sums[R];
    multiply_plane<K, R>(sums, quants, activations, corrections, g);
    if constexpr (R == 1) {
      __m256i low_sums[1];
      multiply_plane<K, R>(low_sums, quants, low + (low_row_bytes(t) - kBlockColumns), low, g);
      sums[0] = _mm256_add_epi32(_mm256_slli_epi32(sums[0], kLowBits), low_sums[0]);
    }
    add_scaled<K, R>(total, first, sums, w, a, g, lane0, 1);
  }
  if constexpr (t.min_bytes > 0) {
    const __m256 min = load_figures<t.min_bytes>(w + t.mins_offset() + lane0 * t.min_bytes);
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) {
      total[first + r] = _mm256_fmadd_ps(min, broadcast_float(corrections + 4 * r), total[first + r]);
    }
  }
}

// Adds the low plane of a wide block.
template <PackedKind K, int R, int Totals>
HETERO_AVX2 inline void add_low(__m256 (&total)[Totals], int first, const std::byte* w, const std::byte* a,
                                const std::byte* low, int lane0) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* plane = low + R * (low_row_bytes(t) - kBlockColumns);
  HETERO_UNROLL
  for (int g = 0; g < t.groups; ++g) {
    __m256i sums[R];
    multiply_plane<K, R>(sums, w + t.quants_offset() + 4 * lane0, plane, low, g);
    add_scaled<K, R>(total, first, sums, w, a, g, lane0, 1 / kLowScale);
  }
}

// Vectors [first, first + Vectors) of the panel.
template <PackedKind K, int R, int Vectors>
HETERO_AVX2 inline void vectors(const TileArgs& args, int first) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr auto kWeightBytes = static_cast<std::int64_t>(t.block_bytes());
  constexpr auto kBlockBytes = static_cast<std::int64_t>(R * activation_row_bytes(ActivationForm::kQ8, t));
  constexpr auto kLowBytes = static_cast<std::int64_t>(R * low_row_bytes(t));
  __m256 total[Vectors * R];
  HETERO_UNROLL
  for (int i = 0; i < Vectors * R; ++i) total[i] = _mm256_setzero_ps();
  for (std::int64_t block = 0; block < args.blocks; ++block) {
    const std::byte* w = args.weights + block * kWeightBytes;
    if constexpr (R == 1) prefetch_block<t.block_bytes()>(w);
    HETERO_UNROLL
    for (int v = 0; v < Vectors; ++v) {
      add_block<K, R>(total, v * R, w, args.activations + block * kBlockBytes, args.low + block * kLowBytes,
                      (first + v) * kLanes);
    }
  }
  if constexpr (R > 1) {
    for (std::int64_t block = 0; block < args.blocks; ++block) {
      if (!flagged(args.wide + 4 * block)) continue;
      HETERO_UNROLL
      for (int v = 0; v < Vectors; ++v) {
        add_low<K, R>(total, v * R, args.weights + block * kWeightBytes, args.activations + block * kBlockBytes,
                      args.low + block * kLowBytes, (first + v) * kLanes);
      }
    }
  }
  HETERO_UNROLL
  for (int i = 0; i < Vectors * R; ++i) store(args, i % R, (first + i / R) * kLanes, total[i]);
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

// max|x| of the block.
HETERO_AVX2 inline float load_block(const float* x, __m256 (&x8)[4]) {
  const __m256 magnitude = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
  __m256 largest8 = _mm256_setzero_ps();
  for (int i = 0; i < 4; ++i) {
    x8[i] = _mm256_loadu_ps(x + 8 * i);
    largest8 = _mm256_max_ps(largest8, _mm256_and_ps(x8[i], magnitude));
  }
  return largest_lane(largest8);
}

HETERO_AVX2 inline PlaneSums store_plane(std::int8_t* dst, const __m256i (&q)[4]) {
  // Packing works within 128-bit lanes: dwords come out as 0,4,1,5 of the wanted order.
  const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3]));
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(dst), _mm256_permutevar8x32_epi32(packed, order));
  return {{sum_of_lanes(_mm256_add_epi32(q[0], q[1])), sum_of_lanes(_mm256_add_epi32(q[2], q[3]))}};
}

HETERO_AVX2 inline __m256i quantised(__m256 x, float per_unit) {
  return _mm256_cvtps_epi32(_mm256_mul_ps(x, _mm256_set1_ps(per_unit)));
}

HETERO_AVX2 float narrow(const float* x, std::int8_t* high, PlaneSums& sums) {
  __m256 x8[4];
  __m256i q[4];
  const float largest = load_block(x, x8), per_unit = steps_per_unit(largest);
  for (int i = 0; i < 4; ++i) q[i] = quantised(x8[i], per_unit);
  sums = store_plane(high, q);
  return largest;
}

HETERO_AVX2 float wide(const float* x, std::int8_t* high, std::int8_t* low, PlaneSums (&sums)[2]) {
  __m256 x8[4];
  __m256i h[4], l[4];
  const float largest = load_block(x, x8), per_unit = steps_per_unit(largest) * kLowScale;
  const __m256i half = _mm256_set1_epi32(1 << (kLowBits - 1));
  for (int i = 0; i < 4; ++i) {
    const __m256i q = quantised(x8[i], per_unit);
    h[i] = _mm256_srai_epi32(_mm256_add_epi32(q, half), kLowBits);
    l[i] = _mm256_sub_epi32(q, _mm256_slli_epi32(h[i], kLowBits));
  }
  sums[0] = store_plane(high, h);
  sums[1] = store_plane(low, l);
  return largest;
}

HETERO_AVX2 void add_squares(const float* x, std::int64_t groups, float (&lanes)[16]) {
  __m256 sums[2] = {_mm256_loadu_ps(lanes), _mm256_loadu_ps(lanes + 8)};
  for (std::int64_t i = 0; i < 2 * groups; ++i) {
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

constexpr BlockQuantiser kQuantiser = {narrow, wide, add_squares};
constexpr MatmulPath kPath = {ActivationForm::kQ8, kMaxRows, &kQuantiser, &kTiles};

void run(const HostOp& op, int phase, int worker, int workers) { run_matmul(kPath, op, phase, worker, workers); }

}  // namespace

const HostKernel kMatmulAvx2Q8 = {2, run, q8_workspace_bytes, packed_weight_bytes, pack_weight};

}  // namespace hetero

#endif
