// The constant buffers of the OpenCL kernels. Matmul weights use the panels of kernels/cpu/pack.h.
#pragma once

#include "kernels/opencl/cl_kernel.h"

namespace hetero {

extern const ClPacking kClPanels;     // matmul: panels of 16 features
extern const ClPacking kClVector;     // rms_norm: n floats
extern const ClPacking kClTurnTable;  // rope: rope_dims / 2 fractions of a turn, times 2^64

// The defines that weights.cl needs for a stored format: "-DBITS=4 ...".
std::string weight_options(DType type);

}  // namespace hetero
