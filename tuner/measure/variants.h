// Kernels whose parameters are chosen by shape (ParamScope::kShape): each set of them is timed on each matmul of a
// model, in turn, as often as it takes to tell them apart. Which one is the best follows from the samples
// (profiles/shape_choice.h). Devices and clock are used here.
#pragma once

#include <string>
#include <vector>

#include "profiles/measurement.h"
#include "profiles/model_shape.h"
#include "runtime/device/device.h"
#include "tuner/measure/measure.h"

namespace hetero {

// An op for which a device has several sets of parameters, and what is known of it.
struct VariantContest {
  Device* device = nullptr;
  OpDesc op;
  const KernelVariant* row = nullptr;
};

struct VariantOptions {
  double budget_seconds = 10;
  int rounds = 5;  // samples of each set of parameters at most
};

// The model's matmuls on these devices whose parameters are open, those with the most time first: see
// deciding_matmuls(). Where `known` tells them apart already there is no contest.
std::vector<VariantContest> variant_contests(const ModelShape& shape, const std::vector<Device*>& devices,
                                             const std::vector<ShapeChoice>& known, const VariantOptions& options);

// Times the contestants, one contest after another; samples are of kind kVariant. A loser is not timed again once that
// is clear. A set that cannot be compiled or gives wrong results leaves the contest, and a row says why. Attaches
// arenas of its own to the devices, which outlive it.
MeasureOutcome time_variants(const std::vector<VariantContest>& contests, Timeline& timeline,
                             const VariantOptions& options, const MeasureHooks& hooks);

}  // namespace hetero
