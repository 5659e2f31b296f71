// What the flags of `hetero-tune simulate` make of a system profile: which devices take part, how the host waits for
// them, which graphs a static device has, which strategies may be chosen. Alters values; runs nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiles/device_profile.h"
#include "profiles/fault_script.h"
#include "profiles/plan.h"
#include "tuner/apps/tune_common.h"

namespace hetero {

struct Scenario {
  SystemProfile system;                 // as it is run: joins, launches and graphs as the flags say
  std::vector<std::string> devices;     // those that take part, by their short names ("npu")
  std::vector<DeviceProfile> profiles;  // theirs, under the ids that they have in plans ("sim:<system>/npu")
  std::vector<Strategy> strategies;     // beside single; empty: all
  int grid = 64;                        // candidate shares are multiples of 1/grid
  std::vector<std::int64_t> steps;      // rows of the prefill steps, in order: chunks of at most 1024
  std::vector<Fault> faults;            // of the devices that take part
  double graph_generation_ns = 0;       // time for graphs that are made when the prompt is there
};

// Throws usage_error for flags that make no sense, environment_error and input_error for the profile's file.
Scenario make_scenario(const TuneFlags& flags);

// The strategies behind --strategy: names, separated by commas, and the sets "best" (all: the empty list), "layer"
// (single and pad: a block goes to one device) and "tensor" (the five of arXiv 2501.14794v2: all but paired).
std::vector<Strategy> strategies_of(const std::string& text);

// "npu" of "snapdragon-8-gen-3/npu".
std::string short_name(const std::string& device);

}  // namespace hetero
