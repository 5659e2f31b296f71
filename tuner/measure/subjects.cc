// What is worth measuring for a model on a set of devices: pure, no device runs here.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "profiles/plan.h"
#include "tuner/measure/measure.h"

namespace hetero {
namespace {

// The vocabulary counts as huge from here: only the last row needs logits, so more rows are never computed in practice.
// Weights above this are not measured in shares either: a line through their size is certain.
constexpr double kHugeWeightBytes = 64.0 * 1024 * 1024;
// Reading this takes 0.2 ms at 20 GB/s, some five times what a launch takes.
constexpr double kShortWeightBytes = 4.0 * 1024 * 1024;
// Shares of weights that carry at least this part of their bucket's time.
constexpr double kWorthSharing = 0.05;
// Where a bucket is needed to stand for prefill as a whole.
constexpr std::int64_t kTypicalPrefill = 256;

// Between the buckets, on the heaviest and the lightest weight of a layer: where a roofline bends, and in which steps
// rows cost (tuner/fit/curves.h). Two below the smallest bucket and two that a stage of 16 or 32 rounds up.
constexpr std::int64_t kProbeRows[] = {4, 16, 33, 48};
constexpr double kProbeWeight = 0.04;  // below everything that the buckets need
// The other ops cost next to nothing to time, so their curves get a size between each two buckets.
constexpr double kSmallProbeWeight = 0.03;

struct OpUse {
  OpDesc op;
  double count = 0;  // times it occurs in one step
  double part = 0;   // of the step's time, by a rough guess
};

// Only for ranking: 10 GB/s, 50 GFLOPS and half a nanosecond an element are within a factor of ten of any device here,
// and the ranking needs no more.
double guess_ns(const OpDesc& op) {
  return streamed_bytes(op) / 10 + flops(op) / 50 + static_cast<double>(op.m * op.n) / 2;
}

// The distinct ops of one step of m rows. The head works on `head_m` rows.
std::vector<OpUse> ops_of_step(const ModelShape& shape, std::int64_t m, std::int64_t head_m, std::int64_t context) {
  std::map<std::string, OpUse> uses;
  const auto add = [&](const OpDesc& op) {
    OpUse& use = uses[canonical_text(op)];
    use.op = op;
    use.count += 1;
  };
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (const BlockKind kind : {BlockKind::kAttentionIn, BlockKind::kAttention, BlockKind::kAttentionOut,
                                 BlockKind::kFfnIn, BlockKind::kFfnOut}) {
      for (const OpDesc& op : block_ops(shape, kind, layer, m, context)) add(op);
    }
  }
  for (const OpDesc& op : block_ops(shape, BlockKind::kHead, shape.layers, head_m, context)) add(op);
  // A paired block adds the partial sums of the others.
  add({.kind = OpKind::kAdd, .m = m, .n = shape.width});

  std::vector<OpUse> list;
  double total = 0;
  for (const auto& [text, use] : uses) {
    list.push_back(use);
    total += use.count * guess_ns(use.op);
  }
  for (OpUse& use : list) use.part = use.count * guess_ns(use.op) / total;
  return list;
}

// Quarter, half and three quarters of the features, on the device's grid; without those that are nothing or everything.
std::vector<std::int64_t> shares_of(std::int64_t n, std::int64_t align) {
  std::set<std::int64_t> shares;
  for (const double fraction : {0.25, 0.5, 0.75}) {
    const auto steps =
        static_cast<std::int64_t>(std::lround(static_cast<double>(n) * fraction / static_cast<double>(align)));
    const std::int64_t share = steps * align;
    if (share > 0 && share < n) shares.insert(share);
  }
  return {shares.begin(), shares.end()};
}

std::int64_t nearest(const std::vector<std::int64_t>& sizes, std::int64_t wanted) {
  return *std::min_element(sizes.begin(), sizes.end(), [&](std::int64_t a, std::int64_t b) {
    return std::llabs(a - wanted) < std::llabs(b - wanted);
  });
}

class SubjectList {
 public:
  SubjectList(const ModelShape& shape, const std::vector<const DeviceFacts*>& devices, const MeasureOptions& options)
      : shape_(shape), devices_(devices), options_(options) {}

  std::vector<Subject> build() {
    for (const DeviceFacts* device : devices_) {
      ops(*device);
      probes(*device);
      latencies(*device);
    }
    for (const DeviceFacts* device : devices_) together(*device);
    std::stable_sort(subjects_.begin(), subjects_.end(),
                     [](const Subject& a, const Subject& b) { return a.weight > b.weight; });
    return std::move(subjects_);
  }

 private:
  void add(SampleKind kind, const DeviceFacts& device, const std::string& subject, double weight,
           const std::string& active_with = "") {
    if (seen_.insert({static_cast<int>(kind), device.id, subject, active_with}).second) {
      subjects_.push_back({kind, device.id, subject, active_with, 0, weight});
    }
  }

