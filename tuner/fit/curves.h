// The piecewise roofline of a device: a line in the weights for each number of rows that was measured, bends between
// them, factors of odd shapes, stages. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiles/device_profile.h"
#include "tuner/fit/regression.h"

namespace hetero {

// One measured op: the median of its samples.
struct OpTiming {
  OpDesc op;
  Spread ns;
};

std::string source_text(int samples);  // "7 samples"

// The largest step in which rows cost, as far as measurements bear it out: ops that it makes equal took equal times,
// also beyond the first step (up to there, a roofline is as flat). 1: none.
std::int64_t find_stage(const std::vector<OpTiming>& timings);

// `stage`: dimensions are rounded up to it.
std::vector<MatmulCurve> fit_matmul(const std::vector<OpTiming>& timings, std::int64_t stage);
std::vector<OpCurve> fit_ops(const std::vector<OpTiming>& timings, std::int64_t stage);

}  // namespace hetero
