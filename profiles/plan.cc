#include "profiles/plan.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <set>

#include "base/error.h"
#include "profiles/names.h"

namespace hetero {
namespace {

constexpr NameTable<Phase, 2> kPhases = {"phase", {"prefill", "decode"}};
constexpr NameTable<Strategy, kStrategies> kStrategyNames = {"strategy",
                                                             {"single", "rows", "sequence", "hybrid", "pad", "paired"}};

// Shares are written with as many digits as a double has, and summed over a handful of devices.
constexpr double kShareTolerance = 1e-6;

// Blocks that a paired division binds together: they must be divided at the same place.
const std::vector<std::vector<BlockKind>> kPairedGroups = {
    {BlockKind::kAttentionIn, BlockKind::kAttention, BlockKind::kAttentionOut},
    {BlockKind::kFfnIn, BlockKind::kFfnOut}};

std::string place(const PlanBucket& bucket) {
  return "plan: " + std::string(name_of(bucket.phase)) + " " + std::to_string(bucket.tokens);
}
std::string place(const PlanBucket& bucket, const BlockPlan& block) {
  const std::string layer = block.layer < 0 ? "" : " of layer " + std::to_string(block.layer);
  return place(bucket) + ", " + std::string(name_of(block.block)) + layer + " (" +
         std::string(name_of(block.strategy)) + ")";
}

[[noreturn]] void refuse(const std::string& where, const std::string& problem) {
  throw input_error(where + ": " + problem, "make the plan anew with hetero-tune solve");
}

void check_shares(const std::vector<Share>& shares, const char* of, const Plan& plan, const std::string& where) {
  double sum = 0;
  std::set<std::string> seen;
  for (const Share& share : shares) {
    if (std::find(plan.devices.begin(), plan.devices.end(), share.device) == plan.devices.end()) {
      refuse(where, "device '" + share.device + "' is not among the plan's devices");
    }
    if (!seen.insert(share.device).second) refuse(where, "device '" + share.device + "' has two shares of " + of);
    if (!(share.fraction > 0 && share.fraction <= 1)) {
      refuse(where, "the share of '" + share.device + "' is not above 0 and at most 1");
    }
    sum += share.fraction;
  }
  if (!(std::abs(sum - 1) <= kShareTolerance)) {
    refuse(where, std::string("the shares of ") + of + " add up to " + std::to_string(sum) + ", not to 1");
  }
}

void check_block(const BlockPlan& block, const PlanBucket& bucket, const Plan& plan) {
  const std::string where = place(bucket, block);
  if (block.layer < -1) refuse(where, "the layer is below -1");
  const bool by_rows = block.strategy == Strategy::kSequence || block.strategy == Strategy::kHybrid;
  const bool by_features = block.strategy != Strategy::kSequence;
  if (!by_rows && !block.rows.empty()) refuse(where, "this strategy does not divide rows");
  if (!by_features && !block.features.empty()) refuse(where, "this strategy does not divide features");
  if (by_rows) check_shares(block.rows, "rows", plan, where);
  if (by_features) check_shares(block.features, "features", plan, where);
  const bool alone = block.strategy == Strategy::kSingle || block.strategy == Strategy::kPad;
  if (alone && block.features.size() != 1) refuse(where, "this strategy has exactly one device");
  if (block.strategy == Strategy::kHybrid && block.rows.size() != 2) {
    refuse(where, "hybrid divides rows between exactly two devices");
  }
  if (!std::isfinite(block.predicted_ns) || block.predicted_ns < 0) refuse(where, "predicted_ns is not a duration");
}

void check_pairs(const PlanBucket& bucket, int layer) {
  for (const std::vector<BlockKind>& group : kPairedGroups) {
    const BlockPlan* first = block_plan_for(bucket, group.front(), layer);
    for (const BlockKind kind : group) {
      const BlockPlan* other = block_plan_for(bucket, kind, layer);
      const bool paired = first->strategy == Strategy::kPaired || other->strategy == Strategy::kPaired;
      if (paired && (first->strategy != other->strategy || first->features != other->features)) {
        refuse(place(bucket, *other),
               "paired needs the same shares in " + std::string(name_of(group.front())) + " and this block");
      }
    }
  }
}

void check_bucket(const PlanBucket& bucket, const Plan& plan) {
  if (bucket.tokens < 1) refuse(place(bucket), "a bucket serves at least 1 token");
  if (!std::isfinite(bucket.predicted_ns) || bucket.predicted_ns < 0) {
    refuse(place(bucket), "predicted_ns is not a duration");
  }
  for (const auto& [device, sizes] : bucket.graph_sizes) {
    if (std::find(plan.devices.begin(), plan.devices.end(), device) == plan.devices.end()) {
      refuse(place(bucket), "graph_sizes names device '" + device + "', which the plan does not");
    }
    const bool ascending = std::adjacent_find(sizes.begin(), sizes.end(), std::greater_equal<>()) == sizes.end();
    if (sizes.empty() || sizes.front() < 1 || !ascending) {
      refuse(place(bucket), "graph_sizes of '" + device + "' are not ascending row counts");
    }
  }
  std::set<std::pair<BlockKind, int>> seen;
  std::set<int> layers = {-1};
  for (const BlockPlan& block : bucket.blocks) {
    check_block(block, bucket, plan);
    if (!seen.insert({block.block, block.layer}).second) refuse(place(bucket, block), "has two entries");
    layers.insert(block.layer);
  }
  for (int kind = 0; kind < kBlockKinds; ++kind) {
    if (!seen.contains({static_cast<BlockKind>(kind), -1})) {
      refuse(place(bucket), "no entry for " + std::string(name_of(static_cast<BlockKind>(kind))) + " of all layers");
    }
  }
  for (const int layer : layers) check_pairs(bucket, layer);
}

}  // namespace

std::string_view name_of(Phase phase) { return kPhases.name(phase); }
std::string_view name_of(Strategy strategy) { return kStrategyNames.name(strategy); }
Strategy strategy_from_name(std::string_view name) { return kStrategyNames.parse(name); }

const PlanBucket* bucket_for(const Plan& plan, Phase phase, std::int64_t tokens) {
  const PlanBucket* fits = nullptr;
  const PlanBucket* largest = nullptr;
  for (const PlanBucket& bucket : plan.buckets) {
    if (bucket.phase != phase) continue;
    if (bucket.tokens >= tokens && (fits == nullptr || bucket.tokens < fits->tokens)) fits = &bucket;
    if (largest == nullptr || bucket.tokens > largest->tokens) largest = &bucket;
  }
  return fits != nullptr ? fits : largest;
}

const BlockPlan* block_plan_for(const PlanBucket& bucket, BlockKind block, int layer) {
  const BlockPlan* general = nullptr;
  for (const BlockPlan& entry : bucket.blocks) {
    if (entry.block != block) continue;
    if (entry.layer == layer) return &entry;
    if (entry.layer == -1) general = &entry;
  }
  return general;
}

Plan single_device_plan(const std::string& device, const std::string& origin) {
  Plan plan;
  plan.devices = {device};
  plan.origin = origin;
  for (const Phase phase : {Phase::kPrefill, Phase::kDecode}) {
    PlanBucket bucket;
    bucket.phase = phase;
    bucket.tokens = 1;  // the only bucket of its phase serves every length
    for (int kind = 0; kind < kBlockKinds; ++kind) {
      BlockPlan block;
      block.block = static_cast<BlockKind>(kind);
      block.features = {{device, 1}};
      bucket.blocks.push_back(std::move(block));
    }
    plan.buckets.push_back(std::move(bucket));
  }
  return plan;
}

void check(const Plan& plan) {
  if (plan.devices.empty()) refuse("plan", "it names no device");
  if (std::set<std::string>(plan.devices.begin(), plan.devices.end()).size() != plan.devices.size()) {
    refuse("plan", "a device is listed twice");
  }
  if (plan.buckets.empty()) refuse("plan", "it has no buckets");
  for (const auto& [id, sizes] : plan.graph_sizes) {
    const std::string where = "plan: graph_sizes of '" + id + "'";
    if (std::find(plan.devices.begin(), plan.devices.end(), id) == plan.devices.end()) {
      refuse(where, "the device is not among the plan's devices");
    }
    const bool ascend = std::adjacent_find(sizes.begin(), sizes.end(), std::greater_equal<>()) == sizes.end();
    if (sizes.empty() || sizes.front() < 1 || !ascend) refuse(where, "they are not ascending row counts");
  }
  std::set<std::pair<Phase, std::int64_t>> seen;
  std::int64_t last = 0;
  for (const PlanBucket& bucket : plan.buckets) {
    check_bucket(bucket, plan);
    if (bucket.tokens < last) refuse(place(bucket), "buckets are not in ascending order of tokens");
    last = bucket.tokens;
    if (!seen.insert({bucket.phase, bucket.tokens}).second) refuse(place(bucket), "there are two such buckets");
  }
}

}  // namespace hetero
