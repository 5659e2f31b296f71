// The numbers of a simulated device: a segment's ops run one after another by the reference kernels on the arena.
// Knows no time. run() is called by one thread at a time.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/host_op.h"
#include "runtime/device/arena.h"
#include "runtime/device/segment.h"

namespace hetero {

enum class SimPrecision : std::uint8_t {
  kFloat32,
  // float16 at the boundaries of ops: what a matmul reads and what any op gives is rounded to the nearest float16.
  // Sums within an op are those of the reference. The residual stream stays float32, as NPU runtimes keep it for its
  // range: a matmul's product is rounded before the residual is added, and the result of kAdd is not rounded.
  kFloat16
};

class ReferenceSegment {
 public:
  // Borrows the arena and the weights; both outlive it.
  ReferenceSegment(const Segment& segment, Arena& arena, SimPrecision precision);
  void run(const Bindings& bindings);

 private:
  struct Step {
    const HostKernel* kernel = nullptr;
    OpDesc desc;
    OpConstants constants;
    std::array<Region, 3> in;
    Region out;
    WeightSlice weight;
    const float* vector = nullptr;
  };
  HostOp bind(const Step& step, std::int64_t position);
  void run_rounded(const Step& step, HostOp op);
  static void run_kernel(const Step& step, const HostOp& op);

  Arena& arena_;
  SimPrecision precision_;
  std::vector<Step> steps_;
  AlignedBuffer workspace_;
  std::vector<float> rounded_in_;  // [m, k] of a matmul
  std::vector<float> product_;     // [m, n] of a matmul
};

}  // namespace hetero
