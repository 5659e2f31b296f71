// One configuration of a kernel, compiled and timed in a process of its own: a compiler that crashes, a kernel that
// hangs or corrupts memory ends that process and is a row in the search, no more. The child is this program again with
// the hidden subcommand search-trial, so it shares nothing with its parent. Used by one thread.
#pragma once

#include <string>
#include <vector>

#include "base/units.h"
#include "kernels/variant.h"
#include "tuner/search/strategy.h"

namespace hetero {

struct TrialRequest {
  std::string op;      // canonical text
  std::string device;  // spec
  std::string variant;
  ParamValues params;
  int rounds = 1;            // samples
  std::string cache_folder;  // for compiled programs
};

struct TrialOutcome {
  SearchStatus status = SearchStatus::kCrash;
  std::string message;             // why, when not ok
  std::vector<double> samples_ns;  // of one op on the device
  double compile_ns = 0;           // compiling, and packing the first copy of the weights
  std::string device_name, driver;
  bool interrupted = false;  // the parent was told to stop: no outcome
};

// Starts the child and reads its outcome; kills it after `limit`, or when `stop` becomes true (looked at on every
// signal). Throws environment_error when no child can be started, and the child's own Error when the device cannot be
// opened at all: that is not the configuration's fault.
TrialOutcome run_trial(const TrialRequest& request, Nanos limit, bool (*stop)());

}  // namespace hetero
