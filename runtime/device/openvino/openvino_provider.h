// The provider of `openvino`: static graphs through OpenVINO's C++ API.
//
//   openvino:<device>[@cores][?precision=f32|f16|q8][&sizes=1.32.64][&weights=stored|i4g128][&cache=0|1]
//
// <device> is a name of OpenVINO's: CPU, GPU, GPU.1, NPU. @cores: the processor's cores on which openvino:CPU computes.
// precision: f32 or q8 (activations in 8 bits, the default) on the CPU, f16 (the default) or f32 on a GPU, f16 on an
// NPU. sizes: the row counts of its graphs. weights: round quantised weights to a format (the error is told); stored
// keeps them. cache: keep compiled graphs on disk; on by default but for the CPU, whose plugin compiles as fast as it
// reads. In a build without OpenVINO the provider is there, and tells how to add it.
#pragma once

#include "runtime/device/device.h"

namespace hetero {

const DeviceProvider& openvino_provider();

}  // namespace hetero
