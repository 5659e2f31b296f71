// One step of a trace as a picture: what each device did, and below, over the same axis, what was predicted. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "profiles/trace.h"

namespace hetero {

// `colours`: device id -> colour of the series. Lines between lanes are joins. Empty when the step has no spans.
std::string timeline_picture(const Trace& trace, const std::vector<Interval>& predicted, std::int64_t step,
                             const std::map<std::string, int>& colours);

// The steps worth a picture: the first, and of the others the one of median length. At most two, ascending.
std::vector<std::int64_t> typical_steps(const Trace& trace);

}  // namespace hetero
