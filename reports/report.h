// What a report says, as a value: gathered by collect.h, written out by render_markdown.h and render_json.h.
// Holds documents and figures, no sentences. Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "profiles/store/store.h"

namespace hetero {

// Times of one side of the no-harm gate, of steps of `rows` rows (decode: 1).
struct GateTiming {
  std::int64_t rows = 0;
  double median_ns = 0;
  double mad_ns = 0;
  double predicted_ns = 0;           // what the solver expected of such a step; 0: nothing
  std::vector<double> samples_ns;    // in order of measurement
  std::vector<std::string> devices;  // ids of all that took part
};

// What the gate measured of one bucket; absent: it had nothing to compare, or did not get that far.
struct GateTimes {
  std::optional<GateTiming> plan;    // the candidate, whether it was adopted or not
  std::optional<GateTiming> single;  // the best single device, interleaved with it
};

struct PlanReport {
  RunId run = 0;  // that made it
  std::string started_utc;
  std::string model_name;  // empty: no shape is stored
  Plan plan;
  std::vector<GateTimes> gate;  // one for each of plan.buckets
  int layers = 0;               // of the model; 0: no shape is stored
};

struct Report {
  std::string database;
  std::string model_fingerprint;                 // runs, samples and plans are of this model only; empty: of all
  std::vector<Store::RunRow> runs;               // the latest last
  std::map<SampleStatus, std::int64_t> samples;  // of these runs, by status
  std::vector<Store::ProfileRow> devices;        // all in force, the latest last; they depend on no model
  std::vector<PlanReport> plans;                 // the latest last
  std::vector<KernelChoice> kernels = {};        // what searches found best, in force; they depend on no model
};

// How the times of a device came to be: "emulated" (took as long as a profile says), "simulated" (a virtual clock), or
// the provenance of its figures: "measured", "published", ...
std::string times_of(const DeviceProfile& device);
// The provenance under which a figure of this device may be shown: what was timed on an emulated device was not
// measured on hardware.
Provenance shown_provenance(const DeviceProfile& device, const Figure& figure);
// The value with the figure's spread and source, and with its provenance where that is not times_of() the device
// anyway: "12.2 (MAD 2.0 %, 7 samples)". "-": there is no figure.
std::string figure_text(const DeviceProfile& device, const Figure& figure, const std::string& value);
// The same word for what these devices did together: "measured", unless one of them is emulated or simulated.
std::string times_of(const Report& report, const std::vector<std::string>& ids);

// What the solver expected of the candidate that the gate ran, adopted or not; 0: nothing.
double predicted_ns(const PlanBucket& bucket, const GateTimes& gate);

// Measured over predicted time of a step, less one. Absent without a prediction, or where the gate timed fewer rows
// than were predicted.
std::optional<double> prediction_error(const PlanBucket& bucket, const GateTimes& gate);

// The devices of this family that have a profile, each once.
std::vector<std::string> devices_of_family(const Report& report, const std::string& family_fingerprint);

// The plan's devices whose latest profile has another fingerprint than the plan was made from.
std::vector<std::string> changed_devices(const Report& report, const Plan& plan);

}  // namespace hetero