  static bool is_static(const DeviceFacts& device) { return !device.standard_sizes.empty(); }
  std::vector<std::int64_t> sizes_of(const DeviceFacts& device) const {
    return is_static(device) ? device.standard_sizes : options_.buckets;
  }
  static bool is_decode(std::int64_t m) { return m == 1; }

  void ops(const DeviceFacts& device) {
    const std::vector<std::int64_t> sizes = sizes_of(device);
    const std::int64_t head_m = is_static(device) ? sizes.front() : 1;
    const std::int64_t typical = nearest(sizes, kTypicalPrefill);
    const std::int64_t largest = *std::max_element(sizes.begin(), sizes.end());
    for (const std::int64_t m : sizes) {
      std::vector<OpUse> uses = ops_of_step(shape_, m, head_m, is_decode(m) ? options_.context : m);
      if (is_decode(m)) {  // a second context, so that the growth of attention is a line through two points
        for (const OpDesc& op :
             block_ops(shape_, BlockKind::kAttention, 0, 1, std::max<std::int64_t>(1, options_.context / 4))) {
          uses.push_back({op, 1, 0});
        }
      }
      // Decode and the typical prompt decide most; the smallest and the largest size hold up the ends of each curve.
      const double bucket_weight = is_decode(m) ? 1.0 : m == typical ? 0.8 : m == largest ? 0.6 : 0.4;
      for (const OpUse& use : uses) {
        const bool matmul = use.op.kind == OpKind::kMatmul;
        // Without one sample of every kind of op and weight there is no profile at all: a floor for the ends.
        const bool essential = is_decode(m) || m == typical;
        // The small ops cost next to nothing to time, so theirs come first.
        const double floor = essential ? (matmul ? 0.7 : 2.0) : m == largest ? 0.25 : 0.05;
        const double weight = std::max(bucket_weight * std::min(1.0, 0.5 + use.part), floor);
        add(SampleKind::kOp, device, canonical_text(use.op), matmul || use.part > 0.05 ? weight : floor);
        if (!matmul) continue;
        if (is_static(device)) add(SampleKind::kGraphCompile, device, canonical_text(use.op), 0.1);
        if ((is_decode(m) || m == typical) && use.part >= kWorthSharing && streamed_bytes(use.op) <= kHugeWeightBytes) {
          for (const std::int64_t n : shares_of(use.op.n, device.feature_align)) {
            OpDesc share = use.op;
            share.n = n;
            add(SampleKind::kOp, device, canonical_text(share), 0.3 * weight);
          }
        }
      }
    }
  }

  // A static device runs its sizes and nothing between them.
  void probes(const DeviceFacts& device) {
    if (is_static(device)) return;
    const std::vector<OpUse> uses = layer_matmuls(nearest(options_.buckets, kTypicalPrefill));
    if (uses.empty()) return;
    const auto lighter = [](const OpUse& a, const OpUse& b) { return streamed_bytes(a.op) < streamed_bytes(b.op); };
    const auto [lightest, heaviest] = std::minmax_element(uses.begin(), uses.end(), lighter);
    const std::int64_t largest = *std::max_element(options_.buckets.begin(), options_.buckets.end());
    for (OpDesc op : {heaviest->op, lightest->op}) {
      for (const std::int64_t rows : kProbeRows) {
        op.m = rows;
        if (rows < largest) add(SampleKind::kOp, device, canonical_text(op), kProbeWeight);
      }
    }
    std::vector<std::int64_t> sizes = options_.buckets;
    std::sort(sizes.begin(), sizes.end());
    for (std::size_t i = 1; i < sizes.size(); ++i) {
      const std::int64_t between = (sizes[i - 1] + sizes[i]) / 2;
      if (between == sizes[i - 1]) continue;
      for (const OpUse& use : ops_of_step(shape_, between, 1, between)) {
        if (use.op.kind == OpKind::kMatmul) continue;
        add(SampleKind::kOp, device, canonical_text(use.op), kSmallProbeWeight);
      }
    }
  }

  // The matmuls of a step but for the head.
  std::vector<OpUse> layer_matmuls(std::int64_t m) const {
    std::vector<OpUse> uses = ops_of_step(shape_, m, m, m);
    std::erase_if(uses, [&](const OpUse& use) { return use.op.kind != OpKind::kMatmul || use.op.n == shape_.vocab; });
    return uses;
  }

  void latencies(const DeviceFacts& device) {
    add(SampleKind::kLaunch, device, "launch", 1.5);
    for (const Waiter waiter : device.waiters) add(SampleKind::kJoin, device, std::string(name_of(waiter)), 1.4);
    add(SampleKind::kBandwidth, device, "stream", 0.9);
  }

