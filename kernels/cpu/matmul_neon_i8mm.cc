// Matmul with 8-bit activations on NEON with the integer matrix products of ARMv8.6 (and dot products).
//
// smmla multiplies two features by two rows, 8 columns each: twice the products of sdot. Two quads of 4 features become
// two pairs of features by zips, rows likewise; the 2 x 2 sums become vectors of features again once in a block. A last
// odd row, and a row alone, take dot products.
//
// Registers of the largest tile (8 rows, 8 features): 16 sums, 4 pairs of features, 4 of rows. Functions carry their
// target, so the file is safe to link and load anywhere.
#include "kernels/cpu/matmul_kernels.h"

#if defined(HETERO_NEON_DOTPROD)

#define HETERO_TARGET __attribute__((target("arch=armv8.2-a+dotprod+i8mm")))

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/matmul_neon_dotprod.h"

namespace hetero {
namespace {

struct Simd : NeonDotprod {
  HETERO_TARGET static int8x16_t bytes(int32x4_t x) { return vreinterpretq_s8_s32(x); }

  // Rows r and r + 1 of quads i and i + 1: [row][quad][4 bytes].
  template <int R>
  HETERO_TARGET static int8x16_t load_rows(const std::byte* activations, int i, int r) {
    const auto* quads = reinterpret_cast<const std::int8_t*>(activations + 4 * (R * i + r));
    const int32x2_t first = vreinterpret_s32_s8(vld1_s8(quads)), second = vreinterpret_s32_s8(vld1_s8(quads + 4 * R));
    return bytes(vcombine_s32(vzip1_s32(first, second), vzip2_s32(first, second)));
  }

  template <PackedKind K, int V, int R>
  HETERO_TARGET static void add_plane(I (&sums)[V * R], const std::byte* const (&quants)[V],
                                      const std::byte* activations, int g) {
    if constexpr (R == 1) {
      NeonDotprod::add_plane<K, V, R>(sums, quants, activations, g);
    } else {
      constexpr int kQuads = 8 / packed_traits(K).groups;  // of four columns, in a group
      constexpr int kPairs = R / 2;
      I squares[V * kPairs][2];  // features 0 and 1, 2 and 3 of vector v by rows 2p and 2p + 1, at [v * kPairs + p]
      HETERO_UNROLL
      for (int s = 0; s < V * kPairs; ++s) squares[s][0] = squares[s][1] = all_int(0);
      HETERO_UNROLL
      for (int i = g * kQuads; i < (g + 1) * kQuads; i += 2) {
        I first[V], second[V];
        HETERO_UNROLL
        for (int v = 0; v < V; ++v) {
          first[v] = load_quad<K>(quants[v], i);
          second[v] = load_quad<K>(quants[v], i + 1);
        }
        HETERO_UNROLL
        for (int p = 0; p < kPairs; ++p) {
          const int8x16_t rows = load_rows<R>(activations, i, 2 * p);
          HETERO_UNROLL
          for (int v = 0; v < V; ++v) {
            I(&s)[2] = squares[v * kPairs + p];
            s[0] = vmmlaq_s32(s[0], bytes(vzip1q_s32(first[v], second[v])), rows);
            s[1] = vmmlaq_s32(s[1], bytes(vzip2q_s32(first[v], second[v])), rows);
          }
        }
        if constexpr (R % 2 == 1) {
          const std::byte* last = activations + 4 * (R * i + R - 1);
          HETERO_UNROLL
          for (int v = 0; v < V; ++v) {
            I& sum = sums[v * R + R - 1];
            sum = add_dot<K>(add_dot<K>(sum, first[v], broadcast_int(last)), second[v], broadcast_int(last + 4 * R));
          }
        }
      }
      HETERO_UNROLL
      for (int s = 0; s < V * kPairs; ++s) {
        const int at = s / kPairs * R + s % kPairs * 2;
        sums[at] = add(sums[at], vuzp1q_s32(squares[s][0], squares[s][1]));
        sums[at + 1] = add(sums[at + 1], vuzp2q_s32(squares[s][0], squares[s][1]));
      }
    }
  }
};

#include "kernels/cpu/matmul_q8.inc"

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulNeonI8mmPath, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulNeonI8mmPath = {.form = ActivationForm::kQ8,
                                            .quantiser = &kNeonQuantiser,
                                            .tuning = {.rows = kNeonMaxRows},
                                            .params = kNeonParams,
                                            .max_rows = kNeonMaxRows,
                                            .tiles = {nullptr, &kTiles<1, kNeonMaxRows>}};
const HostKernel kMatmulNeonI8mm = matmul_kernel(kMatmulNeonI8mmPath, run);

}  // namespace hetero

#endif
