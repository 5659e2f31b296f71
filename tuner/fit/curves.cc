#include "tuner/fit/curves.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "profiles/cost_model.h"

namespace hetero {
namespace {

constexpr double kShapeNoise = 0.02;     // departures from the line below this are not worth an entry
constexpr double kMedianPrice = 1.2533;  // the error of a median over that of a mean, of normal noise
// Stages that are looked for. Beyond them a step is a size of its own; below, it is within the noise of prompt lengths.
constexpr std::int64_t kStages[] = {64, 32, 16, 8};
// A bend between two sizes that changes times by less is none.
constexpr double kLeastBend = 0.02;

std::int64_t round_up(std::int64_t value, std::int64_t stage) { return (value + stage - 1) / stage * stage; }

// What a median of samples with this spread may be off by: four standard errors of a median of normal noise (sigma =
// 1.4826 MAD, error = 1.2533 sigma / sqrt(count)). The MAD of a few samples is itself uncertain, so that of the
// neighbouring subjects counts as well when it is larger. Four, since dozens of shapes are compared: three would give
// one of them a factor by chance.
double noise_of(const Spread& spread, double usual_mad) {
  return 4 * 1.4826 * kMedianPrice * std::max(spread.mad, usual_mad) / std::sqrt(std::max(1, spread.count));
}

double weights_of(const OpDesc& op, std::int64_t stage) {
  return static_cast<double>(round_up(op.n, stage)) * static_cast<double>(round_up(op.k, stage));
}

// The line of one (format, m).
void fit_point(std::int64_t m, const std::vector<const OpTiming*>& timings, std::int64_t stage, MatmulCurve& curve) {
  std::vector<Timing> all;
  for (const OpTiming* t : timings) all.push_back({weights_of(t->op, stage), t->ns.median});
  // First a line that outliers cannot move, then the best one through what lies near it.
  const Line rough = least_absolute(all);
  std::vector<Timing> near;
  std::vector<double> spreads;
  int samples = 0;
  for (const OpTiming* t : timings) {
    spreads.push_back(t->ns.mad);
    samples += t->ns.count;
  }
  const double spread = median_and_mad(spreads).median;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double limit = std::max(3 * kShapeNoise, noise_of(timings[i]->ns, spread));
    if (std::abs(all[i].ns / rough.at(all[i].work) - 1) <= limit) near.push_back(all[i]);
  }
  const Line line = relative_least_squares(near.empty() ? all : near);
  const std::string source = source_text(samples);
  curve.points.push_back(
      {m, {line.fixed, spread, Provenance::kMeasured, source}, {line.per_unit, spread, Provenance::kMeasured, source}});
}

// What one weight takes over its line, at one number of rows.
struct Departure {
  std::int64_t m = 1;
  double ratio = 1;
  double noise = 0;
  Spread ns;
};

// Shapes that depart from the lines get factors. What a shape is slow by at one size it mostly is at the others: the
// median over its sizes is known better than any of them, and stands for each that does not contradict it by more than
// its noise. A shape has an entry at every m where it was measured: between entries the cost model interpolates, and
// beyond them it keeps the nearest, so a missing 1 would be taken for the neighbour's factor.
void fit_factors(const std::vector<OpTiming>& timings, std::int64_t stage, MatmulCurve& curve) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<Departure>> by_shape;
  for (const OpTiming& t : timings) {
    if (t.op.w != curve.w) continue;
    const auto point =
        std::find_if(curve.points.begin(), curve.points.end(), [&](const MatmulPoint& p) { return p.m == t.op.m; });
    if (point == curve.points.end()) continue;
    const Line line{point->fixed_ns.value, point->ns_per_weight.value};
    by_shape[{t.op.n, t.op.k}].push_back(
        {t.op.m, t.ns.median / line.at(weights_of(t.op, stage)), noise_of(t.ns, point->ns_per_weight.spread), t.ns});
  }
  for (const auto& [shape, list] : by_shape) {
    std::vector<double> ratios;
    double noise = 0;
    for (const Departure& d : list) {
      ratios.push_back(d.ratio);
      noise += d.noise / static_cast<double>(list.size());
    }
    const double count = static_cast<double>(list.size());
    const double usual = median_and_mad(ratios).median;
    const double usual_noise = noise / std::sqrt(count) * (list.size() > 2 ? kMedianPrice : 1.0);
    const bool departs = std::abs(usual - 1) > std::max(kShapeNoise, usual_noise);
    const auto contradicts = [&](const Departure& d, double expected) {
      return std::abs(d.ratio / expected - 1) > std::max(kShapeNoise, d.noise);
    };
    const double expected = departs ? usual : 1;
    if (!departs && std::none_of(list.begin(), list.end(), [&](const Departure& d) { return contradicts(d, 1); })) {
      continue;
    }
    for (const Departure& d : list) {
      const double factor = contradicts(d, expected) ? d.ratio : expected;
      curve.shape_factors.push_back(
          {d.m, shape.first, shape.second, {factor, d.ns.mad, Provenance::kMeasured, source_text(d.ns.count)}});
    }
  }
  std::sort(curve.shape_factors.begin(), curve.shape_factors.end(), [](const ShapeFactor& a, const ShapeFactor& b) {
    return std::tie(a.m, a.n, a.k) < std::tie(b.m, b.n, b.k);
  });
}

