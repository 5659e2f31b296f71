// The raw samples behind a Report, sorted for drawing: what each device can do. Does not measure, fit or draw.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "profiles/store/store.h"
#include "reports/report.h"

namespace hetero {

// Samples of one thing on one device, in order of measurement, all > 0.
struct SampleGroup {
  std::string device;
  std::string subject;      // an op's canonical text, a waiter, "launch", "stream"
  std::string active_with;  // devices that worked meanwhile, joined by '+'; empty: alone
  std::vector<double> values;
};

struct OpSamples {
  std::string device;
  OpDesc op;
  std::vector<double> samples_ns;
  std::optional<double> fitted_ns;  // what the device's profile says; absent: nothing
};

struct Characteristics {
  std::vector<OpSamples> ops;
  std::vector<SampleGroup> bandwidth_gbps;
  std::vector<SampleGroup> launch_ns;
  std::vector<SampleGroup> join_ns;
  std::vector<SampleGroup> graph_compile_ns;
  std::int64_t out_of_date = 0;  // trusted samples left out: their device has changed since
};

// Of the report's runs; only what was measured on a device as it is now (its latest profile's exact fingerprint), where
// it has a profile. Trusted samples only. Ops are sorted by device, then kind, format, n, k, m.
Characteristics characteristics(const Store& store, const Report& report);

}  // namespace hetero
