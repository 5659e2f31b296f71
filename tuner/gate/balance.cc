#include "tuner/gate/balance.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

namespace hetero {
namespace {

constexpr double kStep = 1.0 / 64;  // shares are multiples of it; finer than that, the noise decides

constexpr std::size_t index(BlockKind kind) { return static_cast<std::size_t>(kind); }

// Which blocks move together: sets that are joined.
class Groups {
 public:
  Groups() {
    for (std::size_t i = 0; i < group_.size(); ++i) group_[i] = i;
  }
  std::size_t of(BlockKind kind) const { return group_[index(kind)]; }
  void join(BlockKind a, BlockKind b) {
    const std::size_t from = of(b);
    for (std::size_t& group : group_) {
      if (group == from) group = of(a);
    }
  }

 private:
  std::array<std::size_t, kBlockKinds> group_ = {};
};

std::vector<Share>& shares_of(BlockPlan& block) {
  return block.strategy == Strategy::kSequence ? block.rows : block.features;
}

bool movable(const BlockPlan& block, const std::set<std::string>& whole_graphs) {
  switch (block.strategy) {
    case Strategy::kRows:
    case Strategy::kPaired:
      return block.features.size() > 1;
    case Strategy::kSequence:
      return block.rows.size() > 1 && std::none_of(block.rows.begin(), block.rows.end(),
                                                   [&](const Share& s) { return whole_graphs.contains(s.device); });
    default:
      return false;
  }
}

Groups groups_of(const PlanBucket& bucket, const Trace& trace) {
  Groups groups;
  for (const Span& span : trace.spans) {
    for (const BlockKind kind : span.blocks) groups.join(span.blocks.front(), kind);
  }
  const auto paired = [&](BlockKind kind) {
    const BlockPlan* const plan = block_plan_for(bucket, kind, -1);
    return plan != nullptr && plan->strategy == Strategy::kPaired;
  };
  if (paired(BlockKind::kAttentionIn)) {
    groups.join(BlockKind::kAttentionIn, BlockKind::kAttention);
    groups.join(BlockKind::kAttentionIn, BlockKind::kAttentionOut);
  }
  if (paired(BlockKind::kFfnIn)) groups.join(BlockKind::kFfnIn, BlockKind::kFfnOut);
  return groups;
}

// What each device took for each group: from when it could begin (the segment was submitted, and the one before was
// over) until it was through.
std::map<std::pair<std::size_t, std::string>, double> times_of(const Groups& groups, const Trace& trace) {
  std::map<std::pair<std::size_t, std::string>, double> times;
  std::map<std::string, double> free_at;  // by device
  for (const Span& span : trace.spans) {
    double& free = free_at[span.device];
    if (!span.blocks.empty()) {
      const double begin = std::min(std::max(span.submit_ns, free), span.start_ns);
      times[{groups.of(span.blocks.front()), span.device}] += span.end_ns - begin;
    }
    free = span.end_ns;
  }
  return times;
}

// In multiples of kStep that add up to 1; the last share takes what rounding leaves.
std::vector<Share> rounded(std::vector<Share> shares) {
  double before = 0;
  double begin = 0;
  for (std::size_t i = 0; i < shares.size(); ++i) {
    before += shares[i].fraction;
    const double end = i + 1 == shares.size() ? 1 : std::round(before / kStep) * kStep;
    shares[i].fraction = end - begin;
    begin = end;
  }
  return shares;
}

}  // namespace

std::optional<PlanBucket> balanced(const PlanBucket& bucket, const Trace& trace,
                                   const std::set<std::string>& whole_graphs) {
  if (std::any_of(bucket.blocks.begin(), bucket.blocks.end(), [](const BlockPlan& b) { return b.layer >= 0; })) {
    return std::nullopt;
  }
  const Groups groups = groups_of(bucket, trace);
  const auto times = times_of(groups, trace);
  PlanBucket result = bucket;
  bool moved = false;
  for (BlockPlan& block : result.blocks) {
    if (!movable(block, whole_graphs)) continue;
    std::vector<Share> shares = shares_of(block);
    double sum = 0;
    for (Share& share : shares) {
      const auto time = times.find({groups.of(block.block), share.device});
      // A share that is too small for a segment says nothing about the device.
      if (time == times.end() || time->second <= 0) {
        sum = 0;
        break;
      }
      share.fraction /= time->second;
      sum += share.fraction;
    }
    if (sum <= 0) continue;
    for (Share& share : shares) share.fraction /= sum;
    shares = rounded(std::move(shares));
    // Not to nothing: that is another strategy, which the solver decides.
    if (std::any_of(shares.begin(), shares.end(), [](const Share& s) { return s.fraction < kStep; })) continue;
    std::vector<Share>& old = shares_of(block);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      moved = moved || std::abs(shares[i].fraction - old[i].fraction) >= kStep * 0.999;
    }
    old = std::move(shares);
  }
  return moved ? std::optional(std::move(result)) : std::nullopt;
}

}  // namespace hetero
