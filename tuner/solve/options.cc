#include "tuner/solve/options.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

namespace hetero {
namespace {

bool is_static(const SolveProblem& problem, int device) {
  return !problem.devices[static_cast<std::size_t>(device)].standard_sizes.empty();
}

bool allowed(const SolveOptions& options, Strategy strategy) {
  return options.strategies.empty() ||
         std::find(options.strategies.begin(), options.strategies.end(), strategy) != options.strategies.end();
}

std::vector<int> members(unsigned mask, int devices) {
  std::vector<int> list;
  for (int d = 0; d < devices; ++d) {
    if ((mask >> d & 1U) != 0) list.push_back(d);
  }
  return list;
}

// Factors, launches and joins of a set of devices that are active at once.
struct ActiveSet {
  ActiveSet(const SolveProblem& problem, const std::vector<int>& devices, Phase phase) {
    std::vector<std::string> ids;
    for (const int d : devices) ids.push_back(problem.id(d));
    slowdown.assign(static_cast<std::size_t>(problem.device_count()), 1.0);
    launch_ns.assign(slowdown.size(), 0.0);
    for (const int d : devices) {
      const std::string& id = problem.id(d);
      slowdown[static_cast<std::size_t>(d)] = problem.costs->slowdown(id, ids, phase);
      launch_ns[static_cast<std::size_t>(d)] = problem.costs->launch(id).median_ns;
      all_launches_ns += launch_ns[static_cast<std::size_t>(d)];
      join_ns = std::max(join_ns, problem.costs->join(id).median_ns);
    }
  }
  // One host thread submits to all, so everybody also waits for the others' first launch: the last device for all of
  // them, and the cpu too, since the thread that submits is its first worker.
  double busy_to_done(int d, double busy_ns, std::size_t launches) const {
    const double own = launch_ns[static_cast<std::size_t>(d)];
    return busy_ns * slowdown[static_cast<std::size_t>(d)] + static_cast<double>(launches) * own +
           (all_launches_ns - own);
  }
  std::vector<double> slowdown;
  std::vector<double> launch_ns;
  double all_launches_ns = 0;
  double join_ns = 0;
};

// Each set is asked for again and again: by every division, and by the evaluation of what came out of it.
class ActiveSets {
 public:
  ActiveSets(const SolveProblem& problem, Phase phase)
      : problem_(problem), phase_(phase), sets_(std::size_t{1} << problem.device_count()) {}
  const SolveProblem& problem() const { return problem_; }

  const ActiveSet& of(const std::vector<int>& devices) {
    std::size_t mask = 0;
    for (const int d : devices) mask |= std::size_t{1} << d;
    if (!sets_[mask]) sets_[mask].emplace(problem_, devices, phase_);
    return *sets_[mask];
  }

 private:
  const SolveProblem& problem_;
  Phase phase_;
  std::vector<std::optional<ActiveSet>> sets_;  // by bits of devices
};

Option evaluate_on(ActiveSets& sets, const SpanTimes& span, const BlockPlan& division);

// Rows that a device can take without padding: a static one only what its graphs add up to.
bool unpadded(const std::vector<Part>& parts) {
  return std::all_of(parts.begin(), parts.end(), [](const Part& p) { return p.rows == p.padded_rows; });
}

Option best_by_features_of(ActiveSets& sets, const SpanTimes& span, const std::vector<int>& devices,
                           FeatureTable& table, Strategy strategy) {
  const SolveProblem& problem = sets.problem();
  const ActiveSet& active = sets.of(devices);
  const int count = static_cast<int>(devices.size());
  std::vector<double> sums;
  for (const int d : devices) sums.push_back(span.sums_time(d, table.parts(d), count));
  const Cut cut = minimax(count, table.last(), [&](int position, int i, int j) {
    const int d = devices[static_cast<std::size_t>(position)];
    const double busy = table(d, i, j) + sums[static_cast<std::size_t>(position)];
    return active.busy_to_done(d, busy, table.parts(d).size());
  });
  if (cut.value == kImpossible) return {};
  BlockPlan division;
  division.strategy = strategy;
  double begin = 0;
  for (int position = 0; position < count; ++position) {
    const double end = table.points()[static_cast<std::size_t>(cut.ends[static_cast<std::size_t>(position)])];
    division.features.push_back({problem.id(devices[static_cast<std::size_t>(position)]), end - begin});
    begin = end;
  }
  return evaluate_on(sets, span, division);
}

// Row counts at which a prompt may be cut: the grid, and what graphs of static devices add up to.
std::vector<std::int64_t> row_points(const SolveProblem& problem, std::int64_t rows, int grid) {
  std::set<std::int64_t> points = {0, rows};
  const std::int64_t steps = std::min<std::int64_t>(rows, grid);
  for (std::int64_t i = 1; i < steps; ++i) points.insert(i * rows / steps);
  for (int d = 0; d < problem.device_count(); ++d) {
    if (!is_static(problem, d)) continue;
    for (const std::int64_t size : problem.devices[static_cast<std::size_t>(d)].standard_sizes) {
      if (size == 1) continue;
      for (std::int64_t r = size; r < rows; r += size) points.insert(r);
      break;  // the larger sizes are multiples of the smallest on every device known; others lie on the grid
    }
  }
  return {points.begin(), points.end()};
}

// Times of whole features on rows [points[i], points[j]); remembered, since only attention looks at where rows begin.
class RowTable {
 public:
  RowTable(const SolveProblem& problem, const SpanTimes& span, std::vector<std::int64_t> points)
      : problem_(problem), span_(span), points_(std::move(points)), width_(points_.size()) {
    const auto& blocks = span.blocks();
    by_place_ = std::find(blocks.begin(), blocks.end(), BlockKind::kAttention) != blocks.end();
    const std::size_t entries = by_place_ ? width_ * width_ : static_cast<std::size_t>(span.rows()) + 1;
    times_.assign(static_cast<std::size_t>(problem.device_count()), std::vector<double>(entries, -1.0));
    launches_ = std::vector<std::vector<std::size_t>>(times_.size(), std::vector<std::size_t>(entries, 0));
  }
  int last() const { return static_cast<int>(width_) - 1; }
  std::int64_t at(int i) const { return points_[static_cast<std::size_t>(i)]; }

