// Which family of cost model predicts what was not measured: shapes are held out at random, each family is fitted to
// the rest, and for each kind of op the one with the least error on the held-out shapes is kept. Pure.
#pragma once

#include <vector>

#include "profiles/device_profile.h"
#include "tuner/fit/curves.h"

namespace hetero {

// Fills matmul, ops, trees and held_out of the profile. Reads its stage.
void fit_costs(const std::vector<OpTiming>& timings, DeviceProfile& profile);

}  // namespace hetero
