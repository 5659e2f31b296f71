// How far the last run can be trusted: what hetero-tune show --quality prints. Reads the database only.
#pragma once

#include <string>
#include <vector>

#include "profiles/store/store.h"
#include "tuner/fit/fit.h"

namespace hetero {

struct Quality {
  Store::RunRow run;  // the latest with samples
  struct Fitted {
    std::string device;
    std::vector<HeldOut> ops;
    std::vector<StepFactors::Point> steps;  // of the run's model
  };
  std::vector<Fitted> fitted;
  struct Trust {
    std::string device;
    std::int64_t samples = 0, untrusted = 0;
  };
  std::vector<Trust> trust;
  // Of one device's anchor: how far its checks lay from their median.
  struct Anchor {
    std::string device, subject;
    int checks = 0, drifted = 0;
    double median = 0, worst = 0;
  };
  std::vector<Anchor> anchors;
  struct Slowed {
    std::string device;
    HeldOutSlowdown slowdown;
  };
  std::vector<Slowed> slowdowns;
  // What a plan was predicted to take, and what it took in the gate (median).
  struct Predicted {
    std::string bucket;
    double predicted_ns = 0, measured_ns = 0;
    double error() const { return measured_ns > 0 ? predicted_ns / measured_ns - 1 : 0; }
  };
  std::vector<Predicted> plans;
  std::vector<StageTime> stages;
};

// Throws input_error where no run has samples.
Quality quality_of(const Store& store);

void print_quality(const Quality& quality);  // at most 100 columns
void print_quality_json(const Quality& quality);

}  // namespace hetero
