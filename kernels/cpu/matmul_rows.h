// The catalogue's rows of CPU matmul kernels.
#pragma once

#include <vector>

#include "kernels/variant.h"

namespace hetero {

// Best first; the last is applicable on every processor and to every weight format.
std::vector<KernelVariant> cpu_matmul_rows();

}  // namespace hetero