// More rows never take less time. A dip within the noise is noise and is lifted to the smaller m's time; a dip beyond
// it is real (another kernel begins there) and stays.
void smooth_dips(MatmulCurve& curve) {
  for (std::size_t i = 1; i < curve.points.size(); ++i) {
    MatmulPoint& here = curve.points[i];
    const MatmulPoint& before = curve.points[i - 1];
    const double slack = 3 * std::max(here.ns_per_weight.spread, before.ns_per_weight.spread);
    const auto lift = [&](Figure& value, const Figure& least) {
      if (value.value < least.value && value.value >= least.value * (1 - slack)) value.value = least.value;
    };
    if (here.fixed_ns.value <= before.fixed_ns.value && here.ns_per_weight.value <= before.ns_per_weight.value) {
      lift(here.fixed_ns, before.fixed_ns);
      lift(here.ns_per_weight, before.ns_per_weight);
    }
  }
}

using ByRows = std::map<std::int64_t, std::vector<const OpTiming*>>;

// Sizes at which several weights were measured carry a line each; one weight says nothing of a fixed part.
bool carries_a_line(const std::vector<const OpTiming*>& list) {
  return std::any_of(list.begin(), list.end(),
                     [&](const OpTiming* t) { return t->op.n != list.front()->op.n || t->op.k != list.front()->op.k; });
}

const OpTiming* of_weight(const std::vector<const OpTiming*>& list, const OpDesc& op) {
  const auto same =
      std::find_if(list.begin(), list.end(), [&](const OpTiming* t) { return t->op.n == op.n && t->op.k == op.k; });
  return same == list.end() ? nullptr : *same;
}

Figure mixed(const Figure& low, const Figure& high, double t, double scale) {
  Figure figure = low;
  figure.value = ((1 - t) * low.value + t * high.value) * scale;
  figure.provenance = Provenance::kInterpolated;
  return figure;
}

