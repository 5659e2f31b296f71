// The rows of the reference family: one for every op, always applicable.
#include "kernels/catalogue.h"
#include "kernels/reference/reference_kernels.h"

namespace hetero {
namespace {

KernelVariant row(OpKind kind, const HostKernel& kernel) {
  KernelVariant variant;
  variant.id = std::string(name_of(kind)) + ".reference";
  variant.family = KernelFamily::kReference;
  variant.kind = kind;
  variant.tolerance = ToleranceClass::kF32;
  variant.applicable = [](const OpDesc&, const HardwareFacts&) { return Applicability{}; };
  variant.host = &kernel;
  return variant;
}

}  // namespace

std::vector<KernelVariant> reference_rows() {
  return {row(OpKind::kMatmul, kReferenceMatmul), row(OpKind::kRmsNorm, kReferenceRmsNorm),
          row(OpKind::kRope, kReferenceRope),     row(OpKind::kAttention, kReferenceAttention),
          row(OpKind::kSwiGlu, kReferenceSwiGlu), row(OpKind::kAdd, kReferenceAdd)};
}

}  // namespace hetero
