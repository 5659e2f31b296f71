// Matmul with float32 activations on AVX2: what the tile of matmul_f32.inc is made of.
//
// Registers of the largest tile (6 rows, 8 features): 6 sums, 6 totals, raw and converted weights, an activation.
// Functions carry their target, so the file is safe to link and load on any x86-64.
#if defined(__x86_64__)

#include "kernels/cpu/matmul_avx2.h"
#include "kernels/cpu/matmul_kernels.h"

namespace hetero {
namespace {

constexpr int kMaxRows = 6;

// Quads of kinds with a zero are read less it, as signed bytes.
constexpr bool signed_quads(const PackedTraits& t) { return t.bits != 4 && t.zero != 0; }

struct Simd : Avx2 {
  static constexpr int vectors(int /*rows*/) { return 1; }
  static constexpr int chains(int rows) { return rows == 1 ? 4 : rows == 2 ? 2 : 1; }

  template <PackedKind K>
  HETERO_TARGET static F load_column(const std::byte* p) {
    if constexpr (K == PackedKind::kF32) {
      return load_floats(p);
    } else if constexpr (K == PackedKind::kF16) {
      return load_halves(p);
    } else {
      const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
      return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
    }
  }

  template <PackedKind K>
  HETERO_TARGET static I load_elements(const std::byte* quants, int i) {
    constexpr PackedTraits t = packed_traits(K);
    if constexpr (t.bits == 6) {
      return _mm256_sub_epi8(load_six_bit_quad(quants, i), _mm256_set1_epi8(t.zero));
    } else {
      const I raw = load(quants + 64 * i);
      return signed_quads(t) ? _mm256_xor_si256(raw, _mm256_set1_epi8(-128)) : raw;
    }
  }

  // Shifts put it at the top of its lane, then down again.
  template <PackedKind K>
  HETERO_TARGET static F element(I raw, int j) {
    constexpr PackedTraits t = packed_traits(K);
    constexpr int kWidth = t.bits == 4 ? 4 : 8;
    const I up = _mm256_slli_epi32(raw, 32 - kWidth * (j + 1));
    if constexpr (signed_quads(t)) {
      return _mm256_cvtepi32_ps(_mm256_srai_epi32(up, 32 - kWidth));
    } else {
      const F q = _mm256_cvtepi32_ps(_mm256_srli_epi32(up, 32 - kWidth));
      return t.zero == 0 ? q : _mm256_sub_ps(q, all(static_cast<float>(t.zero)));
    }
  }
};

#include "kernels/cpu/matmul_f32.inc"

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulAvx2F32Path, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulAvx2F32Path = {
    .tuning = {.rows = kMaxRows}, .params = kFloatParams, .max_rows = kMaxRows, .tiles = {nullptr, &kTiles<kMaxRows>}};
const HostKernel kMatmulAvx2F32 = matmul_kernel(kMatmulAvx2F32Path, run);

}  // namespace hetero

#endif
