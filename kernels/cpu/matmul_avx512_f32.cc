// Matmul with float32 activations on AVX-512. Layouts: pack.h (weights), activations.h.
//
// Weights become floats in registers, one row a lane: 4-bit elements by a permutation whose index is the element itself
// (a table of its 16 values), 6-bit and 8-bit elements by two shifts and a conversion. Within a block, sums of q *
// activation are kept apart from the totals, so that scales are applied once in 32 (16) columns and rounding errors add
// by blocks.
//
// Registers of the largest tile (12 rows): 12 sums and 12 totals, raw and converted weights, the table.
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

// GCC 12 takes the deliberately undefined operands inside its own AVX-512 headers for our mistakes (GCC bug 105593).
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#include <immintrin.h>

#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/matmul_tiles.h"

#define HETERO_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq")))

namespace hetero {
namespace {

constexpr int kMaxRows = 12;

// 16 scales or mins. `factors`: of those of one byte.
template <int Bytes>
HETERO_AVX512 inline __m512 load_figures(const std::byte* p, const std::byte* factors = nullptr) {
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
HETERO_AVX512 inline __m512 load_scales(const std::byte* block, int g) {
  constexpr PackedTraits t = packed_traits(K);
  return load_figures<t.scale_bytes>(block + t.scales_offset() + g * kPanelRows * t.scale_bytes, block);
}

template <PackedKind K>
HETERO_AVX512 inline __m512 load_mins(const std::byte* block) {
  constexpr PackedTraits t = packed_traits(K);
  return load_figures<t.min_bytes>(block + t.mins_offset(), block + t.min_factors_offset());
}

// Quad `i` (columns 4i..4i+3), for byte_lane: less the zero and so signed, unless the kind has a min.
template <PackedKind K>
HETERO_AVX512 inline __m512i load_quad(const std::byte* quants, int i) {
  constexpr PackedTraits t = packed_traits(K);
  if constexpr (t.bits == 6) {
    const std::byte* bytes = quants + i / 4 * 192;
    __m512i quad = _mm512_loadu_si512(bytes + i % 4 % 3 * 64);
    if (i % 4 == 3) {  // the top bits of three vectors; 0xca: where the mask is set the second operand, else the third
      const __m512i second = _mm512_srli_epi16(_mm512_loadu_si512(bytes + 64), 2);
      const __m512i third = _mm512_srli_epi16(_mm512_loadu_si512(bytes + 128), 4);
      quad = _mm512_ternarylogic_epi64(_mm512_set1_epi8(63), second, quad, 0xca);
      quad = _mm512_srli_epi16(_mm512_ternarylogic_epi64(_mm512_set1_epi8(15), third, quad, 0xca), 2);
    }
    quad = _mm512_and_si512(quad, _mm512_set1_epi8(63));
    return _mm512_sub_epi8(quad, _mm512_set1_epi8(t.zero));
  } else {
    return _mm512_xor_si512(_mm512_loadu_si512(quants + 64 * i), _mm512_set1_epi8(t.zero == 128 ? -128 : 0));
  }
}

// Column `c` of a float kind's block: 16 rows.
template <PackedKind K>
HETERO_AVX512 inline __m512 load_column(const std::byte* block, int c) {
  if constexpr (K == PackedKind::kF32) {
    return _mm512_loadu_ps(block + 64 * c);
  } else {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(block + 32 * c));
    if constexpr (K == PackedKind::kF16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
  }
}

// Byte `b` of every dword lane less the kind's zero, as float.
template <bool HasMin>
HETERO_AVX512 inline __m512 byte_lane(__m512i quads, int b) {
  const __m512i up = _mm512_slli_epi32(quads, static_cast<unsigned>(24 - 8 * b));
  return _mm512_cvtepi32_ps(HasMin ? _mm512_srli_epi32(up, 24) : _mm512_srai_epi32(up, 24));
}

// With few rows, columns alternate between several sums a row: one chain of additions would wait for itself.
constexpr int chains(int rows) { return rows == 1 ? 4 : rows <= 3 ? 2 : 1; }

// Adds column `c` of the block (weights) times its activations.
template <int R, int Sums>
HETERO_AVX512 inline void add_column(__m512 (&sums)[Sums], __m512 weights, const float* activations, int c) {
  const int first = c % (Sums / R) * R;
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    sums[first + r] = _mm512_fmadd_ps(weights, _mm512_set1_ps(activations[R * c + r]), sums[first + r]);
  }
}

// The sum of row r over its chains, which start again at zero.
template <int R, int Sums>
HETERO_AVX512 inline __m512 take_sum(__m512 (&sums)[Sums], int r) {
  __m512 sum = sums[r];
  sums[r] = _mm512_setzero_ps();
  HETERO_UNROLL
  for (int chain = 1; chain < Sums / R; ++chain) {
    sum = _mm512_add_ps(sum, sums[chain * R + r]);
    sums[chain * R + r] = _mm512_setzero_ps();
  }
  return sum;
}

template <PackedKind K, int R>
HETERO_AVX512 void tile(const TileArgs& args) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr float kZero = static_cast<float>(t.zero);
  constexpr int kSums = chains(R) * R;
  const __m512 nibble_values =
      _mm512_sub_ps(_mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_ps(kZero));
  const std::byte* w = args.weights;
  const auto* a = reinterpret_cast<const float*>(args.activations);
  __m512 total[R];
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) total[r] = _mm512_setzero_ps();

