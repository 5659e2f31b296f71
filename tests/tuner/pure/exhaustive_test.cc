// The solver against trying every decision on small random instances. The search here is written from the design's
// definition of a step's cost, not from the solver's parts: it knows blocks, decisions and the rules of joining only.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "base/rng.h"
#include "tests/tuner/pure/small_problem.h"
#include "tuner/solve/minimax.h"

namespace hetero {
namespace {

// One decision for one block, with each device's busy time.
struct Decision {
  Strategy strategy = Strategy::kSingle;
  int device = -1;            // single, pad
  std::vector<double> cuts;   // rows, paired: where the first device ends; sequence: rows of the first device
  std::vector<double> busy;   // [device]
  std::vector<int> launches;  // [device]
};

struct Instance {
  ModelShape shape;
  std::vector<DeviceProfile> profiles;
  std::vector<SolveDevice> devices;
  Phase phase = Phase::kDecode;
  std::int64_t tokens = 1;
};

constexpr std::int64_t kOtherShape = 1;  // an n that no factor is for
constexpr int kUnits = 4;                // alignment units of every divided dimension, and KV heads

class Exhaustive {
 public:
  Exhaustive(const Instance& instance, const CostModel& costs) : in_(instance), costs_(costs) {
    for (int k = 0; k < kBlockKinds; ++k) add_decisions(static_cast<BlockKind>(k));
  }

  double best() {
    chosen_.assign(kBlockKinds, nullptr);
    best_ = kImpossible;
    choose(0);
    return best_;
  }

 private:
  int count() const { return static_cast<int>(in_.devices.size()); }
  const std::string& id(int d) const { return in_.devices[static_cast<std::size_t>(d)].id; }
  bool is_static(int d) const { return !in_.devices[static_cast<std::size_t>(d)].standard_sizes.empty(); }

  // Time of `rows` rows beginning at row0, features [f0, f1) of a block.
  double part(BlockKind kind, int d, std::int64_t row0, std::int64_t rows, double f0, double f1, bool paired) const {
    double total = 0;
    const std::int64_t before = in_.phase == Phase::kDecode && kind != BlockKind::kHead ? 255 : 0;
    for (OpDesc op : block_ops(in_.shape, kind, 0, rows, before + row0 + rows)) {
      const double share = f1 - f0;  // all cuts of the instances are on the alignment
      std::int64_t of_n = 0;
      const bool second = kind == BlockKind::kAttentionOut || kind == BlockKind::kFfnOut;
      if (op.kind == OpKind::kMatmul && paired && second) {
        // A slice along k has the shape factor of the whole weight.
        const double whole = costs_.op(id(d), op).median_ns / costs_.op(id(d), op, kOtherShape).median_ns;
        op.k = std::llround(share * static_cast<double>(op.k));
        total += whole * costs_.op(id(d), op, kOtherShape).median_ns;
        continue;
      } else if (op.kind == OpKind::kAttention) {
        op.kv_heads = std::llround(share * static_cast<double>(op.kv_heads));
        op.heads = std::llround(share * static_cast<double>(op.heads));
        op.n = op.heads * op.head_dim;
      } else if (op.kind != OpKind::kRmsNorm) {
        of_n = op.kind == OpKind::kMatmul ? op.n : 0;
        op.n = std::llround(share * static_cast<double>(op.n));
      }
      total += costs_.op(id(d), op, of_n).median_ns;
    }
    return total;
  }

  // The row counts of the graphs that `rows` rows take: largest size first, the rest padded to the smallest.
  std::vector<std::int64_t> graphs(int d, std::int64_t rows) const {
    if (!is_static(d)) return {rows};
    const auto& sizes = in_.devices[static_cast<std::size_t>(d)].standard_sizes;
    std::vector<std::int64_t> list;
    while (rows > 0) {
      std::int64_t pick = sizes.front();
      for (const std::int64_t size : sizes) {
        if (size <= rows) pick = size;
      }
      list.push_back(pick);
      rows -= pick;
    }
    return list;
  }

  void whole_rows(Decision& decision, BlockKind kind, int d, std::int64_t row0, std::int64_t rows, double f0, double f1,
                  bool paired) const {
    for (const std::int64_t graph : graphs(d, rows)) {
      decision.busy[static_cast<std::size_t>(d)] += part(kind, d, row0, graph, f0, f1, paired);
      decision.launches[static_cast<std::size_t>(d)] += 1;
      row0 += graph;
    }
  }

  Decision blank(Strategy strategy) const {
    Decision decision;
    decision.strategy = strategy;
    decision.busy.assign(in_.devices.size(), 0.0);
    decision.launches.assign(in_.devices.size(), 0);
    return decision;
  }