  double done(const ActiveSet& active, int device, int i, int j) {
    const std::int64_t count = at(j) - at(i);
    const std::size_t entry = by_place_ ? static_cast<std::size_t>(i) * width_ + static_cast<std::size_t>(j)
                                        : static_cast<std::size_t>(count);
    double& time = times_[static_cast<std::size_t>(device)][entry];
    std::size_t& launches = launches_[static_cast<std::size_t>(device)][entry];
    if (time < 0) {
      const auto parts = row_parts(device, *problem_.fact_pointers[static_cast<std::size_t>(device)], at(i), count);
      launches = parts.size();
      time = unpadded(parts) ? span_.time(device, parts, 0, 1) : kImpossible;
    }
    return active.busy_to_done(device, time, launches);
  }

 private:
  const SolveProblem& problem_;
  const SpanTimes& span_;
  std::vector<std::int64_t> points_;
  std::size_t width_;
  bool by_place_ = false;
  std::vector<std::vector<double>> times_;
  std::vector<std::vector<std::size_t>> launches_;
};

Option best_sequence(ActiveSets& sets, const SpanTimes& span, unsigned mask, RowTable& table) {
  const SolveProblem& problem = sets.problem();
  std::vector<int> devices = members(mask, problem.device_count());
  // Graphs first: the rows that fit none are the end of the prompt, for a device that takes any number.
  std::stable_partition(devices.begin(), devices.end(), [&](int d) { return is_static(problem, d); });
  const ActiveSet& active = sets.of(devices);
  const Cut cut = minimax(static_cast<int>(devices.size()), table.last(), [&](int position, int i, int j) {
    return table.done(active, devices[static_cast<std::size_t>(position)], i, j);
  });
  if (cut.value == kImpossible) return {};
  BlockPlan division;
  division.strategy = Strategy::kSequence;
  std::int64_t begin = 0;
  for (std::size_t p = 0; p < devices.size(); ++p) {
    const std::int64_t end = table.at(cut.ends[p]);
    division.rows.push_back(
        {problem.id(devices[p]), static_cast<double>(end - begin) / static_cast<double>(span.rows())});
    begin = end;
  }
  return evaluate_on(sets, span, division);
}

// How many rows a static device may lead a hybrid division with: the most that its graphs add up to, each single size,
// and what is left beside each size. Few, since each has a feature balance of its own.
std::set<std::int64_t> hybrid_rows(const SolveDevice& device, std::int64_t rows) {
  std::set<std::int64_t> counts;
  std::int64_t smallest = 0;
  for (const std::int64_t size : device.standard_sizes) {
    if (size == 1) continue;
    if (smallest == 0) smallest = size;
    if (size < rows) {
      counts.insert(size);
      counts.insert((rows - size) / smallest * smallest);
    }
  }
  if (smallest > 0) counts.insert((rows - 1) / smallest * smallest);
  counts.erase(0);
  return counts;
}

// `lead` (static) has `lead_rows` rows, divided by features among all of `devices`; `rest` takes the other rows too.
Option best_hybrid(ActiveSets& sets, const SpanTimes& span, const std::vector<int>& devices, int lead, int rest,
                   std::int64_t lead_rows, FeatureTable& table) {
  const SolveProblem& problem = sets.problem();
  const ActiveSet& active = sets.of(devices);
  const int count = static_cast<int>(devices.size());
  const std::vector<Part> rest_parts =
      row_parts(rest, *problem.fact_pointers[static_cast<std::size_t>(rest)], lead_rows, span.rows() - lead_rows);
  const double rest_busy = span.time(rest, rest_parts, 0, 1);
  const Cut cut = minimax(count, table.last(), [&](int position, int i, int j) {
    const int d = devices[static_cast<std::size_t>(position)];
    const bool both = d == rest;
    return active.busy_to_done(d, table(d, i, j) + (both ? rest_busy : 0),
                               table.parts(d).size() + (both ? rest_parts.size() : 0));
  });
  if (cut.value == kImpossible) return {};
  BlockPlan division;
  division.strategy = Strategy::kHybrid;
  const double fraction = static_cast<double>(lead_rows) / static_cast<double>(span.rows());
  division.rows = {{problem.id(lead), fraction}, {problem.id(rest), 1 - fraction}};
  double begin = 0;
  for (int position = 0; position < count; ++position) {
    const double end = table.points()[static_cast<std::size_t>(cut.ends[static_cast<std::size_t>(position)])];
    division.features.push_back({problem.id(devices[static_cast<std::size_t>(position)]), end - begin});
    begin = end;
  }
  return evaluate_on(sets, span, division);
}

// Keeps the cheapest of each strategy; the first of equals.
class BestOfEach {
 public:
  void offer(const Option& option) {
    Option& best = best_[static_cast<std::size_t>(option.strategy)];
    if (option.possible() && option.total_ns < best.total_ns) best = option;
  }
  std::vector<Option> cheapest_first() const {
    std::vector<Option> list;
    for (const Option& option : best_) {
      if (option.possible()) list.push_back(option);
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const Option& a, const Option& b) { return a.total_ns < b.total_ns; });
    return list;
  }

