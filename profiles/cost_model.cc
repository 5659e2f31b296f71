#include "profiles/cost_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string_view>

#include "base/error.h"

namespace hetero {
namespace {

// A number on its way through a formula, with the weaker provenance of what went in.
struct Term {
  double value = 0;
  double spread = 0;  // absolute
  Provenance provenance = Provenance::kMeasured;
};

Provenance weaker(Provenance a, Provenance b) { return std::max(a, b); }  // the enum is ordered by trust

Term term(const Figure& figure) { return {figure.value, std::abs(figure.value) * figure.spread, figure.provenance}; }

// A figure without a value (a coefficient that is exactly zero) says nothing about trust.
bool is_nothing(const Term& t) { return t.value == 0 && t.spread == 0; }

Term operator+(const Term& a, const Term& b) {
  if (is_nothing(a)) return b;
  if (is_nothing(b)) return a;
  return {a.value + b.value, a.spread + b.spread, weaker(a.provenance, b.provenance)};
}
Term operator*(const Term& t, double scale) { return {t.value * scale, t.spread * scale, t.provenance}; }

Term operator*(const Term& a, const Term& b) {
  return {a.value * b.value, a.spread * b.value + a.value * b.spread, weaker(a.provenance, b.provenance)};
}

Estimate estimate(const Term& t) { return {t.value, t.spread, t.provenance}; }

std::int64_t round_up(std::int64_t value, std::int64_t stage) {
  return stage > 1 ? (value + stage - 1) / stage * stage : value;
}

Term between(const Term& low, const Term& high, double t) {
  Term mixed = low * (1 - t) + high * t;
  mixed.provenance = weaker(weaker(low.provenance, high.provenance), Provenance::kInterpolated);
  return mixed;
}

enum class BelowFirst : std::uint8_t { kFlat, kInProportion };

// Time of `units` (matmul: weights) at m rows: linear between points, in proportion to m beyond the last.
Term time_at(const std::vector<MatmulPoint>& points, std::int64_t m, double units, BelowFirst below_first) {
  const auto at = [&](const MatmulPoint& p) { return term(p.fixed_ns) + term(p.ns_per_weight) * units; };
  const auto in_proportion = [&](const MatmulPoint& p) {
    Term scaled = at(p) * (static_cast<double>(m) / static_cast<double>(p.m));
    scaled.provenance = weaker(scaled.provenance, Provenance::kInterpolated);
    return scaled;
  };
  const auto above = std::find_if(points.begin(), points.end(), [m](const MatmulPoint& p) { return p.m >= m; });
  if (above == points.end()) return in_proportion(points.back());
  if (above->m == m) return at(*above);
  if (above == points.begin()) return below_first == BelowFirst::kFlat ? at(*above) : in_proportion(*above);
  const MatmulPoint& below = *std::prev(above);
  return between(at(below), at(*above), static_cast<double>(m - below.m) / static_cast<double>(above->m - below.m));
}

// The factor of an exact shape: linear in m between the entries of this shape, the nearest one outside them, 1 without.
Term shape_factor(const MatmulCurve& curve, std::int64_t m, std::int64_t n, std::int64_t k) {
  const ShapeFactor* below = nullptr;
  const ShapeFactor* above = nullptr;
  for (const ShapeFactor& entry : curve.shape_factors) {
    if (entry.n != n || entry.k != k) continue;
    if (entry.m <= m && (below == nullptr || entry.m > below->m)) below = &entry;
    if (entry.m >= m && (above == nullptr || entry.m < above->m)) above = &entry;
  }
  if (below == nullptr && above == nullptr) return {1, 0, Provenance::kMeasured};
  if (below == nullptr || above == nullptr || below == above) return term((below != nullptr ? below : above)->factor);
  return between(term(below->factor), term(above->factor),
                 static_cast<double>(m - below->m) / static_cast<double>(above->m - below->m));
}

bool contains(const std::vector<std::string>& sorted, const std::string& value) {
  return std::binary_search(sorted.begin(), sorted.end(), value);
}

// Throws input_error where the profile has no curve for the op.
Term curve_time(const DeviceProfile& p, const OpDesc& op, std::int64_t of_n) {
  if (op.kind == OpKind::kMatmul) {
    for (const MatmulCurve& curve : p.matmul) {
      if (curve.w != op.w || curve.points.empty()) continue;
      const std::int64_t m = round_up(op.m, p.stage);
      const double weights =
          static_cast<double>(round_up(op.n, p.stage)) * static_cast<double>(round_up(op.k, p.stage));
      const Term line = time_at(curve.points, m, weights, BelowFirst::kFlat);
      const Term factor = shape_factor(curve, m, of_n > 0 ? of_n : op.n, op.k);
      return line * factor;
    }
    throw input_error(
        "the profile of '" + p.device + "' has no matmul with " + std::string(info(op.w).name) + " weights",
        "measure the device with this model: hetero-tune run");
  }
  for (const OpCurve& curve : p.ops) {
    if (curve.kind != op.kind) continue;
    const double work = work_of(op, p.stage);
    if (curve.points.empty()) return term(curve.fixed_ns) + term(curve.ns_per_unit) * work;
    const std::int64_t m = round_up(op.m, p.stage);
    return time_at(curve.points, m, work / static_cast<double>(m), BelowFirst::kInProportion);
  }
  throw input_error("the profile of '" + p.device + "' has no " + std::string(name_of(op.kind)),
                    "measure the device with this model: hetero-tune run");
}

const OpTrees* trees_for(const DeviceProfile& profile, const OpDesc& op) {
  for (const OpTrees& trees : profile.trees) {
    if (trees.kind == op.kind && (op.kind != OpKind::kMatmul || trees.w == op.w)) return &trees;
  }
  return nullptr;
}

// Of this model, or of the one nearest in size, if that is at most twice as large or half as small; else null.
const StepFactors* steps_like(const DeviceProfile& profile, const ModelShape& model) {
  const std::string id = fingerprint(model);
  const double weights = layer_weights(model);
  const auto distance = [&](const StepFactors& s) {
    return s.model == id ? -1.0 : std::abs(std::log2(s.layer_weights / weights));
  };
  const auto nearest =
      std::min_element(profile.steps.begin(), profile.steps.end(),
                       [&](const StepFactors& x, const StepFactors& y) { return distance(x) < distance(y); });
  return nearest == profile.steps.end() || distance(*nearest) > 1 ? nullptr : &*nearest;
}

// Linear in log m between points, the nearest one outside them, 1 where there is none.
Term factor_at(const std::vector<StepFactors::Point>& points, std::int64_t m) {
  if (points.empty()) return {1, 0, Provenance::kMeasured};
  const auto above = std::find_if(points.begin(), points.end(), [m](const StepFactors::Point& p) { return p.m >= m; });
  if (above == points.end()) return term(points.back().factor);
  if (above == points.begin() || above->m == m) return term(above->factor);
  const StepFactors::Point& below = *std::prev(above);
  const auto log_of = [](std::int64_t rows) { return std::log(static_cast<double>(rows)); };
  return between(term(below.factor), term(above->factor),
                 (log_of(m) - log_of(below.m)) / (log_of(above->m) - log_of(below.m)));
}

}  // namespace

OpDesc staged(OpDesc op, std::int64_t stage) {
  op.m = round_up(op.m, stage);
  op.n = round_up(op.n, stage);
  op.k = round_up(op.k, stage);
  op.context = round_up(op.context, stage);
  return op;
}

double work_of(const OpDesc& op, std::int64_t stage) {
  const std::int64_t m = round_up(op.m, stage);
  if (op.kind != OpKind::kAttention) {
    const double elements = static_cast<double>(m) * static_cast<double>(round_up(op.n, stage));
    return op.kind == OpKind::kMatmul ? elements * static_cast<double>(round_up(op.k, stage)) : elements;
  }
  // Row i of m sees context - m + 1 + i cache rows. A context that is not fixed is that of a prompt's first chunk: its
  // own rows.
  const std::int64_t context = std::max(round_up(op.context == 0 ? op.m : op.context, stage), m);
  const double rows = static_cast<double>(m);
  const double pairs = rows * static_cast<double>(context) - rows * (rows - 1) / 2;
  return 2.0 * static_cast<double>(op.heads * op.head_dim) * pairs;
}

Estimate& Estimate::operator+=(const Estimate& other) {
  *this = estimate(Term{median_ns, spread_ns, provenance} + Term{other.median_ns, other.spread_ns, other.provenance});
  return *this;
}

CostModel::CostModel(std::vector<DeviceProfile> profiles, const ModelShape* model) : profiles_(std::move(profiles)) {
  for (const DeviceProfile& p : profiles_) {
    Steps& steps = steps_.emplace_back();
    const StepFactors* const factors = model != nullptr ? steps_like(p, *model) : nullptr;
    if (factors == nullptr) continue;
    for (const StepFactors::Point& point : factors->points) {
      (point.m == 1 ? steps.decode : steps.prefill).push_back(point);
    }
  }
}

bool CostModel::knows(const std::string& device) const {
  return std::any_of(profiles_.begin(), profiles_.end(), [&](const DeviceProfile& p) { return p.device == device; });
}

std::size_t CostModel::index_of(const std::string& device) const {
  for (std::size_t i = 0; i < profiles_.size(); ++i) {
    if (profiles_[i].device == device) return i;
  }
  throw input_error("there is no profile of device '" + device + "'", "measure it with hetero-tune run");
}

const DeviceProfile& CostModel::profile(const std::string& device) const { return profiles_[index_of(device)]; }

Estimate CostModel::op(const std::string& device, const OpDesc& op, std::int64_t of_n, std::int64_t of_k) const {
  const std::size_t i = index_of(device);
  const Estimate alone = lone_op(profiles_[i], op, of_n, of_k);
  return estimate(Term{alone.median_ns, alone.spread_ns, alone.provenance} *
                  factor_at(op.m == 1 ? steps_[i].decode : steps_[i].prefill, op.m));
}

Estimate CostModel::lone_op(const DeviceProfile& p, const OpDesc& op, std::int64_t of_n, std::int64_t of_k) {
  if (of_k > 0 && of_k != op.k) {
    constexpr std::int64_t kNoSuchShape = std::numeric_limits<std::int64_t>::max();
    OpDesc whole = op;
    whole.k = of_k;
    const double line = lone_op(p, whole, kNoSuchShape, 0).median_ns;
    const double factor = line > 0 ? lone_op(p, whole, of_n, 0).median_ns / line : 1.0;
    Estimate slice = lone_op(p, op, kNoSuchShape, 0);
    slice.median_ns *= factor;
    slice.spread_ns *= factor;
    return slice;
  }
  const OpTrees* const trees = trees_for(p, op);
  if (trees == nullptr) return estimate(curve_time(p, op, of_n));
  const Term base = trees->family == CostFamily::kTrees ? Term{work_of(op, p.stage), 0, Provenance::kMeasured}
                                                        : curve_time(p, op, of_n);
  const Term scale = term(trees->scale) * std::exp2(sum_of_leaves(trees->trees, features_of(staged(op, p.stage))));
  return estimate(base * scale);
}

double CostModel::order_factor(const std::string& device, const OpDesc& op, OperandOrder order, std::int64_t of_n,
                               std::int64_t of_k) const {
  const OrderFactor* nearest = nullptr;
  const auto distance = [&](const OrderFactor& entry) { return row_distance(entry.m, op.m); };
  for (const OrderFactor& entry : profile(device).order_factors) {
    const bool same = entry.n == (of_n > 0 ? of_n : op.n) && entry.k == (of_k > 0 ? of_k : op.k);
    if (same && (nearest == nullptr || distance(entry) < distance(*nearest))) nearest = &entry;
  }
  return op.kind == OpKind::kMatmul && nearest != nullptr && nearest->slower == order ? nearest->factor.value : 1;
}

Estimate CostModel::launch(const std::string& device) const { return estimate(term(profile(device).launch_ns)); }

std::string CostModel::best_waiter(const std::string& device) const {
  const auto& joins = profile(device).join_ns;
  const auto best = std::min_element(joins.begin(), joins.end(),
                                     [](const auto& a, const auto& b) { return a.second.value < b.second.value; });
  return best == joins.end() ? "poll" : best->first;
}

Estimate CostModel::join(const std::string& device, const std::string& waiter) const {
  const auto& joins = profile(device).join_ns;
  if (joins.empty()) return {0, 0, Provenance::kAssumed};
  if (waiter.empty()) return estimate(term(joins.at(best_waiter(device))));
  const auto found = joins.find(waiter);
  if (found != joins.end()) return estimate(term(found->second));
  // A waiter that was never measured here: no better guess than the dearest that was.
  const auto dearest = std::max_element(joins.begin(), joins.end(),
                                        [](const auto& a, const auto& b) { return a.second.value < b.second.value; });
  return {dearest->second.value, dearest->second.value * dearest->second.spread, Provenance::kAssumed};
}

double CostModel::slowdown(const std::string& device, const std::vector<std::string>& active, Phase phase) const {
  const DeviceProfile& p = profile(device);
  std::vector<std::string> others;
  for (const std::string& id : active) {
    if (id != device) others.push_back(id);
  }
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());

  // The measured set if there is one. Otherwise the largest measured subsets that do not overlap, multiplied: each
  // takes its part of what the others leave.
  double factor = 1;
  while (!others.empty()) {
    const Slowdown* best = nullptr;
    for (const Slowdown& s : p.slowdowns) {
      const bool fits = !s.with.empty() && std::all_of(s.with.begin(), s.with.end(),
                                                       [&](const std::string& id) { return contains(others, id); });
      if (fits && (best == nullptr || s.with.size() > best->with.size() ||
                   (s.with.size() == best->with.size() && s.with < best->with))) {
        best = &s;
      }
    }
    if (best == nullptr) break;
    factor *= std::max(1.0, (phase == Phase::kDecode ? best->decode : best->prefill).value);
    std::erase_if(others, [&](const std::string& id) { return contains(best->with, id); });
  }
  return factor;
}

Estimate CostModel::graph_compile(const std::string& device, double weights) const {
  const DeviceProfile& p = profile(device);
  return estimate(term(p.graph_compile_fixed_ns) + term(p.graph_compile_ns_per_weight) * weights);
}

}  // namespace hetero
