// Matmul with float32 activations on AVX2. Layouts: pack.h (weights), activations.h.
//
// Weights become floats in registers, one row a lane, by shifts and a conversion. As in the AVX-512 kernel, sums of
// q * activation within a block are kept apart from the totals, and scales are applied once in 32 (16) columns.
//
// Registers of the largest tile (6 rows, 8 features): 6 sums, 6 totals, raw and converted weights, an activation.
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

#include "kernels/cpu/matmul_avx2.h"
#include "kernels/cpu/matmul_kernels.h"

namespace hetero {
namespace {

using namespace avx2;

constexpr int kMaxRows = 6;

// Column `c` of a float kind's block: 8 rows from `lane0` on.
template <PackedKind K>
HETERO_AVX2 inline __m256 load_column(const std::byte* block, int c, int lane0) {
  if constexpr (K == PackedKind::kF32) {
    return load_figures<4>(block + 64 * c + 4 * lane0);
  } else if constexpr (K == PackedKind::kF16) {
    return load_figures<2>(block + 32 * c + 2 * lane0);
  } else {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + 32 * c + 2 * lane0));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
  }
}

// Quads of kinds with a zero are read less it, as signed bytes.
constexpr bool signed_quads(const PackedTraits& t) { return t.bits != 4 && t.zero != 0; }

// Vector `i` of the elements that lie in dword lanes: a quad; with 4 bits two of them, as nibbles.
template <PackedKind K>
HETERO_AVX2 inline __m256i load_elements(const std::byte* quants, int i) {
  constexpr PackedTraits t = packed_traits(K);
  if constexpr (t.bits == 6) return _mm256_sub_epi8(load_six_bit_quad(quants, i), _mm256_set1_epi8(t.zero));
  const __m256i raw = load_bytes(quants + 64 * i);
  return signed_quads(t) ? _mm256_xor_si256(raw, _mm256_set1_epi8(-128)) : raw;
}

// Bits [low, low + Width) of every dword lane, as load_elements has them, as a number less the kind's zero.
template <PackedKind K, int Width>
HETERO_AVX2 inline __m256 element_lane(__m256i raw, int low) {
  constexpr PackedTraits t = packed_traits(K);
  const __m256i up = _mm256_slli_epi32(raw, 32 - Width - low);
  if constexpr (signed_quads(t)) return _mm256_cvtepi32_ps(_mm256_srai_epi32(up, 32 - Width));
  const __m256 q = _mm256_cvtepi32_ps(_mm256_srli_epi32(up, 32 - Width));
  if constexpr (t.zero == 0) return q;
  return _mm256_sub_ps(q, _mm256_set1_ps(static_cast<float>(t.zero)));
}

// With few rows, columns alternate between several sums a row: one chain of additions would wait for itself.
constexpr int chains(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }

// Adds column `c` of the block (weights) times its activations.
template <int R, int Sums>
HETERO_AVX2 inline void add_column(__m256 (&sums)[Sums], __m256 weights, const float* activations, int c) {
  const int first = c % (Sums / R) * R;
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) {
    sums[first + r] = _mm256_fmadd_ps(weights, _mm256_set1_ps(activations[R * c + r]), sums[first + r]);
  }
}

// The sum of row r over its chains.
template <int R, int Sums>
HETERO_AVX2 inline __m256 sum_of_chains(const __m256 (&sums)[Sums], int r) {
  __m256 sum = sums[r];
  HETERO_UNROLL
  for (int chain = 1; chain < Sums / R; ++chain) sum = _mm256_add_ps(sum, sums[chain * R + r]);
  return sum;
}

// Adds scale * q * activation of one block to the totals of the 8 features from `lane0` on.
template <PackedKind K, int R>
HETERO_AVX2 inline void add_quantised_block(__m256 (&total)[R], const std::byte* w, const float* a, int lane0) {
  constexpr PackedTraits t = packed_traits(K);
  constexpr int kSums = chains(R) * R;
  constexpr int kPerLane = t.bits == 4 ? 8 : 4;  // elements in a dword lane
  constexpr int kWidth = 32 / kPerLane;
  constexpr int kRaw = kBlockColumns / kPerLane / t.groups;  // vectors of them in a group
  const std::byte* quants = w + t.quants_offset() + 4 * lane0;
  HETERO_UNROLL
  for (int g = 0; g < t.groups; ++g) {
    __m256 sums[kSums];
    HETERO_UNROLL
    for (int i = 0; i < kSums; ++i) sums[i] = _mm256_setzero_ps();
    HETERO_UNROLL
    for (int i = g * kRaw; i < (g + 1) * kRaw; ++i) {
      const __m256i raw = load_elements<K>(quants, i);
      HETERO_UNROLL
      for (int j = 0; j < kPerLane; ++j) {
        // Quads: byte j is column j. 4 bits: nibble j is column j / 2 of the low or high quad.
        const int column = kPerLane * i + (t.bits == 4 ? 4 * (j % 2) + j / 2 : j);
        add_column<R>(sums, element_lane<K, kWidth>(raw, kWidth * j), a, column);
      }
    }
    const __m256 scale = load_scales<K>(w, g, lane0);
    HETERO_UNROLL
    for (int r = 0; r < R; ++r) total[r] = _mm256_fmadd_ps(sum_of_chains<R>(sums, r), scale, total[r]);
  }
}

template <PackedKind K, int R>
HETERO_AVX2 inline void add_float_block(__m256 (&total)[R], const std::byte* w, const float* a, int lane0) {
  constexpr int kSums = chains(R) * R;
  __m256 sums[kSums];
  HETERO_UNROLL
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_setzero_ps();
  HETERO_UNROLL
  for (int c = 0; c < kBlockColumns; ++c) add_column<R>(sums, load_column<K>(w, c, lane0), a, c);
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) total[r] = _mm256_add_ps(total[r], sum_of_chains<R>(sums, r));
}

// The 8 features from `lane0` of the panel on.
template <PackedKind K, int R>
HETERO_AVX2 inline void half_tile(const TileArgs& args, int lane0) {
  constexpr PackedTraits t = packed_traits(K);
  const std::byte* w = args.weights;
  const auto* a = reinterpret_cast<const float*>(args.activations);
  __m256 total[R];
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) total[r] = _mm256_setzero_ps();
  for (std::int64_t block = 0; block < args.blocks; ++block) {
    if constexpr (R == 1) prefetch_block<t.block_bytes()>(w);
    if constexpr (t.min_bytes > 0) {
      add_column<R>(total, load_mins<K>(w, lane0), a, 0);
      a += R;
    }
    if constexpr (t.quantised()) {
      add_quantised_block<K, R>(total, w, a, lane0);
    } else {
      add_float_block<K, R>(total, w, a, lane0);
    }
    w += t.block_bytes();
    a += R * kBlockColumns;
  }
  HETERO_UNROLL
  for (int r = 0; r < R; ++r) store(args, r, lane0, total[r]);
}

template <PackedKind K, int R>
HETERO_AVX2 void tile(const TileArgs& args) {
  for (int lane0 = 0; lane0 < args.columns; lane0 += kLanes) half_tile<K, R>(args, lane0);
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

constexpr MatmulPath kPath = {ActivationForm::kF32, kMaxRows, nullptr, &kTiles};

void run(const HostOp& op, int phase, int worker, int workers) { run_matmul(kPath, op, phase, worker, workers); }

}  // namespace

const HostKernel kMatmulAvx2F32 = {2, run, f32_workspace_bytes, packed_weight_bytes, pack_weight};

}  // namespace hetero

#endif
