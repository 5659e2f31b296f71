// Which devices a program uses when its user names none. Pure: descriptions in, names out.
#pragma once

#include <string>
#include <vector>

#include "runtime/device/device.h"

namespace hetero {

// For tuning: every usable device that is not simulated. GPUs and NPUs stand beside the whole cpu. An OpenCL or other
// device that computes on the processor's own cores gets the upper half of them, the cpu the lower: with one core there
// is only the cpu.
std::vector<DeviceSpec> default_devices(const std::vector<DeviceDescription>& present);

}  // namespace hetero
