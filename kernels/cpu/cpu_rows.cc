// The rows of the CPU family, best first: the matmuls, then the other ops for AVX-512 and AVX2, or NEON, and any
// processor.
#include "kernels/catalogue.h"
#include "kernels/cpu/matmul_rows.h"
#include "kernels/cpu/ops_kernels.h"

namespace hetero {
namespace {

using Applicable = Applicability (*)(const OpDesc&, const HardwareFacts&);

// Limits of the kernels themselves, whatever the instructions.
Applicability fits(const OpDesc& op) {
  if (op.head_dim > kMaxHeadDim) return Applicability::no("heads of more than " + std::to_string(kMaxHeadDim));
  return {};
}

Applicability portable(const OpDesc& op, const HardwareFacts& /*facts*/) { return fits(op); }

void add_rows(std::vector<KernelVariant>& rows, const std::string& suffix, const CpuOps& ops, Applicable applicable) {
  const auto add = [&](OpKind kind, const HostKernel& kernel) {
    KernelVariant row;
    row.id = std::string(name_of(kind)) + ".cpu." + suffix;
    row.family = KernelFamily::kCpu;
    row.kind = kind;
    row.tolerance = ToleranceClass::kF32;
    row.applicable = applicable;
    row.host = &kernel;
    rows.push_back(row);
  };
  add(OpKind::kRmsNorm, ops.rms_norm);
  add(OpKind::kRope, ops.rope);
  add(OpKind::kAttention, ops.attention);
  add(OpKind::kSwiGlu, ops.swiglu);
  add(OpKind::kAdd, ops.add);
}

#if defined(__x86_64__)
Applicability avx512(const OpDesc& op, const HardwareFacts& facts) {
  return facts.avx512 ? fits(op) : Applicability::no("needs AVX-512 (F, BW, VL, DQ)");
}
Applicability avx2(const OpDesc& op, const HardwareFacts& facts) {
  return facts.avx2 ? fits(op) : Applicability::no("needs AVX2 and FMA");
}
#elif defined(__aarch64__)
Applicability neon(const OpDesc& op, const HardwareFacts& facts) {
  return facts.neon ? fits(op) : Applicability::no("needs NEON");
}
#endif

}  // namespace

std::vector<KernelVariant> cpu_rows() {
  std::vector<KernelVariant> rows = cpu_matmul_rows();
#if defined(__x86_64__)
  add_rows(rows, "avx512", kCpuOpsAvx512, avx512);
  add_rows(rows, "avx2", kCpuOpsAvx2, avx2);
#elif defined(__aarch64__)
  add_rows(rows, "neon", kCpuOpsNeon, neon);
#endif
  add_rows(rows, "portable", kCpuOpsPortable, portable);
  return rows;
}

}  // namespace hetero
