// The solver's proposals, rehearsed: of several solutions the one that is fastest on the virtual timeline, bucket by
// bucket, and its time there as the prediction. Pure and deterministic.
#pragma once

#include <vector>

#include "tuner/solve/solve.h"

namespace hetero {

// As solve(), whose best of all strategies and of some of them are the proposals, and for a static device its best with
// fewer graph sizes (some sets of them: all, grown from one, one more or less). A plan with fewer strategies is a
// proposal too wherever more are allowed. A bucket's predicted_ns is its step on the virtual timeline (prefill from
// position 0, decode with options.decode_context rows in the cache), and those of its blocks are in proportion. Where
// devices are short of memory and the fastest buckets do not fit them together, the plan is solve()'s own.
Plan rehearsed_plan(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
                    const SolveOptions& options);

}  // namespace hetero
