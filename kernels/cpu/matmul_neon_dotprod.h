// What matmul_q8.inc asks for, of NEON with the dot products of ARMv8.2. Included by the 8-bit NEON kernels alone,
// after they have defined HETERO_TARGET.
//
// sdot multiplies signed by signed bytes and takes the four activations of a row from any lane of a register: 16 bytes
// of the tile ([quad][row][4 bytes]) are loaded once and serve four rows or quads.
#pragma once

#include "kernels/cpu/matmul_neon.h"

namespace hetero {

struct NeonDotprod : Neon {
  static constexpr bool kSigned = true;
  static constexpr int vectors(int /*panels*/, int rows) { return Neon::vectors(rows); }

  HETERO_TARGET static I all_int(std::int32_t x) { return vdupq_n_s32(x); }
  HETERO_TARGET static I broadcast_int(const std::byte* p) {
    std::int32_t value;
    std::memcpy(&value, p, sizeof value);
    return vdupq_n_s32(value);
  }
  using Neon::add;
  HETERO_TARGET static I add(I a, I b) { return vaddq_s32(a, b); }
  template <int N>
  HETERO_TARGET static I shift_left(I x) {
    return vshlq_n_s32(x, N);
  }
  HETERO_TARGET static F to_float(I x) { return vcvtq_f32_s32(x); }

  template <PackedKind K>
  HETERO_TARGET static I load_quad(const std::byte* quants, int i) {
    return vreinterpretq_s32_u8(load_bytes_of_quad<K>(quants, i));
  }
  template <PackedKind K>
  HETERO_TARGET static I add_dot(I sums, I weights, I quad) {
    return vdotq_s32(sums, vreinterpretq_s8_s32(weights), vreinterpretq_s8_s32(quad));
  }

  // sums + the dot product of each lane of the weights with one lane of the activations.
  HETERO_TARGET static I dot_lane(I sums, int8x16_t weights, int8x16_t activations, int lane) {
    switch (lane) {
      case 0:
        return vdotq_laneq_s32(sums, weights, activations, 0);
      case 1:
        return vdotq_laneq_s32(sums, weights, activations, 1);
      case 2:
        return vdotq_laneq_s32(sums, weights, activations, 2);
      default:
        return vdotq_laneq_s32(sums, weights, activations, 3);
    }
  }

  template <PackedKind K, int V, int R>
  HETERO_TARGET static void add_plane(I (&sums)[V * R], const std::byte* const (&quants)[V],
                                      const std::byte* activations, int g) {
    constexpr int kQuads = 8 / packed_traits(K).groups;  // of four columns, in a group
    HETERO_UNROLL
    for (int i = g * kQuads; i < (g + 1) * kQuads; ++i) {
      int8x16_t weights[V];
      HETERO_UNROLL
      for (int v = 0; v < V; ++v) weights[v] = vreinterpretq_s8_u8(load_bytes_of_quad<K>(quants[v], i));
      HETERO_UNROLL
      for (int r = 0; r < R; ++r) {
        const int dword = R * i + r;  // 8 * R in the block, so that no load passes its end
        const int8x16_t four = vreinterpretq_s8_u8(load(activations + dword / 4 * 16));
        HETERO_UNROLL
        for (int v = 0; v < V; ++v) sums[v * R + r] = dot_lane(sums[v * R + r], weights[v], four, dword % 4);
      }
    }
  }
};

}  // namespace hetero
