// The CPU matmul kernels, one a source file, and what each of them goes by; matmul_rows.cc makes catalogue rows of
// them.
#pragma once

#include "kernels/cpu/matmul_tiles.h"
#include "kernels/host_op.h"

// Clang has intrinsics for functions whose target is their own from version 16 on.
#if defined(__aarch64__) && (!defined(__clang__) || __clang_major__ >= 16)
#define HETERO_NEON_DOTPROD
#endif

namespace hetero {

extern const HostKernel kMatmulPortable;
extern const MatmulPath kMatmulPortablePath;
#if defined(__x86_64__)
extern const HostKernel kMatmulAvx512Vnni;
extern const MatmulPath kMatmulAvx512VnniPath;
extern const HostKernel kMatmulAvx512F32;
extern const MatmulPath kMatmulAvx512F32Path;
extern const HostKernel kMatmulAvx2Q8;
extern const MatmulPath kMatmulAvx2Q8Path;
extern const HostKernel kMatmulAvx2F32;
extern const MatmulPath kMatmulAvx2F32Path;
#elif defined(__aarch64__)
#if defined(HETERO_NEON_DOTPROD)
extern const HostKernel kMatmulNeonI8mm;
extern const MatmulPath kMatmulNeonI8mmPath;
extern const HostKernel kMatmulNeonDotprod;
extern const MatmulPath kMatmulNeonDotprodPath;
#endif
extern const HostKernel kMatmulNeonF32;
extern const MatmulPath kMatmulNeonF32Path;
#endif

}  // namespace hetero
