// The CPU kernels of all ops but matmul, one set for each instruction set. float32 throughout (class f32). A set may
// only run on a processor that has its instructions: the catalogue's rows see to that.
#pragma once

#include "kernels/host_op.h"

namespace hetero {

struct CpuOps {
  HostKernel rms_norm;
  HostKernel rope;
  HostKernel attention;
  HostKernel swiglu;
  HostKernel add;
};

// The buffers of the kernels are on the stack and have these bounds (in floats).
inline constexpr std::int64_t kMaxHeadDim = 256;

extern const CpuOps kCpuOpsPortable;
#if defined(__x86_64__)
extern const CpuOps kCpuOpsAvx2;
extern const CpuOps kCpuOpsAvx512;
#elif defined(__aarch64__)
extern const CpuOps kCpuOpsNeon;
#endif

}  // namespace hetero
