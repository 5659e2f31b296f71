#include "tuner/rehearse/rehearsed_plan.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "tuner/rehearse/rehearsal.h"
#include "tuner/solve/families.h"

namespace hetero {
namespace {

using Sizes = std::vector<std::int64_t>;

// All that is allowed, and parts of it, by whole families: divisions whose joins the solver overrates lose to ones that
// it likes better.
std::vector<std::vector<Strategy>> strategy_sets(const std::vector<Strategy>& allowed) {
  const std::vector<std::vector<Strategy>> families = strategy_families();
  const auto may = [&](Strategy s) {
    return allowed.empty() || s == Strategy::kSingle || std::find(allowed.begin(), allowed.end(), s) != allowed.end();
  };
  std::set<std::vector<Strategy>> sets;
  for (unsigned some = 0; some < 1U << families.size(); ++some) {
    std::set<Strategy> together = {Strategy::kSingle, Strategy::kPad};
    for (std::size_t f = 0; f < families.size(); ++f) {
      if ((some >> f & 1U) != 0) together.insert(families[f].begin(), families[f].end());
    }
    std::erase_if(together, [&](Strategy s) { return !may(s); });
    sets.insert({together.begin(), together.end()});
  }
  return {sets.begin(), sets.end()};
}

// Finds the fastest bucket of each kind.
class Casting {
 public:
  Casting(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
          const SolveOptions& options)
      : shape_(shape),
        costs_(costs),
        devices_(fastest_first(shape, costs, devices, options)),
        options_(options),
        sets_(strategy_sets(options.strategies)),
        rehearsal_(shape, profiles_of(devices_, costs), most_rows(options), context_of(options)) {}

  // bucket.predicted_ns is its time in rehearsal.
  PlanBucket best(Phase phase, std::int64_t tokens) {
    PlanBucket found = best_with(devices_, phase, tokens);
    if (phase == Phase::kDecode) return found;
    for (std::size_t d = 0; d < devices_.size(); ++d) {
      const Sizes& all = devices_[d].standard_sizes;
      Sizes several = all;
      std::erase(several, 1);  // the graph for decode stays
      if (several.size() < 2) continue;
      improve(found, d, all, tokens);
      PlanBucket grown;  // from one size on: the way back from all of them may end early
      for (const std::int64_t size : several) {
        Sizes one = {size};
        if (all.front() == 1) one.insert(one.begin(), 1);
        try_sizes(grown, d, one, tokens);
      }
      improve(grown, d, grown.graph_sizes.at(devices_[d].id), tokens);
      if (grown.predicted_ns < found.predicted_ns) found = std::move(grown);
    }
    return found;
  }

  // The bucket as it is, with its time in rehearsal.
  PlanBucket rehearsed(PlanBucket bucket) {
    const double solved_ns = bucket.predicted_ns;
    const std::int64_t position = bucket.phase == Phase::kDecode ? context_of(options_) - 1 : 0;
    bucket.predicted_ns = rehearsal_.step_ns(bucket, position);
    for (BlockPlan& block : bucket.blocks) {
      if (solved_ns > 0) block.predicted_ns *= bucket.predicted_ns / solved_ns;
    }
    return bucket;
  }

  // What the plan's buckets pack, none of what was only tried.
  std::map<std::string, std::uint64_t> memory_of(const Plan& plan) const {
    Rehearsal alone(shape_, profiles_of(devices_, costs_), most_rows(options_), context_of(options_));
    for (const PlanBucket& bucket : plan.buckets) alone.step_ns(bucket, 0);
    return alone.weight_bytes();
  }

 private:
  static std::vector<DeviceProfile> profiles_of(const std::vector<SolveDevice>& devices, const CostModel& costs) {
    std::vector<DeviceProfile> profiles;
    for (const SolveDevice& device : devices) {
      DeviceProfile& profile = profiles.emplace_back(costs.profile(device.id));
      profile.standard_sizes = device.standard_sizes;
      profile.feature_align = device.feature_align;
    }
    return profiles;
  }
  static std::int64_t most_rows(const SolveOptions& options) {
    std::int64_t rows = 1;
    for (const std::int64_t tokens : options.buckets) rows = std::max(rows, tokens);
    return rows;
  }
  static std::int64_t context_of(const SolveOptions& options) {
    return std::max<std::int64_t>(1, options.decode_context);
  }

