#include "tuner/measure/anchors.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/statistics.h"

namespace hetero {
namespace {
constexpr int kRunsPerCheck = 5;  // their minimum: another program's time slice is no drift, a lower clock is one
// A machine that is restless by nature is judged by its own restlessness: this many deviations of its history.
constexpr double kDeviations = 3;
// Checks that a lasting change needs to be believed.
constexpr std::size_t kLasting = 5;
}  // namespace

bool Anchors::check(std::vector<Sample>& samples) {
  bool steady = true;
  for (Anchor& anchor : anchors_) {
    const DeviceFacts& facts = anchor.bench->device->facts();
    std::vector<double> times;
    for (int i = 0; i < kRunsPerCheck; ++i) times.push_back(benches_.run(*anchor.bench, quiet_waiter(facts)).op_ns);
    const double now = *std::min_element(times.begin(), times.end());
    anchor.recent.push_back(now);
    if (anchor.recent.size() > kLasting) anchor.recent.erase(anchor.recent.begin());
    // The last few agree with each other and not with the past: the past is over.
    const auto [low, high] = std::minmax_element(anchor.recent.begin(), anchor.recent.end());
    if (anchor.recent.size() == kLasting && *high < *low * (1 + kDrift) && !anchor.history.empty() &&
        std::abs(now / median_of(anchor.history) - 1) > kDrift) {
      anchor.history = anchor.recent;
    }
    anchor.history.push_back(now);
    const double usual = median_of(anchor.history);
    const double restless = kDeviations * 1.4826 * mad_of(anchor.history) / usual;
    const bool drifted = std::abs(now / usual - 1) > std::max(kDrift, restless);
    steady = steady && !drifted;

    Sample sample;
    sample.kind = SampleKind::kAnchor;
    sample.device = facts.id;
    sample.exact_fingerprint = facts.exact_fingerprint;
    sample.subject = canonical_text(anchor.bench->op);
    sample.device_ns = now;
    sample.status = drifted ? SampleStatus::kUntrusted : SampleStatus::kOk;
    if (drifted) sample.message = "the anchor has left its median";
    samples.push_back(sample);
  }
  return steady;
}

}  // namespace hetero
