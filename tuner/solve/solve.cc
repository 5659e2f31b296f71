// Puts steps together into a plan: the order of the devices, the memory budget, the documents.
#include "tuner/solve/solve.h"

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/units.h"
#include "tuner/solve/repair.h"
#include "tuner/solve/step.h"

namespace hetero {
namespace {

constexpr int kMostDevices = 8;  // sets of devices are enumerated: 2^8

SolveProblem problem_in_order(const ModelShape& shape, const CostModel& costs, std::vector<SolveDevice> devices) {
  SolveProblem problem;
  problem.shape = &shape;
  problem.costs = &costs;
  for (SolveDevice& device : devices) std::sort(device.standard_sizes.begin(), device.standard_sizes.end());
  problem.devices = std::move(devices);
  for (const SolveDevice& device : problem.devices) {
    DeviceFacts facts;
    facts.id = device.id;
    facts.standard_sizes = device.standard_sizes;
    facts.feature_align = std::max<std::int64_t>(1, device.feature_align);
    problem.facts.push_back(std::move(facts));
  }
  return problem;
}

// Pointers into the problem itself: only once it has its place.
void link(SolveProblem& problem) {
  problem.fact_pointers.clear();
  for (const DeviceFacts& facts : problem.facts) problem.fact_pointers.push_back(&facts);
}

void check_input(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
                 const SolveOptions& options) {
  if (devices.empty()) throw usage_error("there is no device to divide the model among", "name one with --devices");
  if (static_cast<int>(devices.size()) > kMostDevices) {
    throw usage_error("the solver divides among at most " + std::to_string(kMostDevices) + " devices",
                      "name fewer with --devices");
  }
  for (const SolveDevice& device : devices) (void)costs.profile(device.id);  // throws when it is not there
  if (shape.layers < 1 || shape.layer_types.empty()) throw input_error("the model's shape has no layers");
  if (options.grid < 2) throw usage_error("the grid of shares needs at least 2 steps");
  for (const std::int64_t tokens : options.buckets) {
    if (tokens < 1) throw usage_error("a prompt-length bucket is at least 1 token");
  }
}

void check_possible(const Steps& steps) {
  if (possible(steps)) return;
  throw input_error("no device can run every operation of the model, and no division of it does",
                    "measure the devices with this model: hetero-tune measure");
}

Steps solve_steps(const SolveProblem& problem, const SolveOptions& options) {
  Steps steps;
  steps.push_back(solve_step(problem, options, Phase::kDecode, 1, all_of(problem)));
  for (auto& step : solve_prefill(problem, options, all_of(problem))) steps.push_back(std::move(step));
  check_possible(steps);
  if (placement_of(problem, steps).fits()) return steps;
  return repair(problem, options, steps);
}

// The device that holds most of what decode reads.
std::size_t lead_of(const SolveProblem& problem, const Steps& steps) {
  const std::vector<std::uint64_t> held = placement_of(problem, *steps.front()).bytes();
  return static_cast<std::size_t>(std::max_element(held.begin(), held.end()) - held.begin());
}

std::vector<BlockPlan> block_plans(const Choice& choice, int layer) {
  std::vector<BlockPlan> plans;
  for (std::size_t b = 0; b < choice.span->blocks.size(); ++b) {
    BlockPlan plan;
    plan.block = choice.span->blocks[b];
    plan.layer = layer;
    plan.strategy = choice.option.strategy;
    plan.features = choice.option.features;
    plan.rows = choice.option.rows;
    const double total = choice.option.total_ns;
    plan.predicted_ns = choice.predicted_ns * (total > 0 ? choice.option.block_ns[b] / total : 1.0);
    plans.push_back(std::move(plan));
  }
  return plans;
}

PlanBucket bucket_of(const StepSolution& step) {
  PlanBucket bucket;
  bucket.phase = step.phase;
  bucket.tokens = step.tokens;
  bucket.predicted_ns = step.chain.total_ns;
  const auto add = [&](const std::vector<BlockPlan>& plans) {
    bucket.blocks.insert(bucket.blocks.end(), plans.begin(), plans.end());
  };
  for (const Choice& choice : step.chain.classes.front()) add(block_plans(choice, -1));
  add(block_plans(step.chain.head, -1));
  // Layers of other formats: entries of their own only where the decision differs.
  for (std::size_t c = 1; c < step.classes.size(); ++c) {
    for (const Choice& choice : step.chain.classes[c]) {
      for (BlockPlan& plan : block_plans(choice, 0)) {
        const BlockPlan& general = *block_plan_for(bucket, plan.block, -1);
        if (plan.strategy == general.strategy && plan.features == general.features && plan.rows == general.rows) {
          continue;
        }
        for (const int layer : step.classes[c].layers) {
          plan.layer = layer;
          bucket.blocks.push_back(plan);
        }
      }
    }
  }
  return bucket;
}

void explain(const SolveProblem& problem, const StepSolution& step, std::vector<Solution::Explained>& out) {
  const auto candidates_of = [&](const SpanOptions& span, BlockKind kind, Solution::Explained& explained) {
    for (std::size_t b = 0; b < span.blocks.size(); ++b) {
      if (span.blocks[b] != kind) continue;
      for (const Option& option : span.explained) {
        Candidate candidate;
        candidate.block.block = kind;
        candidate.block.strategy = option.strategy;
        candidate.block.features = option.features;
        candidate.block.rows = option.rows;
        candidate.block.predicted_ns = option.block_ns[b];
        candidate.total_ns = option.block_ns[b];
        const double part = option.total_ns > 0 ? option.block_ns[b] / option.total_ns : 1.0;
        candidate.join_ns = option.join_ns * part;
        for (std::size_t d = 0; d < option.device_ns.size(); ++d) {
          if (option.device_ns[d] > 0)
            candidate.device_ns[problem.id(static_cast<int>(d))] = option.device_ns[d] * part;
        }
        explained.candidates.push_back(std::move(candidate));
      }
    }
  };
  for (int k = 0; k < kBlockKinds; ++k) {
    Solution::Explained explained;
    explained.phase = step.phase;
    explained.tokens = step.tokens;
    explained.block = static_cast<BlockKind>(k);
    if (explained.block == BlockKind::kHead) {
      candidates_of(step.head, explained.block, explained);
    } else {
      for (const SpanOptions& span : step.classes.front().spans) candidates_of(span, explained.block, explained);
    }
    // One of each strategy: its cheapest form (rows and sequence may also come as part of a longer span).
    auto& list = explained.candidates;
    std::stable_sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.total_ns < b.total_ns; });
    std::vector<Candidate> first_of_each;
    for (Candidate& candidate : list) {
      const bool seen = std::any_of(first_of_each.begin(), first_of_each.end(),
                                    [&](const Candidate& c) { return c.block.strategy == candidate.block.strategy; });
      if (!seen) first_of_each.push_back(std::move(candidate));
    }
    list = std::move(first_of_each);
    out.push_back(std::move(explained));
  }
}