// A size that was measured on one weight only tells how the curve runs between its neighbours: their lines, scaled by
// what that weight took over what it would take on a straight way between them.
// Precondition: m lies between two of `lines`.
void add_bend(std::int64_t m, const std::vector<const OpTiming*>& list, const ByRows& lines, MatmulCurve& curve) {
  const auto high = lines.upper_bound(m);
  const auto low = std::prev(high);
  const OpTiming& here = *list.front();
  const OpTiming* const below = of_weight(low->second, here.op);
  const OpTiming* const above = of_weight(high->second, here.op);
  if (below == nullptr || above == nullptr) return;
  const double t = static_cast<double>(m - low->first) / static_cast<double>(high->first - low->first);
  const double straight = (1 - t) * below->ns.median + t * above->ns.median;
  const double scale = here.ns.median / straight;
  if (std::abs(scale - 1) <= std::max(kLeastBend, noise_of(here.ns, std::max(below->ns.mad, above->ns.mad)))) return;
  const auto point_at = [&](std::int64_t rows) -> const MatmulPoint& {
    return *std::find_if(curve.points.begin(), curve.points.end(), [&](const MatmulPoint& p) { return p.m == rows; });
  };
  const MatmulPoint& from = point_at(low->first);
  const MatmulPoint& to = point_at(high->first);
  MatmulPoint bend{m, mixed(from.fixed_ns, to.fixed_ns, t, scale),
                   mixed(from.ns_per_weight, to.ns_per_weight, t, scale)};
  curve.points.push_back(std::move(bend));
}

void sort_points(MatmulCurve& curve) {
  std::sort(curve.points.begin(), curve.points.end(), [](const auto& a, const auto& b) { return a.m < b.m; });
}

// A roofline is the larger of two lines: where the one on the left of a gap and the one on its right meet inside it,
// there is its knee. A line is known from two sizes that are far enough apart for noise to leave its slope alone.
void add_knees(double weights, MatmulCurve& curve) {
  constexpr double kApart = 1.5;
  const std::vector<MatmulPoint> p = curve.points;
  const auto time = [&](const MatmulPoint& q) { return q.fixed_ns.value + weights * q.ns_per_weight.value; };
  const auto rows = [](const MatmulPoint& q) { return static_cast<double>(q.m); };
  for (std::size_t i = 0; i + 1 < p.size(); ++i) {
    const MatmulPoint& a = p[i];
    const MatmulPoint& b = p[i + 1];
    const auto before = std::find_if(p.rbegin(), p.rend(), [&](const auto& q) { return kApart * rows(q) <= rows(a); });
    const auto after = std::find_if(p.begin(), p.end(), [&](const auto& q) { return rows(q) >= kApart * rows(b); });
    if (before == p.rend() || after == p.end()) continue;
    // More rows never take less time: where they seem to, the line on the left is flat.
    const bool rising = time(a) > time(*before);
    const double left = rising ? (time(a) - time(*before)) / (rows(a) - rows(*before)) : 0;
    const double right = (time(*after) - time(b)) / (rows(*after) - rows(b));
    if (right <= left) continue;
    const double meet = (time(a) - left * rows(a) - time(b) + right * rows(b)) / (right - left);
    const std::int64_t m = std::llround(meet);
    if (m <= a.m || m >= b.m) continue;
    const double t = (meet - rows(a)) / (rows(b) - rows(a));
    if (time(a) + left * (meet - rows(a)) >= (1 - kLeastBend) * ((1 - t) * time(a) + t * time(b))) continue;
    const auto continued = [&](Figure MatmulPoint::*part) {
      const double rise = rising ? (a.*part).value - ((*before).*part).value : 0;
      Figure figure = a.*part;
      figure.value = std::max(0.0, figure.value + rise * (meet - rows(a)) / (rows(a) - rows(*before)));
      figure.provenance = Provenance::kInterpolated;
      return figure;
    };
    curve.points.push_back({m, continued(&MatmulPoint::fixed_ns), continued(&MatmulPoint::ns_per_weight)});
  }
  sort_points(curve);
}

