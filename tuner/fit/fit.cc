// Groups a device's trusted samples by subject, takes medians, and fits the profile to them.
// Does not measure, does not look at other devices' samples. Pure.
#include "tuner/fit/fit.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "profiles/cost_model.h"
#include "profiles/shape_choice.h"
#include "tuner/fit/curves.h"
#include "tuner/fit/held_out.h"
#include "tuner/fit/steps.h"

namespace hetero {
namespace {

using Key = std::pair<std::string, std::string>;  // subject, active_with

// One kind of sample: of times the fastest state's, of rates the median.
std::map<Key, Spread> summaries(const std::vector<const Sample*>& samples, SampleKind kind, double Sample::*field) {
  std::map<Key, std::vector<double>> values;
  for (const Sample* s : samples) {
    if (s->kind == kind && std::isfinite(s->*field) && s->*field > 0) {
      values[{s->subject, s->active_with}].push_back(s->*field);
    }
  }
  std::map<Key, Spread> result;
  for (auto& [key, list] : values) {
    result[key] = kind == SampleKind::kBandwidth ? median_and_mad(std::move(list)) : fastest_state(std::move(list));
  }
  return result;
}

Figure measured(const Spread& spread) {
  return {spread.median, spread.mad, Provenance::kMeasured, source_text(spread.count)};
}

std::vector<OpTiming> op_timings(const std::map<Key, Spread>& ops) {
  std::vector<OpTiming> timings;
  for (const auto& [key, spread] : ops) {
    if (key.second.empty()) timings.push_back({parse_op_desc(key.first), spread});
  }
  return timings;
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
    points.push_back({op.kind == OpKind::kMatmul ? static_cast<double>(op.n * op.k) : 0.0, spread.median});
    samples += spread.count;
  }
  if (points.empty()) return;
  const Line line = relative_least_squares(points);
  profile.graph_compile_fixed_ns = {line.fixed, 0, Provenance::kMeasured, source_text(samples)};
  profile.graph_compile_ns_per_weight = {line.per_unit, 0, Provenance::kMeasured, source_text(samples)};
}

// What the worse order of a matmul's operands costs, where both were timed. A shape that occurs in several formats
// counts as it does in the first.
std::vector<OrderFactor> fit_order_factors(const std::vector<const Sample*>& samples) {
  std::vector<Sample> timed;
  for (const Sample* s : samples) {
    if (s->kind == SampleKind::kVariant) timed.push_back(*s);
  }
  std::vector<OrderFactor> factors;
  for (const ShapeChoice& choice : shape_choices(timed)) {
    if (choice.variant != graph_matmul().id) continue;
    const auto [best, worst] =
        std::minmax_element(choice.timed.begin(), choice.timed.end(),
                            [](const TimedParams& a, const TimedParams& b) { return a.ns < b.ns; });
    const OrderFactor factor{choice.op.m,
                             choice.op.n,
                             choice.op.k,
                             order_of(worst->params),
                             {worst->ns / best->ns, 0, Provenance::kMeasured, source_text(worst->samples)}};
    const bool known = std::any_of(factors.begin(), factors.end(), [&](const OrderFactor& f) {
      return f.m == factor.m && f.n == factor.n && f.k == factor.k;
    });
    if (!known) factors.push_back(factor);
  }
  return factors;
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
    if (figure.provenance == Provenance::kMeasured || figure.provenance == Provenance::kInterpolated)
      figure.provenance = Provenance::kSimulated;
  };
  for (MatmulCurve& curve : profile.matmul) {
    for (MatmulPoint& point : curve.points) {
      relabel(point.fixed_ns);
      relabel(point.ns_per_weight);
    }
    for (ShapeFactor& shape : curve.shape_factors) relabel(shape.factor);
  }
  for (OrderFactor& entry : profile.order_factors) relabel(entry.factor);
  for (OpTrees& trees : profile.trees) relabel(trees.scale);
  for (OpCurve& curve : profile.ops) {
    relabel(curve.fixed_ns);
    relabel(curve.ns_per_unit);
    for (MatmulPoint& point : curve.points) {
      relabel(point.fixed_ns);
      relabel(point.ns_per_weight);
    }
  }
  for (auto* figures : {&profile.join_ns, &profile.bandwidth_together_gbps}) {
    for (auto& [name, figure] : *figures) relabel(figure);
  }
  for (Slowdown& slowdown : profile.slowdowns) {
    relabel(slowdown.decode);
    relabel(slowdown.prefill);
  }
  for (StepFactors& step : profile.steps) {
    for (StepFactors::Point& point : step.points) relabel(point.factor);
  }
  for (Figure* figure : {&profile.launch_ns, &profile.bandwidth_gbps, &profile.graph_compile_fixed_ns,
                         &profile.graph_compile_ns_per_weight}) {
    relabel(*figure);
  }
}

}  // namespace

DeviceProfile fit(const DeviceFacts& facts, const std::vector<Sample>& samples,
                  const std::map<std::string, ModelShape>& shapes) {
  std::vector<const Sample*> trusted;
  std::vector<const Sample*> not_supported;
  for (const Sample& s : samples) {
    if (s.device != facts.id || s.exact_fingerprint != facts.exact_fingerprint) continue;
    if (s.status == SampleStatus::kOk) trusted.push_back(&s);
    if (s.status == SampleStatus::kNotSupported) not_supported.push_back(&s);
  }
  const auto ops = summaries(trusted, SampleKind::kOp, &Sample::device_ns);
  const auto bandwidth = summaries(trusted, SampleKind::kBandwidth, &Sample::value);
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
  profile.stage = find_stage(timings);
  fit_costs(timings, profile);
  profile.order_factors = fit_order_factors(trusted);

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
  profile.slowdowns = fit_slowdowns(ops, summaries(trusted, SampleKind::kContention, &Sample::device_ns), bandwidth);
  fit_graph_compile(summaries(trusted, SampleKind::kGraphCompile, &Sample::compile_ns), profile);
  profile.steps = fit_steps(trusted, profile, shapes);
  refuse_if_incomplete(facts, profile, not_supported);
  if (facts.emulated) call_simulated(profile);
  return profile;
}

std::vector<HeldOutSlowdown> held_out_slowdowns(const std::string& device, const std::vector<Sample>& samples) {
  std::vector<const Sample*> trusted;
  for (const Sample& s : samples) trusted.push_back(&s);
  const auto ops = summaries(trusted, SampleKind::kOp, &Sample::device_ns);
  const auto contention = summaries(trusted, SampleKind::kContention, &Sample::device_ns);
  const auto bandwidth = summaries(trusted, SampleKind::kBandwidth, &Sample::value);
  std::vector<HeldOutSlowdown> result;
  for (const auto& [key, together] : contention) {
    const auto& [subject, with] = key;
    const auto loop = contention.find({subject, ""});
    const auto op = ops.find({subject, ""});
    if (with.empty() || (loop == contention.end() && op == ops.end())) continue;
    auto others = contention;
    others.erase(key);
    DeviceProfile profile;
    profile.device = device;
    profile.slowdowns = fit_slowdowns(ops, others, bandwidth);
    const Phase phase = parse_op_desc(subject).m == 1 ? Phase::kDecode : Phase::kPrefill;
    const double alone = loop != contention.end() ? loop->second.median : op->second.median;
    result.push_back({with, subject, std::max(1.0, together.median / alone),
                      CostModel({profile}).slowdown(device, split_ids(with), phase)});
  }
  return result;
}

}  // namespace hetero
