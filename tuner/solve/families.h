// The ways to divide a layer throughout, as strategies for the solver. Pure.
#pragma once

#include <vector>

#include "profiles/plan.h"

namespace hetero {

// What a way costs beyond its ops (joins that overlap with work, activations that another core wrote) is what the sum
// over spans knows least about, so the best of each is tried: in a race before the gate, in rehearsal. `single` and
// `pad` divide nothing and belong to all; the simpler ways come first.
std::vector<std::vector<Strategy>> strategy_families();

}  // namespace hetero
