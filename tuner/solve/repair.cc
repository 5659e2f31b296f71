#include "tuner/solve/repair.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

using Features = std::vector<std::vector<Share>>;  // by block kind

// Shares of a device that is short of memory are multiples of this: the same ones under every budget, so that more
// memory never costs time.
constexpr int kSharesOfShort = 32;

// A way through all steps of a phase, with what it holds.
struct Bundle {
  Steps steps;
  std::unique_ptr<Placement> placement;
  double regret = 0;
};

// How much slower than without a budget, summed over the buckets.
double regret(const Steps& steps, const std::vector<double>& unlimited) {
  double sum = 0;
  for (std::size_t i = 0; i < steps.size(); ++i) sum += steps[i]->chain.total_ns / unlimited[i];
  return sum;
}

// Every bucket divides every block by these shares.
Steps follow_everywhere(const SolveProblem& problem, const SolveOptions& options,
                        const std::vector<std::vector<Share>>& features) {
  Steps steps;
  steps.push_back(follow_step(problem, options, Phase::kDecode, 1, features));
  for (const std::int64_t tokens : prefill_buckets(options)) {
    steps.push_back(follow_step(problem, options, Phase::kPrefill, tokens, features));
  }
  return steps;
}

std::vector<std::vector<Share>> shares_by_capacity(const SolveProblem& problem) {
  double total = 0;
  for (const SolveDevice& device : problem.devices) total += static_cast<double>(device.memory_bytes);
  std::vector<Share> shares;
  for (const SolveDevice& device : problem.devices) {
    shares.push_back({device.id, static_cast<double>(device.memory_bytes) / total});
  }
  return std::vector<std::vector<Share>>(kBlockKinds, shares);
}

// The devices that the best steps would overfill.
std::vector<int> short_of_memory(const SolveProblem& problem, const Steps& unlimited) {
  const std::vector<std::uint64_t> held = placement_of(problem, unlimited).bytes();
  std::vector<int> devices;
  for (std::size_t d = 0; d < held.size(); ++d) {
    const std::uint64_t limit = problem.devices[d].memory_bytes;
    if (limit != 0 && held[d] > limit) devices.push_back(static_cast<int>(d));
  }
  return devices;
}

double weight_bytes(const ModelShape& shape, const std::vector<BlockKind>& kinds) {
  double bytes = 0;
  for (const BlockKind kind : kinds) {
    const bool head = kind == BlockKind::kHead;
    for (int layer = head ? shape.layers : 0; layer < (head ? shape.layers + 1 : shape.layers); ++layer) {
      for (const OpDesc& op : block_ops(shape, kind, layer, 1, 1)) {
        if (op.kind == OpKind::kMatmul) bytes += static_cast<double>(op.n * row_bytes(op.w, op.k));
      }
    }
  }
  return bytes;
}

// `kinds` divided by features: at most `most` of them on each short device, as far as it can hold that; the rest and
// everything else on `free`. Empty: nothing is left to divide.
Features partly(const SolveProblem& problem, const std::vector<BlockKind>& kinds, const std::vector<int>& short_devices,
                int free, double most) {
  const double weights = weight_bytes(*problem.shape, kinds);
  Features features(kBlockKinds, {{problem.id(free), 1}});
  double rest = 1;
  std::vector<Share> shares;
  for (const int d : short_devices) {
    const double held = static_cast<double>(problem.devices[static_cast<std::size_t>(d)].memory_bytes) / weights;
    const double share = std::min({rest, most, std::floor(held * kSharesOfShort) / kSharesOfShort});
    if (share <= 0) continue;
    shares.push_back({problem.id(d), share});
    rest -= share;
  }
  if (shares.empty()) return {};
  // In the order of the problem's devices, so that prefill and decode share what they hold.
  std::vector<Share> ordered;
  for (int d = 0; d < problem.device_count(); ++d) {
    if (d == free && rest > 0) ordered.push_back({problem.id(free), rest});
    for (const Share& share : shares) {
      if (share.device == problem.id(d)) ordered.push_back(share);
    }
  }
  for (const BlockKind kind : kinds) features[static_cast<std::size_t>(kind)] = ordered;
  return features;
}

// For each step the best of `candidates`; a single device where none is better or possible.
Steps best_of(const SolveProblem& problem, const SolveOptions& options, const std::vector<Features>& candidates,
              Phase phase) {
  Steps steps;
  const std::vector<std::int64_t> all =
      phase == Phase::kDecode ? std::vector<std::int64_t>{1} : prefill_buckets(options);
  for (const std::int64_t tokens : all) {
    std::unique_ptr<StepSolution> best;
    for (const Features& features : candidates) {
      auto step = follow_step(problem, options, phase, tokens, features);
      if (best == nullptr || step->chain.total_ns < best->chain.total_ns) best = std::move(step);
    }
    steps.push_back(std::move(best));
  }
  return steps;
}

