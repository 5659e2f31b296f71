// The reference: one obvious implementation of every op, against which all others are judged. Weights dequantised by
// dtype.h, activations float32, every sum in double, one rounding at the end. No instruction-set dependence.
#pragma once

#include "kernels/host_op.h"

namespace hetero {

// Its packed form is the WeightSlice itself: HostOp::weights points to one.
extern const HostKernel kReferenceMatmul;
extern const HostKernel kReferenceRmsNorm;
extern const HostKernel kReferenceRope;
extern const HostKernel kReferenceAttention;
extern const HostKernel kReferenceSwiGlu;
extern const HostKernel kReferenceAdd;

}  // namespace hetero