  void add_decisions(BlockKind kind) {
    auto& list = decisions_[static_cast<std::size_t>(kind)];
    const std::int64_t m = kind == BlockKind::kHead ? 1 : in_.tokens;
    for (int d = 0; d < count(); ++d) {
      Decision single = blank(Strategy::kSingle);
      single.device = d;
      whole_rows(single, kind, d, 0, m, 0, 1, false);
      list.push_back(single);
      if (!is_static(d)) continue;
      for (const std::int64_t size : in_.devices[static_cast<std::size_t>(d)].standard_sizes) {
        if (size < m) continue;
        Decision pad = blank(Strategy::kPad);
        pad.device = d;
        pad.busy[static_cast<std::size_t>(d)] = part(kind, d, 0, size, 0, 1, false);
        pad.launches[static_cast<std::size_t>(d)] = 1;
        list.push_back(pad);
        break;
      }
    }
    // Two devices, in the order of the instance: the solver may choose the other order, but costs depend on widths
    // only.
    for (int i = 1; i < kUnits; ++i) {
      const double cut = static_cast<double>(i) / kUnits;
      for (const bool paired : {false, true}) {
        if (paired && kind == BlockKind::kHead) continue;
        Decision division = blank(paired ? Strategy::kPaired : Strategy::kRows);
        division.cuts = {cut};
        whole_rows(division, kind, 0, 0, m, 0, cut, paired);
        whole_rows(division, kind, 1, 0, m, cut, 1, paired);
        list.push_back(division);
      }
    }
    if (kind == BlockKind::kHead || m == 1) return;
    // Graphs first. (Without a static device the order is the solver's choice, and sequence is left out.)
    if (!is_static(1)) return;
    for (std::int64_t rows = 1; rows < m; ++rows) {
      std::int64_t sum = 0;
      for (const std::int64_t size : graphs(1, rows)) sum += size;
      if (sum != rows) continue;
      Decision sequence = blank(Strategy::kSequence);
      sequence.cuts = {static_cast<double>(rows)};
      whole_rows(sequence, kind, 1, 0, rows, 0, 1, false);
      whole_rows(sequence, kind, 0, rows, m - rows, 0, 1, false);
      list.push_back(sequence);
    }
  }

  bool alike(BlockKind a, BlockKind b) const {
    const Decision& x = *chosen_[static_cast<std::size_t>(a)];
    const Decision& y = *chosen_[static_cast<std::size_t>(b)];
    return x.strategy == y.strategy && x.cuts == y.cuts;
  }

  // Tries every decision for this block and all that follow.
  void choose(int kind) {
    if (kind == kBlockKinds) {
      best_ = std::min(best_, step_cost());
      return;
    }
    for (const Decision& decision : decisions_[static_cast<std::size_t>(kind)]) {
      chosen_[static_cast<std::size_t>(kind)] = &decision;
      if (pairs_are_whole(static_cast<BlockKind>(kind))) choose(kind + 1);
    }
  }

  // Paired is a decision for all of attention, or for both blocks of the feed-forward part.
  bool pairs_are_whole(BlockKind kind) const {
    if (kind == BlockKind::kAttentionIn || kind == BlockKind::kFfnIn || kind == BlockKind::kHead) return true;
    const auto before = static_cast<BlockKind>(static_cast<int>(kind) - 1);
    const bool paired = chosen_[static_cast<std::size_t>(kind)]->strategy == Strategy::kPaired;
    const bool was = chosen_[static_cast<std::size_t>(before)]->strategy == Strategy::kPaired;
    return paired == was && (!paired || alike(before, kind) || kind == BlockKind::kFfnIn);
  }

  // How many blocks from `kind` on are divided alike and need no join between them.
  int together(BlockKind kind) const {
    using K = BlockKind;
    const Strategy s = chosen_[static_cast<std::size_t>(kind)]->strategy;
    if (s == Strategy::kPaired) return kind == K::kAttentionIn ? 3 : 2;
    if (s == Strategy::kRows) return kind == K::kAttentionIn && alike(kind, K::kAttention) ? 2 : 1;
    if (s == Strategy::kSequence) {
      if (kind == K::kAttentionOut && alike(kind, K::kFfnIn)) return alike(kind, K::kFfnOut) ? 3 : 1;
      if (kind == K::kFfnIn && alike(kind, K::kFfnOut)) return 2;
    }
    return 1;
  }