// Matmuls as they cost: rows rounded up, those that this makes equal put together.
std::vector<OpTiming> staged_matmuls(const std::vector<OpTiming>& timings, std::int64_t stage) {
  std::vector<OpTiming> result;
  for (const OpTiming& t : timings) {
    if (t.op.kind != OpKind::kMatmul) continue;
    OpTiming rounded = t;
    rounded.op.m = round_up(t.op.m, stage);
    const auto same =
        std::find_if(result.begin(), result.end(), [&](const OpTiming& other) { return other.op == rounded.op; });
    if (same == result.end()) {
      result.push_back(rounded);
      continue;
    }
    const int count = same->ns.count + t.ns.count;
    same->ns.median = (same->ns.median * same->ns.count + t.ns.median * t.ns.count) / count;
    same->ns.mad = std::max(same->ns.mad, t.ns.mad);
    same->ns.count = count;
  }
  return result;
}

bool bears_out(const std::vector<OpTiming>& timings, std::int64_t stage) {
  std::map<std::string, std::vector<const OpTiming*>> equal;
  for (const OpTiming& t : timings) {
    if (t.op.kind != OpKind::kMatmul) continue;
    OpDesc rounded = t.op;
    rounded.m = round_up(rounded.m, stage);
    equal[canonical_text(rounded)].push_back(&t);
  }
  bool beyond_the_first = false;
  for (const auto& [text, list] : equal) {
    if (list.size() < 2) continue;
    for (const OpTiming* t : list) {
      // Both are off by their noise.
      const double limit = std::max(2 * kShapeNoise, std::sqrt(2.0) * noise_of(t->ns, list.front()->ns.mad));
      if (std::abs(t->ns.median / list.front()->ns.median - 1) > limit) return false;
    }
    beyond_the_first = beyond_the_first || parse_op_desc(text).m > stage;
  }
  return beyond_the_first;
}

}  // namespace

std::string source_text(int samples) { return std::to_string(samples) + (samples == 1 ? " sample" : " samples"); }

std::int64_t find_stage(const std::vector<OpTiming>& timings) {
  for (const std::int64_t stage : kStages) {
    if (bears_out(timings, stage)) return stage;
  }
  return 1;
}

std::vector<MatmulCurve> fit_matmul(const std::vector<OpTiming>& timings, std::int64_t stage) {
  const std::vector<OpTiming> matmuls = staged_matmuls(timings, stage);
  std::map<DType, ByRows> by_format;
  for (const OpTiming& t : matmuls) by_format[t.op.w][t.op.m].push_back(&t);
  std::vector<MatmulCurve> curves;
  for (const auto& [format, by_rows] : by_format) {
    MatmulCurve curve;
    curve.w = format;
    ByRows lines = by_rows;
    std::erase_if(lines, [](const auto& entry) { return !carries_a_line(entry.second); });
    if (lines.empty()) lines = by_rows;
    double weights = 0;
    for (const auto& [m, list] : lines) {
      fit_point(m, list, stage, curve);
      for (const OpTiming* t : list) weights = std::max(weights, weights_of(t->op, stage));
    }
    for (const auto& [m, list] : by_rows) {
      if (lines.contains(m)) continue;
      // Beyond the ends, one weight still knows more than the rates of its neighbour.
      const bool inside = m > lines.begin()->first && m < lines.rbegin()->first;
      if (inside) {
        add_bend(m, list, lines, curve);
      } else {
        fit_point(m, list, stage, curve);
      }
    }
    sort_points(curve);
    fit_factors(matmuls, stage, curve);
    smooth_dips(curve);
    add_knees(weights, curve);
    curves.push_back(std::move(curve));
  }
  return curves;
}