  for (std::int64_t block = 0; block < args.blocks; ++block) {
    const float* block_sums = a;
    if constexpr (t.min_bytes > 0) a += R;
    if constexpr (R == 1) prefetch_block<t.block_bytes()>(w, args.prefetch_bytes);
    __m512 sums[kSums];
    HETERO_UNROLL
    for (int i = 0; i < kSums; ++i) sums[i] = _mm512_setzero_ps();
    if constexpr (!t.quantised()) {
      HETERO_UNROLL
      for (int c = 0; c < kBlockColumns; ++c) add_column<R>(sums, load_column<K>(w, c), a, c);
      HETERO_UNROLL
      for (int r = 0; r < R; ++r) total[r] = _mm512_add_ps(total[r], take_sum<R>(sums, r));
    } else {
      const std::byte* quants = w + t.quants_offset();
      HETERO_UNROLL
      for (int g = 0; g < t.groups; ++g) {
        if constexpr (t.bits == 4) {
          HETERO_UNROLL
          for (int i = 0; i < 4; ++i) {
            const __m512i nibbles = _mm512_loadu_si512(quants + 64 * i);
            HETERO_UNROLL
            for (int j = 0; j < 8; ++j) {  // nibble j: byte j / 2, so column j / 2 of the low or high quad
              const __m512i index = _mm512_srli_epi32(nibbles, static_cast<unsigned>(4 * j));
              add_column<R>(sums, _mm512_permutexvar_ps(index, nibble_values), a, 8 * i + 4 * (j % 2) + j / 2);
            }
          }
        } else {
          constexpr int kQuads = 8 / t.groups;
          HETERO_UNROLL
          for (int i = g * kQuads; i < (g + 1) * kQuads; ++i) {
            const __m512i quads = load_quad<K>(quants, i);
            HETERO_UNROLL
            for (int b = 0; b < 4; ++b) add_column<R>(sums, byte_lane<(t.min_bytes > 0)>(quads, b), a, 4 * i + b);
          }
        }
        const __m512 scale = load_scales<K>(w, g);
        HETERO_UNROLL
        for (int r = 0; r < R; ++r) total[r] = _mm512_fmadd_ps(take_sum<R>(sums, r), scale, total[r]);
      }
      if constexpr (t.min_bytes > 0) {
        const __m512 min = load_mins<K>(w);
        add_column<R>(total, min, block_sums, 0);
      }
    }
    w += t.block_bytes();
    a += R * kBlockColumns;
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

template <PackedKind K, int... Index>
constexpr TileTable table(std::integer_sequence<int, Index...>) {
  return {nullptr, &tile<K, Index + 1>...};
}
template <int... Kind>
constexpr TileTables tables(std::integer_sequence<int, Kind...>) {
  return {table<static_cast<PackedKind>(Kind)>(std::make_integer_sequence<int, kMaxRows>())...};
}
constexpr TileTables kTiles = tables(std::make_integer_sequence<int, kPackedKinds>());

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulAvx512F32Path, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulAvx512F32Path = {
    .tuning = {.rows = kMaxRows}, .params = kFloatParams, .max_rows = kMaxRows, .tiles = {nullptr, &kTiles}};
const HostKernel kMatmulAvx512F32 = matmul_kernel(kMatmulAvx512F32Path, run);

}  // namespace hetero

#endif
