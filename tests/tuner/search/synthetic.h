// Made-up search spaces with the habits of real ones: restrictions, settings that act together, steps, invalid corners,
// noise. Times follow from formulas, so nothing here was measured; each call gives the same space.
#pragma once

#include "tuner/search/recording.h"

namespace hetero::testing_search {

// A GPU matmul in the manner of CLBlast: 9 parameters, some 15,000 feasible configurations, a quarter of them beyond
// the device's limits, few near the best.
RecordedSearch gemm_like();

// A convolution: 6 parameters, about 4,000 configurations, many good ones.
RecordedSearch convolution_like();

// Six parameters of 5 values whose effects on each other are random: little to be learnt from one for the other.
RecordedSearch rugged(std::uint64_t seed);

// As small as the spaces of our own kernels: 96 configurations.
RecordedSearch small_like();

}  // namespace hetero::testing_search