// The time at each number of rows: a line in the work of one row, through several widths (attention: contexts). Where
// one width was measured, the line of the nearest size where narrower and wider ones were, scaled; without such a size,
// what the line through all sizes calls fixed is fixed, and the rest that width's.
std::vector<MatmulPoint> op_points(const std::vector<const OpTiming*>& timings, const Line& whole, double spread,
                                   std::int64_t stage) {
  struct Rows {
    std::vector<Timing> timings;
    int samples = 0;
    bool several = false;
    Line line;
  };
  std::map<std::int64_t, Rows> by_rows;
  for (const OpTiming* t : timings) {
    const std::int64_t m = round_up(t->op.m, stage);
    Rows& rows = by_rows[m];
    rows.timings.push_back({work_of(t->op, stage) / static_cast<double>(m), t->ns.median});
    rows.several = rows.several || rows.timings.back().work != rows.timings.front().work;
    rows.samples += t->ns.count;
  }
  for (auto& [m, rows] : by_rows) rows.line = relative_least_squares(rows.timings);
  const auto nearest_with_several = [&](std::int64_t m, double work) -> const Line* {
    const auto within = [&](const Rows& rows) {
      const auto [low, high] = std::minmax_element(rows.timings.begin(), rows.timings.end(),
                                                   [](const Timing& a, const Timing& b) { return a.work < b.work; });
      return low->work < high->work && low->work <= work && work <= high->work;
    };
    const Line* nearest = nullptr;
    double least = 0;
    for (const auto& [other, rows] : by_rows) {
      const double distance = row_distance(other, m);
      if (!within(rows) || (nearest != nullptr && distance >= least)) continue;
      nearest = &rows.line;
      least = distance;
    }
    return nearest;
  };
  std::vector<MatmulPoint> points;
  for (const auto& [m, rows] : by_rows) {
    Line line = rows.line;
    if (!rows.several) {
      const double work = rows.timings.front().work;
      const double ns = rows.line.at(work);
      const Line* const like = nearest_with_several(m, work);
      line.fixed = like != nullptr ? like->fixed / like->at(work) * ns : std::min(whole.fixed, ns);
      line.per_unit = (ns - line.fixed) / work;
    }
    const std::string source = source_text(rows.samples);
    points.push_back({m,
                      {line.fixed, spread, Provenance::kMeasured, source},
                      {line.per_unit, spread, Provenance::kMeasured, source}});
  }
  return points;
}

std::vector<OpCurve> fit_ops(const std::vector<OpTiming>& timings, std::int64_t stage) {
  std::map<OpKind, std::vector<const OpTiming*>> by_kind;
  for (const OpTiming& t : timings) {
    if (t.op.kind != OpKind::kMatmul) by_kind[t.op.kind].push_back(&t);
  }
  std::vector<OpCurve> curves;
  for (const auto& [kind, list] : by_kind) {
    std::vector<Timing> points;
    std::vector<double> spreads;
    int samples = 0;
    for (const OpTiming* t : list) {
      points.push_back({work_of(t->op, stage), t->ns.median});
      spreads.push_back(t->ns.mad);
      samples += t->ns.count;
    }
    const Line line = relative_least_squares(points);
    const double spread = median_and_mad(spreads).median;
    curves.push_back({kind,
                      {line.fixed, spread, Provenance::kMeasured, source_text(samples)},
                      {line.per_unit, spread, Provenance::kMeasured, source_text(samples)},
                      op_points(list, line, spread, stage)});
  }
  // An addition reads two rows and writes one, as swiglu does; few runs measure it.
  const auto of = [&](OpKind kind) {
    return std::find_if(curves.begin(), curves.end(), [kind](const OpCurve& c) { return c.kind == kind; });
  };
  if (of(OpKind::kAdd) == curves.end() && of(OpKind::kSwiGlu) != curves.end()) {
    OpCurve add = *of(OpKind::kSwiGlu);
    add.kind = OpKind::kAdd;
    for (Figure* figure : {&add.fixed_ns, &add.ns_per_unit}) {
      figure->provenance = Provenance::kDerived;
      figure->source = "as swiglu";
    }
    for (MatmulPoint& point : add.points) {
      point.fixed_ns.provenance = point.ns_per_weight.provenance = Provenance::kDerived;
      point.fixed_ns.source = point.ns_per_weight.source = "as swiglu";
    }
    curves.push_back(add);
  }
  return curves;
}

}  // namespace hetero
