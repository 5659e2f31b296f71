// Matmul with float32 activations on NEON: what the tile of matmul_f32.inc is made of.
//
// Registers of the largest tile (8 rows, 8 features): 16 sums, weights, an activation; totals partly on the stack,
// touched once a block.
#if defined(__aarch64__)

#define HETERO_TARGET  // every aarch64 has NEON

#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/matmul_neon.h"

namespace hetero {
namespace {

// Quads of kinds with a zero are read less it, as signed bytes.
constexpr bool signed_quads(const PackedTraits& t) { return t.bits != 4 && t.zero != 0; }

struct Simd : Neon {
  static constexpr int chains(int rows) { return rows == 1 ? 2 : 1; }

  template <PackedKind K>
  static F load_column(const std::byte* p) {
    if constexpr (K == PackedKind::kF32) {
      return load_floats(p);
    } else if constexpr (K == PackedKind::kF16) {
      return load_halves(p);
    } else {
      const uint8x8_t half = vld1_u8(reinterpret_cast<const std::uint8_t*>(p));
      return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(half), 16));
    }
  }

  template <PackedKind K>
  static I load_elements(const std::byte* quants, int i) {
    constexpr PackedTraits t = packed_traits(K);
    if constexpr (t.bits == 4) {
      return vreinterpretq_s32_u8(load(quants + 64 * i));
    } else {
      const uint8x16_t q = load_bytes_of_quad<K>(quants, i);
      return vreinterpretq_s32_u8(t.bits == 6 ? vsubq_u8(q, vdupq_n_u8(t.zero)) : q);
    }
  }

  // Shifts put it at the top of its lane, then down again.
  template <PackedKind K>
  static F element(I raw, int j) {
    constexpr PackedTraits t = packed_traits(K);
    constexpr int kWidth = t.bits == 4 ? 4 : 8;
    const uint32x4_t up = vreinterpretq_u32_s32(raw) << static_cast<unsigned>(32 - kWidth * (j + 1));
    if constexpr (signed_quads(t)) {
      return vcvtq_f32_s32(vshrq_n_s32(vreinterpretq_s32_u32(up), 32 - kWidth));
    } else {
      const F q = vcvtq_f32_u32(vshrq_n_u32(up, 32 - kWidth));
      return t.zero == 0 ? q : vsubq_f32(q, all(static_cast<float>(t.zero)));
    }
  }
};

#include "kernels/cpu/matmul_f32.inc"

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulNeonF32Path, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulNeonF32Path = {.tuning = {.rows = kNeonMaxRows},
                                           .params = kFloatParams,
                                           .max_rows = kNeonMaxRows,
                                           .tiles = {nullptr, &kTiles<kNeonMaxRows>}};
const HostKernel kMatmulNeonF32 = matmul_kernel(kMatmulNeonF32Path, run);

}  // namespace hetero

#endif
