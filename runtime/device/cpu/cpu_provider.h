// The provider of `cpu`: the processor's cores, all or some.
#pragma once

#include <vector>

#include "runtime/device/device.h"

namespace hetero {

const DeviceProvider& cpu_provider();

// Logical cores that this process may use, ascending; one hardware thread of each core comes first in `one_per_core`.
std::vector<int> all_cores();

}  // namespace hetero
