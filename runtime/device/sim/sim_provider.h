// The provider of `sim`: devices that take the time their profile says, with the reference's numbers where asked.
//
//   sim:<system>/<device>[?compute=none|reference][&sizes=<row counts>][&order=auto|activations|weights][&host=<core>]
//
// <system> is the name of a shipped system profile or the path of a .json file; <device> is the last part of the
// device's name in it ("npu" of "snapdragon-8-gen-3/npu"). compute=reference: numbers by the reference kernels, rounded
// to float16 where the profile says so (default: none, only time passes and memory stays as it is). sizes: the row
// counts of a static device's graphs, as in 1.32.256 (default: the profile's). order: which operand of a matmul stands
// first, where the profile says that it matters (default: auto, as was measured, or activations). host: the logical
// core on which an emulated device's worker computes (no meaning on a virtual timeline).
#pragma once

#include <memory>
#include <string>

#include "profiles/device_profile.h"
#include "profiles/model_shape.h"
#include "runtime/device/device.h"
#include "runtime/device/sim/sim_device.h"

namespace hetero {

const DeviceProvider& sim_provider();

// Device `device` ("npu") of a system profile that is in no file, under the id "sim:<system.name>/<device>"; times
// only, and every matmul in the better order of its operands; with `model` the times of its steps (see CostModel). For
// `hetero-tune simulate`, which alters profiles before it runs them. Throws environment_error when the system has no
// such device.
std::unique_ptr<SimDevice> open_sim_device(const SystemProfile& system, const std::string& device,
                                           const DeviceContext& context, const ModelShape* model = nullptr);

}  // namespace hetero
