// The provider of `cpu`: the processor's cores, all or some.
#pragma once

#include <vector>

#include "runtime/device/device.h"

namespace hetero {

const DeviceProvider& cpu_provider();

// Logical cores that this process may use, ascending.
std::vector<int> all_cores();

}  // namespace hetero
