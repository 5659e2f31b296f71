// Micro-profiling: what to measure for a model on a set of devices, and the measuring itself under the protocol of the
// design (interleaved, cold weights, anchors, back-off). Devices and clock are used here; nothing is decided here.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "profiles/measurement.h"
#include "profiles/model_shape.h"
#include "runtime/device/device.h"

namespace hetero {

struct MeasureOptions {
  double budget_seconds = 60;
  std::vector<std::int64_t> buckets = {1, 32, 64, 128, 256, 512, 1024};
  int rounds = 7;               // samples per subject when the budget allows
  std::int64_t context = 1024;  // for attention
};

// One thing to be timed, and how often it has been already (from the store: a run resumes).
struct Subject {
  SampleKind kind = SampleKind::kOp;
  std::string device;
  std::string subject;
  std::string active_with;
  int have = 0;       // trusted samples that are there
  double weight = 1;  // importance: share of the model's time that hangs on it
};

// Pure: every subject for this model on these devices, most important first.
std::vector<Subject> subjects_for(const ModelShape& shape, const std::vector<const DeviceFacts*>& devices,
                                  const MeasureOptions& options);

// Pure: the model's matmuls whole, at the sizes by which a static device's kernels are chosen: the smallest, and the
// size nearest to a typical prompt. Those with the largest part of a step first.
std::vector<OpDesc> deciding_matmuls(const ModelShape& shape, const DeviceFacts& device);

struct MeasureProgress {
  double fraction = 0;
  std::string now;
  double seconds_left = 0;
};

struct MeasureHooks {
  std::function<void(const std::vector<Sample>&)> store;  // called with each finished round
  std::function<void(const MeasureProgress&)> progress;
  std::function<bool()> stop;  // true: finish the round and return
};

enum class MeasureOutcome : std::uint8_t { kComplete, kBudgetSpent, kInterrupted };

// Measures on real devices until subjects are complete, the budget is spent or stop() says so. Uses the devices' own
// timeline; attaches arenas of its own to them.
MeasureOutcome measure(std::vector<Subject> subjects, const std::vector<Device*>& devices, Timeline& timeline,
                       const MeasureOptions& options, const MeasureHooks& hooks);

}  // namespace hetero
