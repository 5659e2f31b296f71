// How long an op takes while other devices work: contention for memory, power and cores.
#pragma once

#include <vector>

#include "tuner/measure/bench_set.h"

namespace hetero {

struct TogetherTimes {
  double op_ns = 0;    // of one op of the main bench, over the time in which every other device was busy too
  double overlap = 0;  // part of the main bench's time for which that held
};

// Runs `main` beside `others`, which repeat their work. At most one of all devices may run on the caller's thread.
// `alone_op_ns`: one op of `main` by itself, to take the time outside the overlap out of account.
// Precondition: all benches are usable and have been run alone. Throws a device's Error.
TogetherTimes run_together(BenchSet& benches, Timeline& timeline, Bench& main, const std::vector<Bench*>& others,
                           double alone_op_ns);

}  // namespace hetero