  double step_cost() const {
    double cost = 0;
    int holder = -1;
    const auto join = [&](int d) { return d < 0 ? 0.0 : costs_.join(id(d)).median_ns; };
    for (int layer = 0; layer <= in_.shape.layers; ++layer) {
      const bool head = layer == in_.shape.layers;
      for (int kind = head ? 5 : 0; kind < (head ? 6 : 5);) {
        const Decision& first = *chosen_[static_cast<std::size_t>(kind)];
        if (first.device >= 0) {
          const std::size_t d = static_cast<std::size_t>(first.device);
          if (holder != first.device) {
            cost += join(holder) + first.launches[d] * costs_.launch(id(first.device)).median_ns;
          }
          cost += first.busy[d];
          holder = first.device;
          ++kind;
          continue;
        }
        const int blocks = together(static_cast<BlockKind>(kind));
        std::vector<std::string> active;
        for (int d = 0; d < count(); ++d) {
          if (first.launches[static_cast<std::size_t>(d)] > 0) active.push_back(id(d));
        }
        double slowest = 0;
        double slowest_join = 0;
        double first_launches = 0;  // the host submits to one device after another
        for (const std::string& device : active) first_launches += costs_.launch(device).median_ns;
        for (int d = 0; d < count(); ++d) {
          const std::size_t index = static_cast<std::size_t>(d);
          if (first.launches[index] == 0) continue;
          double busy = 0;
          for (int b = 0; b < blocks; ++b) busy += chosen_[static_cast<std::size_t>(kind + b)]->busy[index];
          if (first.strategy == Strategy::kPaired) {
            for (const std::int64_t graph : graphs(d, in_.tokens)) {
              OpDesc add{.kind = OpKind::kAdd, .m = graph, .n = in_.shape.width};
              busy += static_cast<double>(active.size()) * costs_.op(id(d), add).median_ns;
            }
          }
          slowest =
              std::max(slowest, busy * costs_.slowdown(id(d), active, in_.phase) +
                                    (first.launches[index] - 1) * costs_.launch(id(d)).median_ns + first_launches);
          slowest_join = std::max(slowest_join, join(d));
        }
        cost += join(holder) + slowest + slowest_join;
        holder = -1;
        kind += blocks;
      }
    }
    return cost + join(holder);
  }

  const Instance& in_;
  const CostModel& costs_;
  std::map<std::size_t, std::vector<Decision>> decisions_;
  std::vector<const Decision*> chosen_;
  double best_ = kImpossible;
};

DeviceProfile random_profile(Rng& rng, const std::string& id, const std::string& other) {
  const auto between = [&](double low, double high) { return low * std::pow(high / low, rng.uniform()); };
  DeviceProfile profile = small_profile(id, 1, 1, between(100, 5000), between(100, 20000));
  MatmulCurve& curve = profile.matmul[0];
  curve.points.clear();
  double rate = between(0.05, 1);
  for (const std::int64_t m : {1, 4, 8}) {
    curve.points.push_back({m, figure(between(10, 3000)), figure(rate)});
    rate *= between(1, 6);
  }
  if (rng.below(2) == 0) curve.shape_factors.push_back({1, 128, 128, figure(between(0.5, 3))});
  for (OpCurve& op : profile.ops) {
    op.fixed_ns = figure(between(10, 1000));
    op.ns_per_unit = figure(between(0.01, 2));
  }
  profile.slowdowns = {{{other}, figure(between(1, 2)), figure(between(1, 1.5))}};
  return profile;
}

TEST(Solve, EqualsTryingEverythingOnSmallInstances) {
  Rng rng(7);
  std::map<Strategy, int> seen;
  for (int round = 0; round < 120; ++round) {
    Instance instance;
    instance.shape = small_shape(1 + static_cast<int>(rng.below(3)), 128, 128, kUnits);
    instance.profiles = {random_profile(rng, "a", "b"), random_profile(rng, "b", "a")};
    instance.devices = {solve_device("a"), solve_device("b")};
    const bool with_static = round % 3 == 0;
    if (with_static) instance.devices[1].standard_sizes = {4, 8};
    instance.phase = round % 2 == 0 ? Phase::kDecode : Phase::kPrefill;
    if (instance.phase == Phase::kPrefill) instance.tokens = 4 + round % 4;
    const CostModel costs(instance.profiles);
    SolveOptions options;
    options.buckets = {instance.tokens};
    options.grid = 2 * kUnits;  // every unit, and every row of these short prompts
    // Hybrid has a test of its own.
    options.strategies = {Strategy::kSingle, Strategy::kRows, Strategy::kPad, Strategy::kPaired};
    if (with_static) options.strategies.push_back(Strategy::kSequence);
    const Solution solution = solve(instance.shape, costs, instance.devices, options);
    const PlanBucket& bucket = bucket_of(solution.plan, instance.phase, instance.tokens);
    const double expected = Exhaustive(instance, costs).best();
    EXPECT_NEAR(bucket.predicted_ns, expected, 1e-9 * expected) << "round " << round;
    for (const BlockPlan& block : bucket.blocks) seen[block.strategy]++;
  }
  // The instances exercise what they are meant to.
  for (const Strategy s : {Strategy::kSingle, Strategy::kRows, Strategy::kSequence, Strategy::kPaired}) {
    EXPECT_GT(seen[s], 0) << name_of(s);
  }
}

}  // namespace
}  // namespace hetero
