// The ops for any processor: four lanes in the compiler's own vector types, which become SSE2 or NEON.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/cpu/ops_kernels.h"
#include "kernels/work_split.h"

namespace hetero {
namespace {

struct Simd {
  using F = float __attribute__((vector_size(16)));
  using I = std::int32_t __attribute__((vector_size(16)));
  static constexpr std::int64_t kLanes = 4;
  static F load(const float* p) { return load_first(p, kLanes); }
  static void store(float* p, F x) { store_first(p, x, kLanes); }
  static F load_first(const float* p, std::int64_t count) {
    F x = {};
    std::memcpy(&x, p, static_cast<std::size_t>(count) * sizeof(float));
    return x;
  }
  static void store_first(float* p, F x, std::int64_t count) {
    std::memcpy(p, &x, static_cast<std::size_t>(count) * sizeof(float));
  }
  static F all(float x) { return F{x, x, x, x}; }
  static F fma(F a, F b, F c) { return a * b + c; }  // rounds twice, which class f32 allows for
  static F max(F a, F b) { return a > b ? a : b; }
  // Adding and taking away 1.5 * 2^23 leaves no bits below one. Good for |x| < 2^22.
  static F round(F x) { return (x + all(0x1.8p23F)) - all(0x1.8p23F); }
  static F times_power_of_two(F x, F n) {  // n whole, x * 2^n normal
    const I shift = __builtin_convertvector(n, I) * (1 << 23);
    return std::bit_cast<F>(std::bit_cast<I>(x) + shift);
  }
  static F zero_unless_at_least(F x, F limit, F value) {  // x >= limit ? value : 0
    return std::bit_cast<F>((x >= limit) & std::bit_cast<I>(value));
  }
  static float sum(F x) { return (x[0] + x[1]) + (x[2] + x[3]); }
};

#include "kernels/cpu/ops_attention.inc"
#include "kernels/cpu/ops_rows.inc"

}  // namespace

const CpuOps kCpuOpsPortable = ops_of_this_file();

}  // namespace hetero