void fill_devices(const SolveProblem& problem, const Steps& steps, Plan& plan) {
  const Placement placement = placement_of(problem, steps);
  const std::vector<std::uint64_t> held = placement.bytes();
  const std::size_t lead = lead_of(problem, steps);
  const auto add = [&](std::size_t d) {
    if (!placement.uses(static_cast<int>(d))) return;
    const std::string& id = problem.id(static_cast<int>(d));
    plan.devices.push_back(id);
    plan.device_fingerprints[id] = problem.costs->profile(id).exact_fingerprint;
    plan.waiters[id] = problem.costs->best_waiter(id);
    plan.memory_bytes[id] = held[d];
  };
  add(lead);
  for (std::size_t d = 0; d < held.size(); ++d) {
    if (d != lead) add(d);
  }
}

}  // namespace

Solution solve(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
               const SolveOptions& options) {
  SolveProblem problem = problem_in_order(shape, costs, fastest_first(shape, costs, devices, options));
  link(problem);
  Steps steps = solve_steps(problem, options);
  // The order of the devices decides which end of a weight each holds; shares of prefill and decode overlap best when
  // the lead begins. When the guess was wrong, once more with the true lead in front.
  if (const std::size_t lead = lead_of(problem, steps); lead != 0) {
    std::vector<SolveDevice> order = problem.devices;
    std::rotate(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(lead),
                order.begin() + static_cast<std::ptrdiff_t>(lead) + 1);
    steps.clear();
    problem = problem_in_order(shape, costs, order);
    link(problem);
    steps = solve_steps(problem, options);
  }

  Solution solution;
  solution.plan.model_fingerprint = fingerprint(shape);
  solution.plan.origin = "tuned";
  fill_devices(problem, steps, solution.plan);
  std::stable_sort(steps.begin(), steps.end(), [](const auto& a, const auto& b) { return a->tokens < b->tokens; });
  for (const auto& step : steps) {
    solution.plan.buckets.push_back(bucket_of(*step));
    explain(problem, *step, solution.explained);
  }
  check(solution.plan);
  return solution;
}

// A good guess of who will have the largest share.
std::vector<SolveDevice> fastest_first(const ModelShape& shape, const CostModel& costs,
                                       const std::vector<SolveDevice>& devices, const SolveOptions& options) {
  check_input(shape, costs, devices, options);
  if (devices.size() == 1) return devices;
  SolveProblem problem = problem_in_order(shape, costs, devices);
  link(problem);
  std::vector<std::pair<double, std::size_t>> order;
  for (std::size_t d = 0; d < devices.size(); ++d) {
    const auto alone = solve_step(problem, options, Phase::kDecode, 1, 1U << d);
    order.emplace_back(alone->chain.total_ns, d);
  }
  std::stable_sort(order.begin(), order.end());
  std::vector<SolveDevice> sorted;
  for (const auto& entry : order) sorted.push_back(devices[entry.second]);
  return sorted;
}

PlanBucket solve_bucket(const ModelShape& shape, const CostModel& costs, const std::vector<SolveDevice>& devices,
                        const SolveOptions& options, Phase phase, std::int64_t tokens) {
  check_input(shape, costs, devices, options);
  SolveProblem problem = problem_in_order(shape, costs, devices);
  link(problem);
  Steps steps;
  steps.push_back(solve_step(problem, options, phase, tokens, all_of(problem)));
  check_possible(steps);
  return bucket_of(*steps.front());
}

}  // namespace hetero
