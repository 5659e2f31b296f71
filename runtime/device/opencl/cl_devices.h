// The OpenCL devices of all platforms, in the order that gives them their names, and what a device can do.
// Every first contact with a driver goes through here, because drivers create their threads then: see placement.h.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/variant.h"
#include "runtime/device/opencl/cl_handle.h"

namespace hetero {

struct ClRootDevice {
  cl_device_id device = nullptr;
  cl_device_type type = 0;
  std::string name;
  std::string driver;  // platform and driver version
  int compute_units = 0;
  std::uint64_t memory_bytes = 0;

  bool is_cpu() const { return (type & CL_DEVICE_TYPE_CPU) != 0; }
  // The host's cores that its compute units stand on: unit i on core i. Empty for other devices than CPUs.
  std::vector<int> cores() const;
};

// Empty when no platform is installed. A platform that fails is left out, with its complaint in `complaints`.
std::vector<ClRootDevice> list_cl_devices(std::vector<std::string>& complaints);

// The part of a CPU device that stands on `cores`, which must follow each other. The whole device gives an empty
// handle. Throws usage_error (gaps, cores that it does not have) or environment_error (the driver cannot divide the
// device).
ClSubDevice restrict_to_cores(const ClRootDevice& root, const std::vector<int>& cores, const std::string& spec);

HardwareFacts cl_hardware_facts(cl_device_id device);

}  // namespace hetero
