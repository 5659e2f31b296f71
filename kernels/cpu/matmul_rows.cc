// The catalogue's rows of CPU matmul kernels: which exist here, in the order of preference, and when each applies.
#include "kernels/cpu/matmul_rows.h"

#include "kernels/cpu/matmul_kernels.h"
#include "kernels/cpu/pack.h"

namespace hetero {
namespace {

Applicability matmul_shape(const OpDesc& op) {
  if (op.kind != OpKind::kMatmul) return Applicability::no("computes matmul only");
  if (op.m < 1 || op.n < 1 || op.k < 1) return Applicability::no("needs m, n and k of at least 1");
  if (op.k % info(op.w).block_elements != 0) return Applicability::no("needs k in whole weight blocks");
  return {};
}

// A weight with no integers has nothing to multiply 8-bit activations with.
[[maybe_unused]] Applicability quantised_weights(const OpDesc& op) {
  if (Applicability shape = matmul_shape(op); !shape.yes) return shape;
  if (!packed_traits(packed_kind(op.w)).quantised()) return Applicability::no("needs quantised weights");
  return {};
}

#if defined(__x86_64__)
Applicability avx512_vnni(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.avx512 || !facts.avx512_vnni) return Applicability::no("needs AVX-512 VNNI");
  return quantised_weights(op);
}

Applicability avx2_q8(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.avx2) return Applicability::no("needs AVX2 with FMA and F16C");
  return quantised_weights(op);
}

Applicability avx512_f32(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.avx512) return Applicability::no("needs AVX-512 F, BW, VL and DQ");
  return matmul_shape(op);
}

Applicability avx2_f32(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.avx2) return Applicability::no("needs AVX2 with FMA and F16C");
  return matmul_shape(op);
}
#elif defined(__aarch64__)
#if defined(HETERO_NEON_DOTPROD)
Applicability neon_i8mm(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.neon_dotprod || !facts.neon_i8mm) return Applicability::no("needs NEON with 8-bit matrix products (i8mm)");
  return quantised_weights(op);
}

Applicability neon_dotprod(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.neon || !facts.neon_dotprod) return Applicability::no("needs NEON with dot products (ARMv8.2)");
  return quantised_weights(op);
}
#endif

Applicability neon_f32(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.neon) return Applicability::no("needs NEON");
  return matmul_shape(op);
}
#endif

Applicability portable(const OpDesc& op, const HardwareFacts&) { return matmul_shape(op); }

KernelVariant row(const char* id, ToleranceClass tolerance,
                  Applicability (*applicable)(const OpDesc&, const HardwareFacts&), const HostKernel& kernel,
                  const MatmulPath& path) {
  KernelVariant variant;
  variant.id = id;
  // Revision 2 of the 8-bit rows: blocks with outliers, and rows alone, have 15-bit activations. 3: scales of 128
  // columns. 4, and 2 of the others: Q6_K and Q4_K in 7 and 5.5 bits a weight instead of 10 and 6, so that
  // times are no longer those.
  variant.revision = tolerance == ToleranceClass::kQ8 ? 4 : 2;
  variant.family = KernelFamily::kCpu;
  variant.kind = OpKind::kMatmul;
  variant.tolerance = tolerance;
  variant.applicable = applicable;
  variant.host = &kernel;
  for (const MatmulParam& param : path.params) {
    variant.params.push_back({.name = param.name,
                              .values = {param.values.begin(), param.values.end()},
                              .default_value = path.tuning.*param.field,
                              .meaning = param.meaning,
                              .classes = {param.classes.begin(), param.classes.end()}});
  }
  return variant;
}

}  // namespace

std::vector<KernelVariant> cpu_matmul_rows() {
  std::vector<KernelVariant> rows;
#if defined(__x86_64__)
  rows.push_back(
      row("matmul.cpu.avx512_vnni", ToleranceClass::kQ8, avx512_vnni, kMatmulAvx512Vnni, kMatmulAvx512VnniPath));
  rows.push_back(row("matmul.cpu.avx2_q8", ToleranceClass::kQ8, avx2_q8, kMatmulAvx2Q8, kMatmulAvx2Q8Path));
  rows.push_back(
      row("matmul.cpu.avx512_f32", ToleranceClass::kF32, avx512_f32, kMatmulAvx512F32, kMatmulAvx512F32Path));
  rows.push_back(row("matmul.cpu.avx2_f32", ToleranceClass::kF32, avx2_f32, kMatmulAvx2F32, kMatmulAvx2F32Path));
#elif defined(__aarch64__)
#if defined(HETERO_NEON_DOTPROD)
  rows.push_back(row("matmul.cpu.neon_i8mm", ToleranceClass::kQ8, neon_i8mm, kMatmulNeonI8mm, kMatmulNeonI8mmPath));
  rows.push_back(
      row("matmul.cpu.neon_dotprod", ToleranceClass::kQ8, neon_dotprod, kMatmulNeonDotprod, kMatmulNeonDotprodPath));
#endif
  rows.push_back(row("matmul.cpu.neon_f32", ToleranceClass::kF32, neon_f32, kMatmulNeonF32, kMatmulNeonF32Path));
#endif
  rows.push_back(row("matmul.cpu.portable", ToleranceClass::kF32, portable, kMatmulPortable, kMatmulPortablePath));
  return rows;
}

}  // namespace hetero
