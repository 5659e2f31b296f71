// Matmul with 8-bit activations on NEON with the dot products of ARMv8.2.
//
// Registers of the largest tile (8 rows, 8 features): 16 sums, 2 weights, 2 of activations, a mask; sums in float lie
// on the stack, touched once in 32 columns. Functions carry their target, so the file is safe to link and load
// anywhere.
#include "kernels/cpu/matmul_kernels.h"

#if defined(HETERO_NEON_DOTPROD)

#define HETERO_TARGET __attribute__((target("arch=armv8.2-a+dotprod")))

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/matmul_neon_dotprod.h"

namespace hetero {
namespace {

using Simd = NeonDotprod;

#include "kernels/cpu/matmul_q8.inc"

void run(const HostOp& op, int phase, int worker, int workers) {
  run_matmul(kMatmulNeonDotprodPath, op, phase, worker, workers);
}

}  // namespace

constexpr MatmulPath kMatmulNeonDotprodPath = {.form = ActivationForm::kQ8,
                                               .quantiser = &kNeonQuantiser,
                                               .tuning = {.rows = kNeonMaxRows},
                                               .params = kNeonParams,
                                               .max_rows = kNeonMaxRows,
                                               .tiles = {nullptr, &kTiles<1, kNeonMaxRows>}};
const HostKernel kMatmulNeonDotprod = matmul_kernel(kMatmulNeonDotprodPath, run);

}  // namespace hetero

#endif
