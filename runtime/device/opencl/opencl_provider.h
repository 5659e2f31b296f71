// The provider of `opencl`: every device of every OpenCL platform, or some cores of one that is a CPU.
#pragma once

#include "runtime/device/device.h"

namespace hetero {

// Ids: opencl:0, opencl:1 ... over all platforms' devices; opencl:0@1 is core 1 of a CPU device. Options: staged=1
// copies activations even where memory is shared (for tests); precision=f32|f16|q8 is the least exact arithmetic
// allowed.
const DeviceProvider& opencl_provider();

}  // namespace hetero