 private:
  std::array<Option, kStrategies> best_;
};

void offer_hybrids(ActiveSets& sets, const SpanTimes& span, const SolveOptions& options, unsigned usable,
                   BestOfEach& best) {
  const SolveProblem& problem = sets.problem();
  const int devices = problem.device_count();
  for (int lead = 0; lead < devices; ++lead) {
    if (!is_static(problem, lead) || (usable >> lead & 1U) == 0) continue;
    for (const std::int64_t rows : hybrid_rows(problem.devices[static_cast<std::size_t>(lead)], span.rows())) {
      const auto parts = row_parts(lead, *problem.fact_pointers[static_cast<std::size_t>(lead)], 0, rows);
      if (!unpadded(parts)) continue;
      FeatureTable table(span, span.feature_points(options.grid), 0, rows);
      for (int rest = 0; rest < devices; ++rest) {
        if (is_static(problem, rest) || (usable >> rest & 1U) == 0) continue;
        const unsigned pair = 1U << lead | 1U << rest;
        const std::set<unsigned> masks = {pair, usable};
        for (const unsigned mask : masks) {
          best.offer(best_hybrid(sets, span, members(mask, devices), lead, rest, rows, table));
        }
      }
    }
  }
}

Option evaluate_on(ActiveSets& sets, const SpanTimes& span, const BlockPlan& division) {
  const SolveProblem& problem = sets.problem();
  const std::vector<Part> parts = expand(division, span.rows(), problem.fact_pointers);
  std::vector<std::vector<Part>> by_device(problem.fact_pointers.size());
  for (const Part& part : parts) by_device[static_cast<std::size_t>(part.device)].push_back(part);
  std::vector<int> used;
  for (int d = 0; d < problem.device_count(); ++d) {
    if (!by_device[static_cast<std::size_t>(d)].empty()) used.push_back(d);
  }
  const ActiveSet& active = sets.of(used);
  Option option;
  option.strategy = division.strategy;
  option.features = division.features;
  option.rows = division.rows;
  option.join_ns = active.join_ns;
  option.device_ns.assign(by_device.size(), 0.0);
  option.block_ns.assign(span.blocks().size(), 0.0);
  double slowest = 0;
  double busy_of_all = 0;
  for (const int d : used) {
    const std::size_t index = static_cast<std::size_t>(d);
    double busy = span.sums_time(d, by_device[index], static_cast<int>(used.size()));
    for (const Part& part : by_device[index]) {
      const double part_ns = span.time(d, {part}, part.f0, part.f1);
      busy += part_ns;
      for (std::size_t b = 0; b < span.blocks().size(); ++b) {
        option.block_ns[b] += span.block_time(d, span.blocks()[b], {part}, part.f0, part.f1);
      }
    }
    option.device_ns[index] = busy * active.slowdown[index];
    busy_of_all += busy;
    slowest = std::max(slowest, active.busy_to_done(d, busy, by_device[index].size()));
  }
  if (used.empty() || busy_of_all == kImpossible) return {};
  option.total_ns = slowest + option.join_ns;
  if (used.size() == 1) {
    option.device = used[0];
    option.launch_ns = static_cast<double>(parts.size()) * active.launch_ns[static_cast<std::size_t>(used[0])];
  }
  double of_blocks = 0;
  for (const double ns : option.block_ns) of_blocks += ns;
  for (double& ns : option.block_ns) {
    // Blocks of a span share its time as they share its work.
    ns = option.total_ns * (of_blocks > 0 ? ns / of_blocks : 1.0 / static_cast<double>(option.block_ns.size()));
  }
  return option;
}

}  // namespace

