// Runs two commands in alternation and collects what they measure. POSIX processes; the calling thread waits for them.
#pragma once

#include <functional>
#include <string>
#include <utility>

#include "reports/benchmark_set.h"

namespace hetero {

struct PairedOptions {
  int rounds = 10;  // that count, after one of each to warm up
  // Called before each run: how much is done, and what comes next. May be empty.
  std::function<void(double fraction, const std::string& now)> progress;
};

// Each command goes to `sh -c` and prints hetero-infer's --bench --json or Google Benchmark's JSON to stdout; stderr
// passes through. A and B take turns, and so does who is first, so that heat and other load meet both alike. A run
// gives one sample for each benchmark, the median of its own: samples of one process are not independent of each other
// (one layout of memory, one choice of pages), so a hundred of them say no more about the build than one.
// Throws environment_error when a command cannot be started or fails, input_error for output that makes no sense or
// whose circumstances change between rounds.
std::pair<BenchmarkSet, BenchmarkSet> run_paired(const std::string& command_a, const std::string& command_b,
                                                 const PairedOptions& options);

}  // namespace hetero