  // What contention is measured with: the matmul of a layer with the largest part of the phase; in decode, where a
  // layer's are too short to overlap with anything, the head. Empty: the device cannot.
  std::string heaviest(const DeviceFacts& device, Phase phase) const {
    const std::vector<std::int64_t> sizes = sizes_of(device);
    std::int64_t m = 1;
    if (phase == Phase::kDecode) {
      if (std::find(sizes.begin(), sizes.end(), 1) == sizes.end()) return "";
    } else {
      m = nearest(sizes, kTypicalPrefill);
      if (is_decode(m)) return "";
    }
    const std::vector<OpUse> uses = ops_of_step(shape_, m, m, m);
    std::optional<OpDesc> best;
    double most = 0;
    for (const OpUse& use : uses) {
      if (use.op.kind != OpKind::kMatmul || use.op.n == shape_.vocab || use.part <= most) continue;
      most = use.part;
      best = use.op;
    }
    if (!best) return "";
    if (is_decode(m) && streamed_bytes(*best) < kShortWeightBytes) {
      for (const OpUse& use : uses) {
        if (use.op.kind == OpKind::kMatmul && streamed_bytes(use.op) > streamed_bytes(*best)) best = use.op;
      }
    }
    return canonical_text(*best);
  }

  // Another matmul of the same step: whether the slow-down of one speaks for others. Empty: none is long enough.
  std::string runner_up(const std::string& heaviest) const {
    const OpDesc first = parse_op_desc(heaviest);
    std::optional<OpDesc> best;
    for (const OpUse& use : layer_matmuls(first.m)) {
      const bool same = use.op.n == first.n && use.op.k == first.k;
      if (same || (is_decode(first.m) && streamed_bytes(use.op) < kShortWeightBytes)) continue;
      if (!best || streamed_bytes(use.op) > streamed_bytes(*best)) best = use.op;
    }
    return best ? canonical_text(*best) : "";
  }

  void contend(const DeviceFacts& device, const std::vector<const DeviceFacts*>& others) {
    std::vector<std::string> ids;
    int on_callers_thread = device.submit_mode == SubmitMode::kOnCallersThread ? 1 : 0;
    for (const DeviceFacts* other : others) {
      ids.push_back(other->id);
      if (other->submit_mode == SubmitMode::kOnCallersThread) ++on_callers_thread;
    }
    if (on_callers_thread > 1) return;  // one thread cannot be two devices at once
    std::sort(ids.begin(), ids.end());
    std::string with;
    for (const std::string& id : ids) with += (with.empty() ? "" : "+") + id;
    for (const Phase phase : {Phase::kDecode, Phase::kPrefill}) {
      const bool all_can = std::none_of(others.begin(), others.end(),
                                        [&](const DeviceFacts* other) { return heaviest(*other, phase).empty(); });
      const std::string op = heaviest(device, phase);
      if (!all_can || op.empty()) continue;
      add(SampleKind::kContention, device, op, 0.85, with);
      const std::string second = runner_up(op);
      if (!second.empty()) add(SampleKind::kContention, device, second, 0.3, with);
    }
    add(SampleKind::kBandwidth, device, "stream", 0.5, with);
  }

  void together(const DeviceFacts& device) {
    std::vector<const DeviceFacts*> others;
    for (const DeviceFacts* other : devices_) {
      if (other == &device) continue;
      others.push_back(other);
      contend(device, {other});
    }
    if (others.size() > 1) contend(device, others);
  }

  const ModelShape& shape_;
  const std::vector<const DeviceFacts*>& devices_;
  const MeasureOptions& options_;
  std::vector<Subject> subjects_;
  std::set<std::tuple<int, std::string, std::string, std::string>> seen_;
};

}  // namespace

std::vector<OpDesc> deciding_matmuls(const ModelShape& shape, const DeviceFacts& device) {
  const std::vector<std::int64_t>& sizes = device.standard_sizes;
  if (sizes.empty()) return {};
  std::vector<OpUse> uses;
  for (const std::int64_t m : std::set<std::int64_t>{sizes.front(), nearest(sizes, kTypicalPrefill)}) {
    for (const OpUse& use : ops_of_step(shape, m, sizes.front(), m)) {
      const auto same = [&](const OpUse& u) { return u.op == use.op; };
      if (use.op.kind == OpKind::kMatmul && std::none_of(uses.begin(), uses.end(), same)) uses.push_back(use);
    }
  }
  std::stable_sort(uses.begin(), uses.end(), [](const OpUse& a, const OpUse& b) { return a.part > b.part; });
  std::vector<OpDesc> ops;
  for (const OpUse& use : uses) ops.push_back(use.op);
  return ops;
}

std::vector<Subject> subjects_for(const ModelShape& shape, const std::vector<const DeviceFacts*>& devices,
                                  const MeasureOptions& options) {
  return SubjectList(shape, devices, options).build();
}

}  // namespace hetero