Option evaluate(const SolveProblem& problem, const SpanTimes& span, Phase phase, const BlockPlan& division) {
  ActiveSets sets(problem, phase);
  return evaluate_on(sets, span, division);
}

Option best_by_features(const SolveProblem& problem, const SpanTimes& span, Phase phase, unsigned mask,
                        const std::vector<double>& points) {
  FeatureTable table(span, points, 0, span.rows());
  ActiveSets sets(problem, phase);
  return best_by_features_of(sets, span, members(mask, problem.device_count()), table, Strategy::kRows);
}

SpanOptions enumerate_options(const SolveProblem& problem, const SpanTimes& span, Phase phase,
                              const SolveOptions& options, unsigned usable) {
  const int devices = problem.device_count();
  ActiveSets active(problem, phase);
  const auto& blocks = span.blocks();
  const bool one_block = blocks.size() == 1;
  SpanOptions result;
  result.blocks = blocks;
  BestOfEach divided;
  BestOfEach all;

  if (one_block) {
    for (int d = 0; d < devices; ++d) {
      if ((usable >> d & 1U) == 0) continue;
      const auto offer = [&](const BlockPlan& plan) {
        const Option option = evaluate_on(active, span, plan);
        all.offer(option);
        if (option.possible()) result.single.push_back(option);
      };
      BlockPlan plan;
      plan.features = {{problem.id(d), 1.0}};
      offer(plan);
      if (!is_static(problem, d) || !allowed(options, Strategy::kPad)) continue;
      plan.strategy = Strategy::kPad;
      const auto parts = expand(plan, span.rows(), problem.fact_pointers);
      if (parts.size() == 1 && parts[0].padded_rows > parts[0].rows) offer(plan);
    }
  }

  std::vector<unsigned> sets;
  for (unsigned mask = 1; mask < 1U << devices; ++mask) {
    if ((mask & (mask - 1)) != 0 && (mask & ~usable) == 0) sets.push_back(mask);
  }
  const bool paired = span.form() == SpanForm::kPaired;
  const bool attention = blocks.front() == BlockKind::kAttentionIn;
  const Strategy by_features = paired ? Strategy::kPaired : Strategy::kRows;
  if (!sets.empty() && allowed(options, by_features) && (one_block || paired || attention)) {
    FeatureTable table(span, span.feature_points(options.grid), 0, span.rows());
    for (const unsigned mask : sets) {
      divided.offer(best_by_features_of(active, span, members(mask, devices), table, by_features));
    }
  }
  if (!sets.empty() && !paired && span.rows() > 1 && (one_block || !attention)) {
    if (allowed(options, Strategy::kSequence)) {
      RowTable table(problem, span, row_points(problem, span.rows(), options.grid));
      for (const unsigned mask : sets) divided.offer(best_sequence(active, span, mask, table));
    }
    if (one_block && allowed(options, Strategy::kHybrid)) offer_hybrids(active, span, options, usable, divided);
  }

  result.divided = divided.cheapest_first();
  for (const Option& option : result.divided) all.offer(option);
  result.explained = all.cheapest_first();
  return result;
}

}  // namespace hetero
