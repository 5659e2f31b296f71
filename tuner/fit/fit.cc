// Groups a device's trusted samples by subject, takes medians, and fits the curves of the profile to them.
// Does not measure, does not look at other devices' samples. Pure.
#include "tuner/fit/fit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "tuner/fit/regression.h"

namespace hetero {
namespace {

constexpr double kShapeNoise = 0.02;  // departures from the line below this are not worth an entry

using Key = std::pair<std::string, std::string>;  // subject, active_with

// The medians of one kind of sample.
std::map<Key, Spread> medians(const std::vector<const Sample*>& samples, SampleKind kind, double Sample::*field) {
  std::map<Key, std::vector<double>> values;
  for (const Sample* s : samples) {
    if (s->kind == kind && std::isfinite(s->*field) && s->*field > 0) {
      values[{s->subject, s->active_with}].push_back(s->*field);
    }
  }
  std::map<Key, Spread> result;
  for (auto& [key, list] : values) result[key] = median_and_mad(std::move(list));
  return result;
}

std::string source_text(int samples) { return std::to_string(samples) + (samples == 1 ? " sample" : " samples"); }

Figure measured(const Spread& spread) {
  return {spread.median, spread.mad, Provenance::kMeasured, source_text(spread.count)};
}

// One measured op.
struct OpTiming {
  OpDesc op;
  Spread ns;
};

std::vector<OpTiming> op_timings(const std::map<Key, Spread>& ops) {
  std::vector<OpTiming> timings;
  for (const auto& [key, spread] : ops) {
    if (key.second.empty()) timings.push_back({parse_op_desc(key.first), spread});
  }
  return timings;
}

// What a median of samples with this spread may be off by: four standard errors of a median of normal noise (sigma =
// 1.4826 MAD, error = 1.2533 sigma / sqrt(count)). The MAD of a few samples is itself uncertain, so that of the
// neighbouring subjects counts as well when it is larger. Four, since dozens of shapes are compared: three would give
// one of them a factor by chance.
double noise_of(const Spread& spread, double usual_mad) {
  return 4 * 1.4826 * 1.2533 * std::max(spread.mad, usual_mad) / std::sqrt(std::max(1, spread.count));
}

double weights_of(const OpDesc& op) { return static_cast<double>(op.n) * static_cast<double>(op.k); }

// The line of one (format, m), and the shapes that depart from it.
void fit_point(std::int64_t m, const std::vector<const OpTiming*>& timings, MatmulCurve& curve) {
  std::vector<Timing> all;
  for (const OpTiming* t : timings) all.push_back({weights_of(t->op), t->ns.median});
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
  for (std::size_t i = 0; i < all.size(); ++i) {
    const double factor = all[i].ns / line.at(all[i].work);
    if (std::abs(factor - 1) <= std::max(kShapeNoise, noise_of(timings[i]->ns, spread))) continue;
    const OpDesc& op = timings[i]->op;
    curve.shape_factors.push_back(
        {m, op.n, op.k, {factor, timings[i]->ns.mad, Provenance::kMeasured, source_text(timings[i]->ns.count)}});
  }
}

// A shape that has a factor at one m needs one at every m where it was measured: between entries the cost model
// interpolates, and beyond them it keeps the nearest, so a missing 1 would be taken for the neighbour's factor.
void complete_factors(const std::vector<OpTiming>& timings, MatmulCurve& curve) {
  std::set<std::pair<std::int64_t, std::int64_t>> shapes;
  std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> present;
  for (const ShapeFactor& f : curve.shape_factors) {
    shapes.insert({f.n, f.k});
    present.insert({f.m, f.n, f.k});
  }
  for (const OpTiming& t : timings) {
    if (t.op.w != curve.w || !shapes.contains({t.op.n, t.op.k})) continue;
    if (!present.insert({t.op.m, t.op.n, t.op.k}).second) continue;
    const auto point =
        std::find_if(curve.points.begin(), curve.points.end(), [&](const MatmulPoint& p) { return p.m == t.op.m; });
    const Line line{point->fixed_ns.value, point->ns_per_weight.value};
    curve.shape_factors.push_back(
        {t.op.m,
         t.op.n,
         t.op.k,
         {t.ns.median / line.at(weights_of(t.op)), t.ns.mad, Provenance::kMeasured, source_text(t.ns.count)}});
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

std::vector<MatmulCurve> fit_matmul(const std::vector<OpTiming>& timings) {
  std::map<DType, std::map<std::int64_t, std::vector<const OpTiming*>>> by_format;
  for (const OpTiming& t : timings) {
    if (t.op.kind == OpKind::kMatmul) by_format[t.op.w][t.op.m].push_back(&t);
  }
  std::vector<OpTiming> matmuls;
  std::copy_if(timings.begin(), timings.end(), std::back_inserter(matmuls),
               [](const OpTiming& t) { return t.op.kind == OpKind::kMatmul; });
  std::vector<MatmulCurve> curves;
  for (const auto& [format, by_m] : by_format) {
    MatmulCurve curve;
    curve.w = format;
    for (const auto& [m, list] : by_m) fit_point(m, list, curve);
    complete_factors(matmuls, curve);
    smooth_dips(curve);
    curves.push_back(std::move(curve));
  }
  return curves;
}

// The unit of an OpCurve: see profiles/device_profile.h.
double work_of(const OpDesc& op) {
  if (op.kind != OpKind::kAttention) return static_cast<double>(op.m) * static_cast<double>(op.n);
  const double rows = static_cast<double>(op.m);
  const double context = static_cast<double>(std::max(op.context, op.m));
  const double pairs = rows * context - rows * (rows - 1) / 2;  // causal: row i sees context - m + 1 + i
  return 2.0 * static_cast<double>(op.heads * op.head_dim) * pairs;
}

std::vector<OpCurve> fit_ops(const std::vector<OpTiming>& timings) {
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
      points.push_back({work_of(t->op), t->ns.median});
      spreads.push_back(t->ns.mad);
      samples += t->ns.count;
    }
    const Line line = relative_least_squares(points);
    const double spread = median_and_mad(spreads).median;
    curves.push_back({kind,
                      {line.fixed, spread, Provenance::kMeasured, source_text(samples)},
                      {line.per_unit, spread, Provenance::kMeasured, source_text(samples)}});
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
    curves.push_back(add);
  }
  return curves;
}

std::vector<std::string> split_ids(const std::string& joined) {
  std::vector<std::string> ids;
  std::stringstream stream(joined);
  for (std::string id; std::getline(stream, id, '+');) ids.push_back(id);
  std::sort(ids.begin(), ids.end());
  return ids;
}

Figure not_slower() { return {1.0, 0, Provenance::kAssumed, "not measured"}; }

// Times together over times alone, per set of other devices and phase. Where a phase was not measured: decode streams
// weights, so its slowdown is that of the bandwidth; arithmetic is assumed not to be slowed down.
std::vector<Slowdown> fit_slowdowns(const std::map<Key, Spread>& ops, const std::map<Key, Spread>& contention,
                                    const std::map<Key, Spread>& bandwidth) {
  struct Ratios {
    std::vector<double> decode, prefill;
  };
  std::map<std::string, Ratios> by_set;
  for (const auto& [key, together] : contention) {
    const auto& [subject, with] = key;
    if (with.empty()) continue;
    // The same loop without company, if it was run; else the op by itself.
    const auto loop = contention.find({subject, ""});
    const auto op = ops.find({subject, ""});
    if (loop == contention.end() && op == ops.end()) continue;
    const double alone = loop != contention.end() ? loop->second.median : op->second.median;
    const double ratio = std::max(1.0, together.median / alone);
    Ratios& ratios = by_set[with];
    (parse_op_desc(subject).m == 1 ? ratios.decode : ratios.prefill).push_back(ratio);
  }
  const auto alone = bandwidth.find({"stream", ""});
  for (const auto& [key, together] : bandwidth) {
    if (!key.second.empty() && alone != bandwidth.end()) by_set[key.second];
  }
  std::vector<Slowdown> slowdowns;
  for (const auto& [with, ratios] : by_set) {
    Slowdown slowdown{split_ids(with), not_slower(), not_slower()};
    const auto together = bandwidth.find({"stream", with});
    if (!ratios.decode.empty()) {
      slowdown.decode = measured(median_and_mad(ratios.decode));
    } else if (together != bandwidth.end() && alone != bandwidth.end()) {
      slowdown.decode = {std::max(1.0, alone->second.median / together->second.median),
                         alone->second.mad + together->second.mad, Provenance::kDerived, "bandwidth alone / together"};
    }
    if (!ratios.prefill.empty()) slowdown.prefill = measured(median_and_mad(ratios.prefill));
    slowdowns.push_back(std::move(slowdown));
  }
  return slowdowns;
}

// Graph compile time against the number of weights.
void fit_graph_compile(const std::map<Key, Spread>& compile, DeviceProfile& profile) {
  std::vector<Timing> points;
  int samples = 0;
  for (const auto& [key, spread] : compile) {
    const OpDesc op = parse_op_desc(key.first);
    points.push_back({op.kind == OpKind::kMatmul ? weights_of(op) : 0.0, spread.median});
    samples += spread.count;
  }
  if (points.empty()) return;
  const Line line = relative_least_squares(points);
  profile.graph_compile_fixed_ns = {line.fixed, 0, Provenance::kMeasured, source_text(samples)};
  profile.graph_compile_ns_per_weight = {line.per_unit, 0, Provenance::kMeasured, source_text(samples)};
}

void refuse_if_incomplete(const DeviceFacts& facts, const DeviceProfile& profile,
                          const std::vector<const Sample*>& not_supported) {
  std::vector<std::string> missing;
  if (profile.matmul.empty()) missing.emplace_back("matmul");
  for (const OpKind kind : {OpKind::kRmsNorm, OpKind::kRope, OpKind::kAttention, OpKind::kSwiGlu}) {
    const bool have = std::any_of(profile.ops.begin(), profile.ops.end(),
                                  [kind](const OpCurve& curve) { return curve.kind == kind; });
    // What the device cannot do is no gap: the solver keeps such blocks away from it.
    const bool cannot = std::any_of(not_supported.begin(), not_supported.end(), [kind](const Sample* s) {
      return s->kind == SampleKind::kOp && s->subject.starts_with(name_of(kind));
    });
    if (!have && !cannot) missing.emplace_back(name_of(kind));
  }
  if (profile.launch_ns.provenance != Provenance::kMeasured) missing.emplace_back("launch");
  if (profile.join_ns.empty()) missing.emplace_back("join");
  if (missing.empty()) return;
  std::string list;
  for (const std::string& name : missing) list += (list.empty() ? "" : ", ") + name;
  throw input_error("too few samples of " + facts.id + " to fit a profile: nothing of " + list,
                    "raise --budget: 'hetero-tune run' goes on where it was");
}

// An emulated device takes the times of a profile: what was timed there is a simulation's.
void call_simulated(DeviceProfile& profile) {
  const auto relabel = [](Figure& figure) {
    if (figure.provenance == Provenance::kMeasured) figure.provenance = Provenance::kSimulated;
  };
  for (MatmulCurve& curve : profile.matmul) {
    for (MatmulPoint& point : curve.points) {
      relabel(point.fixed_ns);
      relabel(point.ns_per_weight);
    }
    for (ShapeFactor& shape : curve.shape_factors) relabel(shape.factor);
  }
  for (OpCurve& curve : profile.ops) {
    relabel(curve.fixed_ns);
    relabel(curve.ns_per_unit);
  }
  for (auto* figures : {&profile.join_ns, &profile.bandwidth_together_gbps}) {
    for (auto& [name, figure] : *figures) relabel(figure);
  }
  for (Slowdown& slowdown : profile.slowdowns) {
    relabel(slowdown.decode);
    relabel(slowdown.prefill);
  }
  for (Figure* figure : {&profile.launch_ns, &profile.bandwidth_gbps, &profile.graph_compile_fixed_ns,
                         &profile.graph_compile_ns_per_weight}) {
    relabel(*figure);
  }
}

}  // namespace

DeviceProfile fit(const DeviceFacts& facts, const std::vector<Sample>& samples) {
  std::vector<const Sample*> trusted;
  std::vector<const Sample*> not_supported;
  for (const Sample& s : samples) {
    if (s.device != facts.id || s.exact_fingerprint != facts.exact_fingerprint) continue;
    if (s.status == SampleStatus::kOk) trusted.push_back(&s);
    if (s.status == SampleStatus::kNotSupported) not_supported.push_back(&s);
  }
  const auto ops = medians(trusted, SampleKind::kOp, &Sample::device_ns);
  const auto bandwidth = medians(trusted, SampleKind::kBandwidth, &Sample::value);
  const std::vector<OpTiming> timings = op_timings(ops);

  DeviceProfile profile;
  profile.device = facts.id;
  profile.kind = name_of(facts.kind);
  profile.name = facts.name;
  profile.driver = facts.driver;
  profile.exact_fingerprint = facts.exact_fingerprint;
  profile.family_fingerprint = facts.family_fingerprint;
  profile.standard_sizes = facts.standard_sizes;
  profile.feature_align = facts.feature_align;
  profile.memory_bytes = facts.memory_bytes;
  profile.matmul = fit_matmul(timings);
  profile.ops = fit_ops(timings);

  std::vector<double> launches;
  for (const Sample* s : trusted) {
    if (s->kind == SampleKind::kLaunch && s->launch_ns >= 0) launches.push_back(s->launch_ns);
  }
  if (!launches.empty()) profile.launch_ns = measured(median_and_mad(launches));
  std::map<std::string, std::vector<double>> joins;
  for (const Sample* s : trusted) {
    if (s->kind != SampleKind::kJoin || s->join_ns < 0) continue;
    joins[s->subject.starts_with("join ") ? s->subject.substr(5) : s->subject].push_back(s->join_ns);
  }
  for (auto& [waiter, values] : joins) profile.join_ns[waiter] = measured(median_and_mad(std::move(values)));

  for (const auto& [key, spread] : bandwidth) {
    if (key.first != "stream") continue;
    if (key.second.empty()) {
      profile.bandwidth_gbps = measured(spread);
    } else if (key.second.find('+') == std::string::npos) {
      profile.bandwidth_together_gbps[key.second] = measured(spread);
    }
  }
  profile.slowdowns = fit_slowdowns(ops, medians(trusted, SampleKind::kContention, &Sample::device_ns), bandwidth);
  fit_graph_compile(medians(trusted, SampleKind::kGraphCompile, &Sample::compile_ns), profile);
  refuse_if_incomplete(facts, profile, not_supported);
  if (facts.emulated) call_simulated(profile);
  return profile;
}

}  // namespace hetero
