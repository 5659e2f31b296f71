// From samples to a device profile. Pure: rows in, document out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "profiles/device_profile.h"
#include "profiles/measurement.h"
#include "profiles/model_shape.h"
#include "runtime/device/device.h"

namespace hetero {

// Uses trusted samples of this device only. `shapes`: of the models whose steps were timed, by fingerprint. Throws
// input_error when there are too few samples, naming what is missing.
DeviceProfile fit(const DeviceFacts& facts, const std::vector<Sample>& samples,
                  const std::map<std::string, ModelShape>& shapes = {});

// A slow-down that was measured, and what would be predicted of it without that measurement: from other ops beside the
// same devices, from smaller sets of devices, from the bandwidth.
struct HeldOutSlowdown {
  std::string with;     // the other devices, joined by '+'
  std::string subject;  // the op
  double measured = 1;
  double predicted = 1;
};
// `samples`: trusted ones of this device as it is.
std::vector<HeldOutSlowdown> held_out_slowdowns(const std::string& device, const std::vector<Sample>& samples);

}  // namespace hetero
