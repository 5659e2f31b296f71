// What whole steps of models take, over the sum of their ops: the factors of a profile. Pure.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "profiles/device_profile.h"
#include "profiles/measurement.h"
#include "profiles/model_shape.h"

namespace hetero {

// `samples`: trusted ones of the profile's device; those of other kinds, and steps of models that are not among
// `shapes` (by fingerprint), are passed over, and so are steps that were timed only once, and those with ops that the
// profile cannot predict.
std::vector<StepFactors> fit_steps(const std::vector<const Sample*>& samples, const DeviceProfile& profile,
                                   const std::map<std::string, ModelShape>& shapes);

}  // namespace hetero
