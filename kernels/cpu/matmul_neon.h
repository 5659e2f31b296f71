// The vectors of all NEON matmul kernels. Included by those alone, after they have defined HETERO_TARGET.
//
// A vector holds 4 of a panel's 16 rows. Tiles of many rows take half a panel after the other, so that a weight is
// unpacked for more of them; with few rows it is the whole panel, a single stream.
#pragma once

#include <arm_neon.h>

#include <cstring>

#include "kernels/cpu/matmul_tiles.h"

namespace hetero {

inline constexpr int kNeonMaxRows = 8;

// Of the kernels with 8-bit activations.
inline constexpr std::int64_t kNeonRows[] = {4, 6, kNeonMaxRows};
inline constexpr MatmulParam kNeonParams[] = {
    {"rows", &MatmulTuning::rows, kNeonRows, kSeveralRows, "rows of a tile, at most"},
    kCacheParam,
    kChunkParam,
    kPrefetchParam};

// What matmul_simd.inc asks for.
struct Neon {
  using F = float32x4_t;
  using I = int32x4_t;
  static constexpr int kLanes = 4;
  static constexpr int vectors(int rows) { return rows <= 4 ? 4 : 2; }

  HETERO_TARGET static uint8x16_t load(const std::byte* p) {
    return vld1q_u8(reinterpret_cast<const std::uint8_t*>(p));
  }
  HETERO_TARGET static F all(float x) { return vdupq_n_f32(x); }
  HETERO_TARGET static F broadcast(const std::byte* p) {
    float value;
    std::memcpy(&value, p, sizeof value);
    return vdupq_n_f32(value);
  }
  HETERO_TARGET static F add(F a, F b) { return vaddq_f32(a, b); }
  HETERO_TARGET static F mul(F a, F b) { return vmulq_f32(a, b); }
  HETERO_TARGET static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  HETERO_TARGET static F load_floats(const std::byte* p) { return vreinterpretq_f32_u8(load(p)); }
  HETERO_TARGET static F load_halves(const std::byte* p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(reinterpret_cast<const std::uint8_t*>(p))));
  }
  HETERO_TARGET static F load_bytes(const std::byte* p) {
    std::int32_t four;
    std::memcpy(&four, p, sizeof four);
    const int16x8_t halves = vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(halves)));
  }
  HETERO_TARGET static F load_first(const float* p, int count) {
    if (count >= kLanes) return vld1q_f32(p);
    float padded[kLanes] = {};
    for (int i = 0; i < count; ++i) padded[i] = p[i];
    return vld1q_f32(padded);
  }
  HETERO_TARGET static void store_first(float* p, F x, int count) {
    if (count >= kLanes) return vst1q_f32(p, x);
    float all_lanes[kLanes];
    vst1q_f32(all_lanes, x);
    for (int i = 0; i < count; ++i) p[i] = all_lanes[i];
  }

  // Quad `i` (columns 4i..4i+3) of 4 rows. Of kinds with zero 128 less it, as signed bytes.
  template <PackedKind K>
  HETERO_TARGET static uint8x16_t load_bytes_of_quad(const std::byte* quants, int i) {
    constexpr PackedTraits t = packed_traits(K);
    if constexpr (t.bits == 8) {
      const uint8x16_t q = load(quants + 64 * i);
      return t.zero == 128 ? veorq_u8(q, vdupq_n_u8(128)) : q;
    } else if constexpr (t.bits == 6) {
      quants += i / 4 * 192;
      if (i % 4 < 3) return vandq_u8(load(quants + i % 4 * 64), vdupq_n_u8(63));
      const uint8x16_t first = vshrq_n_u8(load(quants), 6), second = vshrq_n_u8(load(quants + 64), 6);
      return vsliq_n_u8(vshrq_n_u8(load(quants + 128), 6), vsliq_n_u8(second, first, 2), 2);
    } else {
      const uint8x16_t pairs = load(quants + 64 * (i / 2));
      return i % 2 == 0 ? vandq_u8(pairs, vdupq_n_u8(15)) : vshrq_n_u8(pairs, 4);
    }
  }
};

}  // namespace hetero
