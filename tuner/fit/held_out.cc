#include "tuner/fit/held_out.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/rng.h"
#include "profiles/cost_model.h"
#include "tuner/fit/grow_trees.h"

namespace hetero {
namespace {

constexpr double kHeldOutPart = 0.3;
constexpr int kRepetitions = 10;
// Fewer shapes leave too few to fit, or none to hold out.
constexpr std::size_t kFewestShapes = 6;
// Trees must be better than curves by this part of the error: curves can be read, and go on beyond what was measured.
constexpr double kClearly = 0.1;
constexpr std::uint64_t kSeed = 20240607;

using Timings = std::vector<OpTiming>;

void fit_curves(const Timings& timings, DeviceProfile& profile) {
  profile.matmul = fit_matmul(timings, profile.stage);
  profile.ops = fit_ops(timings, profile.stage);
}

// Trees over the work, or over the curves of `profile`.
OpTrees fit_trees(const Timings& timings, CostFamily family, const DeviceProfile& profile) {
  OpTrees result;
  result.kind = timings.front().op.kind;
  result.w = timings.front().op.w;
  result.family = family;
  DeviceProfile without_trees = profile;
  without_trees.trees.clear();
  const CostModel curves({without_trees});
  std::vector<TreeRow> rows;
  for (const OpTiming& t : timings) {
    const double base =
        family == CostFamily::kTrees ? work_of(t.op, profile.stage) : curves.op(profile.device, t.op).median_ns;
    if (base > 0) rows.push_back({features_of(staged(t.op, profile.stage)), std::log2(t.ns.median / base)});
  }
  if (rows.empty()) return result;
  BoostedTrees grown = grow_trees(rows);
  result.scale = {std::exp2(grown.base), 0, Provenance::kMeasured, ""};
  result.trees = std::move(grown.trees);
  return result;
}

// A profile of one family, fitted to timings of one kind of op.
DeviceProfile profile_of(CostFamily family, const Timings& timings, const DeviceProfile& like) {
  DeviceProfile profile;
  profile.device = like.device;
  profile.stage = like.stage;
  fit_curves(timings, profile);
  if (family != CostFamily::kCurves) profile.trees = {fit_trees(timings, family, profile)};
  return profile;
}

double quantile(const std::vector<double>& sorted, double part) {
  const double place = part * static_cast<double>(sorted.size() - 1);
  const auto low = static_cast<std::size_t>(place);
  const std::size_t high = std::min(low + 1, sorted.size() - 1);
  return sorted[low] + (place - static_cast<double>(low)) * (sorted[high] - sorted[low]);
}

// `ratios`: predicted over measured.
HeldOutError summary(CostFamily family, const std::vector<double>& ratios) {
  std::vector<double> errors;
  double mean = 0;
  for (const double ratio : ratios) {
    errors.push_back(std::abs(ratio - 1));
    mean += std::abs(std::log(ratio)) / static_cast<double>(ratios.size());
  }
  std::sort(errors.begin(), errors.end());
  return {family, quantile(errors, 0.5), quantile(errors, 0.95), mean};
}

std::vector<HeldOutError> cross_validate(const Timings& timings, const DeviceProfile& like) {
  constexpr CostFamily kFamilies[] = {CostFamily::kCurves, CostFamily::kTrees, CostFamily::kCurveTrees};
  if (timings.size() < kFewestShapes) return {};
  const auto held_out = static_cast<std::size_t>(std::ceil(kHeldOutPart * static_cast<double>(timings.size())));
  std::map<CostFamily, std::vector<double>> ratios;
  Rng rng(kSeed);
  Timings order = timings;
  for (int repetition = 0; repetition < kRepetitions; ++repetition) {
    for (std::size_t i = order.size() - 1; i > 0; --i) std::swap(order[i], order[rng.below(i + 1)]);
    const Timings rest(order.begin() + static_cast<std::ptrdiff_t>(held_out), order.end());
    for (const CostFamily family : kFamilies) {
      const CostModel costs({profile_of(family, rest, like)});
      for (std::size_t i = 0; i < held_out; ++i) {
        const double predicted = costs.op(like.device, order[i].op).median_ns;
        ratios[family].push_back(std::max(predicted, 1.0) / order[i].ns.median);
      }
    }
  }
  std::vector<HeldOutError> result;
  for (const CostFamily family : kFamilies) result.push_back(summary(family, ratios[family]));
  return result;
}

const HeldOutError& kept(const std::vector<HeldOutError>& errors) {
  const HeldOutError* best = &errors.front();  // curves
  for (const HeldOutError& e : errors) {
    if (e.mean < (best == &errors.front() ? 1 - kClearly : 1) * best->mean) best = &e;
  }
  return *best;
}

}  // namespace

void fit_costs(const std::vector<OpTiming>& timings, DeviceProfile& profile) {
  fit_curves(timings, profile);
  std::map<std::pair<OpKind, DType>, Timings> by_kind;
  for (const OpTiming& t : timings) {
    const DType format = t.op.kind == OpKind::kMatmul ? t.op.w : DType::kF32;
    by_kind[{t.op.kind, format}].push_back(t);
  }
  for (const auto& [key, list] : by_kind) {
    HeldOut result{key.first, key.second, static_cast<int>(list.size()), CostFamily::kCurves,
                   cross_validate(list, profile)};
    if (!result.errors.empty()) result.kept = kept(result.errors).family;
    if (result.kept != CostFamily::kCurves) {
      OpTrees trees = fit_trees(list, result.kept, profile);
      trees.w = key.second;
      trees.scale.spread = kept(result.errors).median;
      trees.scale.source = "won on held-out shapes, " + std::to_string(list.size()) + " measured";
      profile.trees.push_back(std::move(trees));
    }
    profile.held_out.push_back(std::move(result));
  }
}

}  // namespace hetero
