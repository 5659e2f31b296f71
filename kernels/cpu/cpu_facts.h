// What this machine's processor can do, as arguments for the choice of kernels.
#pragma once

#include "kernels/variant.h"

namespace hetero {

// Instruction sets that the processor has and the operating system saves; `workers` is left at 1. Asks the processor,
// not the build: call it once and pass the answer on.
HardwareFacts detect_cpu_facts();

}  // namespace hetero
