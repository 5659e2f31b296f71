// The CPU matmul kernels, one a source file; matmul_rows.cc makes catalogue rows of them.
#pragma once

#include "kernels/host_op.h"

namespace hetero {

extern const HostKernel kMatmulPortable;
#if defined(__x86_64__)
extern const HostKernel kMatmulAvx512Vnni;
extern const HostKernel kMatmulAvx512F32;
extern const HostKernel kMatmulAvx2Q8;
extern const HostKernel kMatmulAvx2F32;
#endif

}  // namespace hetero
