// The plan document: per phase and prompt-length bucket, per block, the strategy and the shares; what it was made from,
// what it should take, and what the gate said. A plain value; versioned JSON.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "profiles/block_kind.h"

namespace hetero {

enum class Phase : std::uint8_t { kPrefill, kDecode };
std::string_view name_of(Phase phase);  // "prefill", "decode"

// How a block is divided (docs/design: the table of strategies).
enum class Strategy : std::uint8_t { kSingle, kRows, kSequence, kHybrid, kPad, kPaired };
inline constexpr int kStrategies = 6;
std::string_view name_of(Strategy strategy);         // "single", "rows", "sequence", "hybrid", "pad", "paired"
Strategy strategy_from_name(std::string_view name);  // throws input_error

struct Share {
  std::string device;  // DeviceFacts::id
  double fraction = 1;
  friend bool operator==(const Share&, const Share&) = default;
};

// single     features = {A 1}
// pad        features = {A 1}: the step's rows are padded to A's next standard size
// rows       features = {A f, B 1-f, ...}: output features, in this order
// sequence   rows = {A f, B 1-f, ...}: rows of the prompt, in this order; a static device's are rounded to a sum of its
//            standard sizes
// hybrid     rows = {A f, B 1-f}, features = {A g, B 1-g, ...}: A's rows are divided by features, B's are B's alone
// paired     features as in rows; attention_in, attention and attention_out (or ffn_in and ffn_out) have equal shares
struct BlockPlan {
  BlockKind block = BlockKind::kAttentionIn;
  int layer = -1;  // -1: every layer that has no entry of its own
  Strategy strategy = Strategy::kSingle;
  std::vector<Share> features;
  std::vector<Share> rows;
  double predicted_ns = 0;  // of one such block, its join included
  friend bool operator==(const BlockPlan&, const BlockPlan&) = default;
};

struct PlanBucket {
  Phase phase = Phase::kPrefill;
  std::int64_t tokens = 0;  // serves steps of up to this many rows (the smallest bucket that fits is used); decode: 1
  std::vector<BlockPlan> blocks;
  // Static devices: of the graphs that there are (Plan::graph_sizes), those that rows are added up from, ascending. A
  // device that is not named uses them all: two small graphs may cost more than a padded large one.
  std::map<std::string, std::vector<std::int64_t>> graph_sizes;
  double predicted_ns = 0;  // one step of `tokens` rows
  // What the no-harm gate measured in the real executor; absent: it has not run.
  struct Verdict {
    bool adopted = false;         // false: `blocks` is the best single device after all
    std::string best_single;      // its id
    double plan_over_single = 0;  // median time ratio, candidate plan over best single device; < 1 is a gain
    double noise = 0;             // relative half-width that the gain had to exceed
    std::string reason;           // a sentence
    friend bool operator==(const Verdict&, const Verdict&) = default;
  };
  std::optional<Verdict> verdict;
  friend bool operator==(const PlanBucket&, const PlanBucket&) = default;
};

struct Plan {
  std::string model_fingerprint;                                 // of the ModelShape
  std::map<std::string, std::string> device_fingerprints;        // device id -> exact fingerprint
  std::vector<std::string> devices;                              // all ids that the plan uses, the lead first
  std::vector<PlanBucket> buckets;                               // ascending tokens; decode among them
  std::map<std::string, std::uint64_t> memory_bytes;             // device id -> packed weights
  std::map<std::string, std::string> waiters;                    // device id -> waiter name
  std::map<std::string, std::vector<std::int64_t>> graph_sizes;  // device id -> row counts that graphs are made for,
                                                                 // ascending; absent: all that the device offers
  std::string origin;                                            // "tuned", "single", "guess", "file", "simulated"
  friend bool operator==(const Plan&, const Plan&) = default;
};

// The bucket for a step: the smallest of the phase that holds `tokens`, else the largest of the phase; null when the
// phase has none.
const PlanBucket* bucket_for(const Plan& plan, Phase phase, std::int64_t tokens);
// The entry for a block: its own layer's, else the -1 one; null when there is none.
const BlockPlan* block_plan_for(const PlanBucket& bucket, BlockKind block, int layer);

// Everything on one device, every phase.
Plan single_device_plan(const std::string& device, const std::string& origin);

// Throws input_error with the first thing that is wrong: shares that do not add up to 1, unknown devices, missing
// blocks, paired blocks with unequal shares.
void check(const Plan& plan);

// "hetero.plan", version 1. Reading checks.
std::string to_json(const Plan& plan);
Plan plan_from_json(const std::string& text);

}  // namespace hetero
