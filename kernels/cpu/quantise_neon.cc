// The quantiser of 8-bit activations for NEON (activations.h).
#if defined(__aarch64__)

#include <arm_neon.h>

#include "kernels/cpu/activations.h"

namespace hetero {
namespace {

// Stores 16 columns' q.
inline void store_bytes(const int32x4_t (&q)[4], std::int8_t* dst) {
  const int16x8_t first = vcombine_s16(vqmovn_s32(q[0]), vqmovn_s32(q[1]));
  const int16x8_t second = vcombine_s16(vqmovn_s32(q[2]), vqmovn_s32(q[3]));
  vst1q_s8(dst, vcombine_s8(vqmovn_s16(first), vqmovn_s16(second)));
}

void quantise_group(const float* x, int blocks, float limit, QuantisedGroup& out) {
  static constexpr std::uint32_t kBits[4] = {1, 2, 4, 8};
  const uint32x4_t bits = vld1q_u32(kBits);
  const float32x4_t limits = vdupq_n_f32(limit);
  float32x4_t narrow = vdupq_n_f32(0), all = vdupq_n_f32(0);
  for (int half = 0; half < 2 * blocks; ++half) {
    std::uint32_t outliers = 0;
    for (int i = 0; i < 4; ++i) {
      const float32x4_t magnitude = vabsq_f32(vld1q_f32(x + 16 * half + 4 * i));
      const uint32x4_t above = vcgtq_f32(magnitude, limits);
      outliers |= vaddvq_u32(vandq_u32(above, bits)) << (4 * i);
      narrow = vmaxq_f32(narrow, vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(magnitude), above)));
      all = vmaxq_f32(all, magnitude);
    }
    out.outliers[half] = static_cast<std::uint16_t>(outliers);
  }
  const Step step = step_for(vmaxvq_f32(narrow), vmaxvq_f32(all));
  out.scale = step.scale;
  for (int half = 0; half < 2 * blocks; ++half) {
    const std::uint32_t outliers = out.outliers[half];
    int32x4_t q[4];
    for (int i = 0; i < 4; ++i) q[i] = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x + 16 * half + 4 * i), step.per_unit));
    if (outliers != 0) {
      int32x4_t high[4];
      for (int i = 0; i < 4; ++i) {
        const uint32x4_t of_outliers = vtstq_u32(vdupq_n_u32(outliers >> (4 * i)), bits);
        const int32x4_t rounded = vaddq_s32(q[i], vdupq_n_s32(1 << (kLowBits - 1)));
        high[i] = vandq_s32(vshrq_n_s32(rounded, kLowBits), vreinterpretq_s32_u32(of_outliers));
        q[i] = vsubq_s32(q[i], vshlq_n_s32(high[i], kLowBits));
      }
      store_bytes(high, out.high + 16 * half);
    }
    store_bytes(q, out.low + 16 * half);
    out.low_sums[half] = vaddvq_s32(vaddq_s32(vaddq_s32(q[0], q[1]), vaddq_s32(q[2], q[3])));
  }
}

void add_squares(const float* x, std::int64_t count, float (&lanes)[16]) {
  float32x4_t sums[4];
  for (int i = 0; i < 4; ++i) sums[i] = vld1q_f32(lanes + 4 * i);
  for (std::int64_t c = 0; c < count; ++c) {
    for (int i = 0; i < 4; ++i) {
      const float32x4_t value = vld1q_f32(x + 16 * c + 4 * i);
      sums[i] = vaddq_f32(sums[i], vmulq_f32(value, value));
    }
  }
  for (int i = 0; i < 4; ++i) vst1q_f32(lanes + 4 * i, sums[i]);
}

}  // namespace

const Quantiser kNeonQuantiser = {quantise_group, add_squares};

}  // namespace hetero

#endif
