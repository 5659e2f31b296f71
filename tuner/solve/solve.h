// The best division of every block: a pure and deterministic function of shape, profiles and limits. Never sees a
// clock.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "profiles/cost_model.h"
#include "profiles/model_shape.h"
#include "profiles/plan.h"

namespace hetero {

// What the solver must know of a device beyond its profile.
struct SolveDevice {
  std::string id;
  std::vector<std::int64_t> standard_sizes;  // empty: any number of rows
  std::int64_t feature_align = 32;
  std::uint64_t memory_bytes = 0;  // for packed weights; 0 = unlimited
};

struct SolveOptions {
  std::vector<std::int64_t> buckets = {32, 64, 128, 256, 512, 1024};  // prefill; decode is always solved
  std::int64_t decode_context = 256;                                  // cache rows that decode is solved for
  std::vector<Strategy> strategies;                                   // empty: all
  int grid = 64;  // candidate shares are multiples of 1/grid, then rounded to the alignment
};

// One evaluated alternative, for `explain`.
struct Candidate {
  BlockPlan block;
  double total_ns = 0;
  std::map<std::string, double> device_ns;  // busy time of each device
  double join_ns = 0;
};

struct Solution {
  Plan plan;  // origin "tuned", no verdict yet
  // Per bucket (in the plan's order) and block kind: the best candidate of each strategy, cheapest first.
  struct Explained {
    Phase phase = Phase::kPrefill;
    std::int64_t tokens = 0;
    BlockKind block = BlockKind::kAttentionIn;
    std::vector<Candidate> candidates;
  };
  std::vector<Explained> explained;
};

Solution solve(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
               const SolveOptions& options);

// The devices in the order in which they get their parts of a weight: the fastest alone at decode first.
std::vector<SolveDevice> fastest_first(const ModelShape& shape, const CostModel& costs,
                                       const std::vector<SolveDevice>& devices, const SolveOptions& options);

// One bucket for itself, the devices in this order: what else is to be stored on them is not looked at, nor whether it
// fits. options.buckets is not used. Throws as solve().
PlanBucket solve_bucket(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
                        const SolveOptions& options, Phase phase, std::int64_t tokens);

}  // namespace hetero
