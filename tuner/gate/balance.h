// Shares from what the executor saw: beside each other, in a whole model, devices are faster or slower than they were
// when their ops were timed, and by different amounts. Pure.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "profiles/plan.h"
#include "profiles/trace.h"

namespace hetero {

// `bucket` with its shares moved so that, at the rates at which the devices ran in `trace` (one or more steps under
// `bucket`), those that divide a block are through with it together: a device's new share is its old one over the time
// it took, in proportion. Blocks that a device runs as one segment, and those of a paired span, move together. Nothing
// where no share would move by 1/64 or more. Left as they are: blocks that are not divided or are hybrid, rows of the
// devices in `whole_graphs` (static ones, whose rows their graphs decide), and buckets that treat layers differently.
std::optional<PlanBucket> balanced(const PlanBucket& bucket, const Trace& trace,
                                   const std::set<std::string>& whole_graphs);

}  // namespace hetero
