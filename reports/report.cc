#include "reports/report.h"

#include <algorithm>

#include "reports/words.h"

namespace hetero {
namespace {

bool is_sim(const std::string& id) { return id.starts_with("sim:"); }

// The latest profile of the device; null when there is none.
const DeviceProfile* latest_profile(const Report& report, const std::string& id) {
  const DeviceProfile* latest = nullptr;
  for (const Store::ProfileRow& row : report.devices) {
    if (row.profile.device == id) latest = &row.profile;
  }
  return latest;
}

}  // namespace

std::string times_of(const DeviceProfile& device) {
  // The sim provider writes the kind of its clock into the driver's name.
  if (is_sim(device.device)) return device.driver.starts_with("simulated") ? "simulated" : "emulated";
  if (device.launch_ns.value > 0) return std::string(name_of(device.launch_ns.provenance));
  if (device.bandwidth_gbps.value > 0) return std::string(name_of(device.bandwidth_gbps.provenance));
  return std::string(name_of(Provenance::kAssumed));
}

Provenance shown_provenance(const DeviceProfile& device, const Figure& figure) {
  return is_sim(device.device) && figure.provenance == Provenance::kMeasured ? Provenance::kSimulated
                                                                             : figure.provenance;
}

std::string figure_text(const DeviceProfile& device, const Figure& figure, const std::string& value) {
  if (!(figure.value > 0)) return "-";
  const Provenance provenance = shown_provenance(device, figure);
  std::vector<std::string> notes;
  if (name_of(provenance) != times_of(device) && provenance != Provenance::kSimulated) {
    notes.emplace_back(name_of(provenance));
  }
  if (figure.spread > 0) notes.push_back(number_text("MAD %.1f %%", 100 * figure.spread));
  if (!figure.source.empty()) notes.push_back(figure.source);
  return value + (notes.empty() ? "" : " (" + joined(notes, ", ") + ")");
}

std::string times_of(const Report& report, const std::vector<std::string>& ids) {
  std::string word(name_of(Provenance::kMeasured));
  for (const std::string& id : ids) {
    if (!is_sim(id)) continue;
    const DeviceProfile* profile = latest_profile(report, id);
    word = profile == nullptr ? "emulated" : times_of(*profile);
    if (word == "simulated") break;
  }
  return word;
}

double predicted_ns(const PlanBucket& bucket, const GateTimes& gate) {
  // A candidate that lost has left the plan; its samples still know.
  return gate.plan && gate.plan->predicted_ns > 0 ? gate.plan->predicted_ns : bucket.predicted_ns;
}

std::optional<double> prediction_error(const PlanBucket& bucket, const GateTimes& gate) {
  if (!gate.plan || !(predicted_ns(bucket, gate) > 0)) return std::nullopt;
  const std::int64_t predicted_rows = bucket.phase == Phase::kDecode ? 1 : bucket.tokens;
  if (gate.plan->rows != predicted_rows) return std::nullopt;
  return gate.plan->median_ns / predicted_ns(bucket, gate) - 1;
}

std::vector<std::string> devices_of_family(const Report& report, const std::string& family_fingerprint) {
  std::vector<std::string> ids;
  for (const Store::ProfileRow& row : report.devices) {
    const bool known = std::find(ids.begin(), ids.end(), row.profile.device) != ids.end();
    if (row.profile.family_fingerprint == family_fingerprint && !known) ids.push_back(row.profile.device);
  }
  return ids;
}

std::vector<std::string> changed_devices(const Report& report, const Plan& plan) {
  std::vector<std::string> changed;
  for (const auto& [id, fingerprint] : plan.device_fingerprints) {
    const DeviceProfile* profile = latest_profile(report, id);
    if (profile != nullptr && profile->exact_fingerprint != fingerprint) changed.push_back(id);
  }
  return changed;
}

}  // namespace hetero
