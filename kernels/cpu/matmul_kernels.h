// The CPU matmul kernels, one a source file; matmul_rows.cc makes catalogue rows of them.
#pragma once

#include "kernels/host_op.h"

// Clang has intrinsics for functions whose target is their own from version 16 on.
#if defined(__aarch64__) && (!defined(__clang__) || __clang_major__ >= 16)
#define HETERO_NEON_DOTPROD
#endif

namespace hetero {

extern const HostKernel kMatmulPortable;
#if defined(__x86_64__)
extern const HostKernel kMatmulAvx512Vnni;
extern const HostKernel kMatmulAvx512F32;
extern const HostKernel kMatmulAvx2Q8;
extern const HostKernel kMatmulAvx2F32;
#elif defined(__aarch64__)
#if defined(HETERO_NEON_DOTPROD)
extern const HostKernel kMatmulNeonI8mm;
extern const HostKernel kMatmulNeonDotprod;
#endif
extern const HostKernel kMatmulNeonF32;
#endif

}  // namespace hetero
