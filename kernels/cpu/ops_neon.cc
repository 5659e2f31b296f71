// The ops for NEON, which every aarch64 has.
#if defined(__aarch64__)

#include <arm_neon.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "kernels/cpu/ops_kernels.h"
#include "kernels/work_split.h"

namespace hetero {
namespace {

struct Simd {
  using F = float32x4_t;
  static constexpr std::int64_t kLanes = 4;
  static F load(const float* p) { return vld1q_f32(p); }
  static void store(float* p, F x) { vst1q_f32(p, x); }
  static F load_first(const float* p, std::int64_t count) {
    if (count >= kLanes) return load(p);
    float padded[kLanes] = {};
    std::copy(p, p + count, padded);
    return load(padded);
  }
  static void store_first(float* p, F x, std::int64_t count) {
    if (count >= kLanes) return store(p, x);
    float lanes[kLanes];
    store(lanes, x);
    std::copy(lanes, lanes + count, p);
  }
  static F all(float x) { return vdupq_n_f32(x); }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }  // a * b + c
  static F max(F a, F b) { return vmaxq_f32(a, b); }
  static F round(F x) { return vrndnq_f32(x); }
  static F times_power_of_two(F x, F n) {  // n whole, x * 2^n normal
    const int32x4_t shift = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(x), shift));
  }
  static F zero_unless_at_least(F x, F limit, F value) {  // x >= limit ? value : 0
    return vreinterpretq_f32_u32(vandq_u32(vcgeq_f32(x, limit), vreinterpretq_u32_f32(value)));
  }
  static float sum(F x) { return vaddvq_f32(x); }
};

#include "kernels/cpu/ops_attention.inc"
#include "kernels/cpu/ops_rows.inc"

}  // namespace

const CpuOps kCpuOpsNeon = ops_of_this_file();

}  // namespace hetero

#endif
