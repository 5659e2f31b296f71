// A plan as a picture: buckets x blocks, each cell coloured by the devices that share it. Pure.
#pragma once

#include <map>
#include <string>

#include "profiles/plan.h"

namespace hetero {

// `colours`: device id -> colour of the series. Features are divided from left to right, rows of the prompt from top to
// bottom; a block whose layers are divided in several ways has a strip for each, as wide as its part of the layers.
// `layers` is the model's; 0: unknown, and each way is as wide as the others.
std::string plan_picture(const Plan& plan, const std::map<std::string, int>& colours, int layers);

}  // namespace hetero