// Each with the blocks that are divided; the others stay where there is memory.
std::vector<std::vector<BlockKind>> divided_blocks() {
  const std::vector<BlockKind> feed_forward = {BlockKind::kFfnIn, BlockKind::kFfnOut};
  const std::vector<BlockKind> layers = {BlockKind::kAttentionIn, BlockKind::kAttention, BlockKind::kAttentionOut,
                                         BlockKind::kFfnIn, BlockKind::kFfnOut};
  std::vector<BlockKind> everything = layers;
  everything.push_back(BlockKind::kHead);
  return {feed_forward, layers, everything};
}

}  // namespace

std::vector<std::int64_t> prefill_buckets(const SolveOptions& options) {
  std::vector<std::int64_t> buckets = options.buckets;
  std::sort(buckets.begin(), buckets.end());
  buckets.erase(std::unique(buckets.begin(), buckets.end()), buckets.end());
  return buckets;
}

unsigned all_of(const SolveProblem& problem) { return (1U << problem.device_count()) - 1U; }

bool possible(const Steps& steps) {
  return std::all_of(steps.begin(), steps.end(), [](const auto& s) { return s->chain.total_ns < kImpossible; });
}

Placement placement_of(const SolveProblem& problem, const Steps& steps) {
  Placement placement(problem);
  for (const auto& step : steps) placement.add(placement_of(problem, *step));
  return placement;
}

Steps solve_prefill(const SolveProblem& problem, const SolveOptions& options, unsigned usable) {
  Steps steps;
  for (const std::int64_t tokens : prefill_buckets(options)) {
    steps.push_back(solve_step(problem, options, Phase::kPrefill, tokens, usable));
  }
  return steps;
}

Steps repair(const SolveProblem& problem, const SolveOptions& options, const Steps& unlimited) {
  std::vector<double> reference;
  for (const auto& step : unlimited) reference.push_back(step->chain.total_ns);
  const std::vector<double> decode_reference(reference.begin(), reference.begin() + 1);
  const std::vector<double> prefill_reference(reference.begin() + 1, reference.end());
  std::vector<Bundle> decode, prefill;
  const auto add = [&](std::vector<Bundle>& bundles, Steps steps, const std::vector<double>& without_budget) {
    if (!possible(steps)) return;
    Bundle bundle;
    bundle.placement = std::make_unique<Placement>(placement_of(problem, steps));
    if (!bundle.placement->fits()) return;
    bundle.regret = regret(steps, without_budget);
    bundle.steps = std::move(steps);
    bundles.push_back(std::move(bundle));
  };
  for (unsigned mask = 1; mask <= all_of(problem); ++mask) {
    Steps step;
    step.push_back(solve_step(problem, options, Phase::kDecode, 1, mask));
    add(decode, std::move(step), decode_reference);
    add(prefill, solve_prefill(problem, options, mask), prefill_reference);
  }
  const std::vector<int> short_devices = short_of_memory(problem, unlimited);
  for (int free = 0; free < problem.device_count(); ++free) {
    if (std::find(short_devices.begin(), short_devices.end(), free) != short_devices.end()) continue;
    for (const std::vector<BlockKind>& kinds : divided_blocks()) {
      std::vector<Features> candidates = {Features(kBlockKinds, {{problem.id(free), 1}})};
      for (int part = 1; part <= kSharesOfShort; ++part) {
        Features features = partly(problem, kinds, short_devices, free, static_cast<double>(part) / kSharesOfShort);
        if (!features.empty()) candidates.push_back(std::move(features));
      }
      add(decode, best_of(problem, options, candidates, Phase::kDecode), decode_reference);
      add(prefill, best_of(problem, options, candidates, Phase::kPrefill), prefill_reference);
    }
  }

  double least = kImpossible;
  Bundle* best_decode = nullptr;
  Bundle* best_prefill = nullptr;
  for (Bundle& d : decode) {
    for (Bundle& p : prefill) {
      if (d.regret + p.regret >= least) continue;
      Placement both = *d.placement;
      both.add(*p.placement);
      if (!both.fits()) continue;
      least = d.regret + p.regret;
      best_decode = &d;
      best_prefill = &p;
    }
  }
  const bool every_limit_known = std::all_of(problem.devices.begin(), problem.devices.end(),
                                             [](const SolveDevice& d) { return d.memory_bytes != 0; });
  if (every_limit_known && problem.device_count() > 1) {
    Steps steps = follow_everywhere(problem, options, shares_by_capacity(problem));
    if (possible(steps) && regret(steps, reference) < least && placement_of(problem, steps).fits()) return steps;
  }
  if (best_decode == nullptr) {
    throw input_error("the weights do not fit the memory of the devices",
                      "use a smaller model or quantisation, or more devices");
  }
  Steps best = std::move(best_decode->steps);
  for (auto& step : best_prefill->steps) best.push_back(std::move(step));
  return best;
}

}  // namespace hetero
