// hetero-tune explain: for each bucket and block the alternatives with their predicted times, and why one was chosen.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

// The profiles of the plan's devices. They may be newer than the plan.
std::vector<DeviceProfile> profiles_of(const Store& store, const Plan& plan) {
  std::vector<DeviceProfile> profiles;
  for (const auto& [device, exact] : plan.device_fingerprints) {
    std::optional<DeviceProfile> profile = store.profile(device, exact);
    if (!profile)
      throw input_error("the profile of '" + device + "' that the plan was made from is gone", "tune again");
    profiles.push_back(std::move(*profile));
  }
  return profiles;
}

const PlanBucket* stored_bucket(const Plan& plan, const Solution::Explained& e) {
  for (const PlanBucket& bucket : plan.buckets) {
    if (bucket.phase == e.phase && bucket.tokens == e.tokens) return &bucket;
  }
  return nullptr;
}

std::string parts_of(const Candidate& c) {
  std::string text;
  for (const auto& [device, ns] : c.device_ns) {
    text += (text.empty() ? "" : ", ") + device + " busy " + format_duration_ns(ns);
  }
  return text + (c.join_ns > 0 ? ", launch and join " + format_duration_ns(c.join_ns) : "");
}

// Why the cheapest division is what the solver chose; or why a dearer one was.
std::string because(const std::vector<Candidate>& candidates, const BlockPlan& solved) {
  const Candidate& best = candidates.front();
  const bool chosen_is_best = best.block.strategy == solved.strategy && best.block.features == solved.features;
  if (!chosen_is_best) {
    return "By itself the block would be fastest as '" + words(best.block) +
           "', but over the whole step the joins before and after it cost more than that saves.";
  }
  if (candidates.size() == 1) return "There is no alternative.";
  const Candidate& next = candidates[1];
  char text[160];
  std::snprintf(text, sizeof text, "It takes %.0f %% of the time of the next best, '%s'.",
                100 * best.total_ns / std::max(1.0, next.total_ns), words(next.block).c_str());
  return text;
}

void print(const Plan& plan, const Solution& solution) {
  const PlanBucket* last = nullptr;
  for (const Solution::Explained& e : solution.explained) {
    const PlanBucket* const bucket = stored_bucket(plan, e);
    const PlanBucket* const solved = bucket_for(solution.plan, e.phase, e.tokens);
    if (bucket == nullptr || solved == nullptr || e.candidates.empty()) continue;
    if (bucket != last) {
      std::printf("%s%s\n", last == nullptr ? "" : "\n", words(*bucket).c_str());
      std::printf("  Gate: %s.\n",
                  bucket->verdict ? bucket->verdict->reason.c_str() : "not judged, so one device alone runs it");
      last = bucket;
    }
    const BlockPlan* const now = block_plan_for(*bucket, e.block, 0);
    const BlockPlan* const by_solver = block_plan_for(*solved, e.block, 0);
    std::printf("  %s: %s.\n", std::string(name_of(e.block)).c_str(), now != nullptr ? words(*now).c_str() : "-");
    if (by_solver != nullptr) {
      if (now != nullptr && !(words(*now) == words(*by_solver))) {
        const bool rejected = bucket->verdict && !bucket->verdict->adopted;
        std::printf("    The solver chooses '%s'%s.\n", words(*by_solver).c_str(),
                    rejected ? "; the gate did not adopt a division"
                             : " with what is known today; 'hetero-tune run' plans anew");
      }
      std::printf("    %s\n", because(e.candidates, *by_solver).c_str());
    }
    for (const Candidate& c : e.candidates) {
      std::printf("    %9s  %s (%s)\n", format_duration_ns(c.total_ns).c_str(), words(c.block).c_str(),
                  parts_of(c).c_str());
    }
  }
}

nlohmann::ordered_json json_of(const Plan& plan, const Solution& solution) {
  nlohmann::ordered_json document;
  document["plan"] = nlohmann::ordered_json::parse(to_json(plan));
  document["blocks"] = nlohmann::ordered_json::array();
  for (const Solution::Explained& e : solution.explained) {
    nlohmann::ordered_json entry;
    entry["phase"] = name_of(e.phase);
    entry["tokens"] = e.tokens;
    entry["block"] = name_of(e.block);
    if (const PlanBucket* bucket = stored_bucket(plan, e)) {
      const BlockPlan* const now = block_plan_for(*bucket, e.block, 0);
      if (now != nullptr) entry["division"] = words(*now);
      if (bucket->verdict) entry["gate"] = bucket->verdict->reason;
    }
    entry["candidates"] = nlohmann::ordered_json::array();
    for (const Candidate& c : e.candidates) {
      entry["candidates"].push_back({{"division", words(c.block)},
                                     {"strategy", name_of(c.block.strategy)},
                                     {"predicted_ns", c.total_ns},
                                     {"device_ns", c.device_ns},
                                     {"join_ns", c.join_ns}});
    }
    document["blocks"].push_back(std::move(entry));
  }
  return document;
}

}  // namespace

int run_explain(const TuneFlags& flags) {
  const ModelShape shape = load_shape(flags.model);
  const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadOnly);
  const std::optional<Plan> plan = stored_plan(*store, flags, fingerprint(shape));
  if (!plan) {
    throw input_error("there is no plan for this model on these devices",
                      "hetero-tune run --model " + flags.model + " makes one");
  }
  const std::vector<DeviceProfile> profiles = profiles_of(*store, *plan);
  std::vector<SolveDevice> devices;
  for (const DeviceProfile& p : profiles) {
    devices.push_back(solve_device(p));
    const auto sizes = plan->graph_sizes.find(p.device);
    if (sizes != plan->graph_sizes.end()) devices.back().standard_sizes = sizes->second;
  }
  SolveOptions options;
  options.buckets.clear();
  for (const PlanBucket& bucket : plan->buckets) {
    if (bucket.phase == Phase::kPrefill) options.buckets.push_back(bucket.tokens);
  }
  const Solution solution = solve(shape, CostModel(profiles, &shape), devices, options);
  if (flags.output == Output::kJson) {
    std::printf("%s\n", json_of(*plan, solution).dump(2).c_str());
  } else {
    print(*plan, solution);
  }
  return 0;
}

}  // namespace hetero