  // Leaves out or adds one size of device d at a time, the best first, as long as that helps.
  void improve(PlanBucket& found, std::size_t d, Sizes sizes, std::int64_t tokens) {
    for (bool better = true; better;) {
      better = false;
      Sizes kept = sizes;
      for (const std::int64_t size : devices_[d].standard_sizes) {
        Sizes changed = sizes;
        if (std::erase(changed, size) == 0) {
          changed.insert(std::lower_bound(changed.begin(), changed.end(), size), size);
        }
        if (size == 1 || changed.empty() || changed.back() == 1) continue;
        if (!try_sizes(found, d, changed, tokens)) continue;
        kept = changed;
        better = true;
      }
      sizes = std::move(kept);
    }
  }

  // True when the prompt is faster with these sizes of device d than `found`, which it then replaces.
  bool try_sizes(PlanBucket& found, std::size_t d, const Sizes& sizes, std::int64_t tokens) {
    const auto [tried, is_new] = tried_.try_emplace({tokens, d, sizes});
    if (is_new) {
      std::vector<SolveDevice> devices = devices_;
      devices[d].standard_sizes = sizes;
      tried->second = best_with(devices, Phase::kPrefill, tokens);
    }
    if (!found.blocks.empty() && !(tried->second.predicted_ns < found.predicted_ns)) return false;
    found = tried->second;
    return true;
  }

  PlanBucket best_with(const std::vector<SolveDevice>& devices, Phase phase, std::int64_t tokens) {
    PlanBucket best;
    std::vector<PlanBucket> solved;
    for (const std::vector<Strategy>& strategies : sets_) {
      SolveOptions options = options_;
      options.strategies = strategies;
      PlanBucket bucket = solve_bucket(shape_, costs_, devices, options, phase, tokens);
      if (std::find(solved.begin(), solved.end(), bucket) != solved.end()) continue;  // more is allowed, none is used
      solved.push_back(bucket);
      for (std::size_t d = 0; d < devices.size(); ++d) {
        if (devices[d].standard_sizes != devices_[d].standard_sizes) {
          bucket.graph_sizes[devices[d].id] = devices[d].standard_sizes;
        }
      }
      bucket = rehearsed(std::move(bucket));
      if (best.blocks.empty() || bucket.predicted_ns < best.predicted_ns) best = std::move(bucket);
    }
    return best;
  }

  const ModelShape& shape_;
  const CostModel& costs_;
  std::vector<SolveDevice> devices_;
  const SolveOptions& options_;
  std::vector<std::vector<Strategy>> sets_;
  Rehearsal rehearsal_;
  std::map<std::tuple<std::int64_t, std::size_t, Sizes>, PlanBucket> tried_;  // by rows, device and its sizes
};

bool uses(const Plan& plan, const std::string& device) {
  const auto is = [&](const Share& share) { return share.device == device; };
  for (const PlanBucket& bucket : plan.buckets) {
    for (const BlockPlan& block : bucket.blocks) {
      if (std::any_of(block.features.begin(), block.features.end(), is)) return true;
      if (std::any_of(block.rows.begin(), block.rows.end(), is)) return true;
    }
  }
  return false;
}

// The devices that the buckets use, the one with most of the weights first.
void name_devices(const std::vector<SolveDevice>& devices, const CostModel& costs,
                  const std::map<std::string, std::uint64_t>& held, Plan& plan) {
  plan.devices.clear();
  plan.device_fingerprints.clear();
  plan.memory_bytes.clear();
  plan.waiters.clear();
  for (const SolveDevice& device : devices) {
    if (!uses(plan, device.id)) continue;
    plan.devices.push_back(device.id);
    plan.device_fingerprints[device.id] = costs.profile(device.id).exact_fingerprint;
    plan.memory_bytes[device.id] = held.at(device.id);
    plan.waiters[device.id] = costs.best_waiter(device.id);
  }
  std::stable_sort(plan.devices.begin(), plan.devices.end(),
                   [&](const std::string& a, const std::string& b) { return held.at(a) > held.at(b); });
}

}  // namespace

Plan rehearsed_plan(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
                    const SolveOptions& options) {
  const Plan solved = solve(shape, costs, devices, options).plan;
  Casting casting(shape, costs, devices, options);
  Plan plan = solved;
  for (PlanBucket& bucket : plan.buckets) bucket = casting.best(bucket.phase, bucket.tokens);
  const std::map<std::string, std::uint64_t> held = casting.memory_of(plan);
  const bool fits = std::all_of(devices.begin(), devices.end(), [&](const SolveDevice& d) {
    return d.memory_bytes == 0 || held.at(d.id) <= d.memory_bytes;
  });
  if (fits) {
    name_devices(devices, costs, held, plan);
    check(plan);
    return plan;
  }
  plan = solved;
  for (PlanBucket& bucket : plan.buckets) bucket = casting.rehearsed(bucket);
  return plan;
}

}  // namespace hetero
