// From samples to a device profile. Pure: rows in, document out.
#pragma once

#include <vector>

#include "profiles/device_profile.h"
#include "profiles/measurement.h"
#include "runtime/device/device.h"

namespace hetero {

// Uses trusted samples of this device only. Throws input_error when there are too few, naming what is missing.
DeviceProfile fit(const DeviceFacts& facts, const std::vector<Sample>& samples);

}  // namespace hetero
