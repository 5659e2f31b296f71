#include "tuner/gate/gate.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/statistics.h"
#include "tuner/gate/balance.h"
#include "tuner/gate/pair_timing.h"

namespace hetero {
namespace {

// Judged right after decode: what comes later may find the budget spent.
constexpr std::int64_t kTypicalPrefill = 256;
// Of what is left when its turn comes: longer prompts may inherit from it, and cost more than shorter ones.
constexpr double kTypicalPart = 0.5;
// Singles that are this close to the best one are timed again before one of them is called the best.
constexpr double kCloseSingles = 1.15;
constexpr std::int64_t kRowsToRankSingles = 64;
// Divisions race for so many rounds; the two in front once more, as a pair.
constexpr int kRaceRounds = 3;
// Of what there is for a bucket. What would take longer does not race: the solver's choice is judged.
constexpr double kRacePart = 0.5;
// The first move does most of it; the others correct its rounding.
constexpr int kMostMoves = 3;
// Of what is left for a bucket then; the rest judges it.
constexpr double kBalancePart = 0.5;

std::string percent(double fraction) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %%", 100 * fraction);
  return text;
}

// The device that runs every block alone; empty when the work is divided.
std::string alone_on(const PlanBucket& bucket) {
  std::string device;
  for (const BlockPlan& block : bucket.blocks) {
    if (block.strategy != Strategy::kSingle || block.features.size() != 1) return "";
    if (device.empty()) device = block.features[0].device;
    if (block.features[0].device != device) return "";
  }
  return device;
}

std::string label_of(const PlanBucket& bucket) {
  return bucket.phase == Phase::kDecode ? "decode" : "prefill " + std::to_string(bucket.tokens);
}

class Gate {
 public:
  Gate(Engine& engine, const Plan& candidate, const std::vector<Plan>& alternatives, const GateOptions& options,
       const GateHooks& hooks)
      : engine_(engine),
        timeline_(engine.executor().timeline()),
        alternatives_(alternatives),
        options_(options),
        hooks_(hooks),
        result_(candidate) {}

  Plan run() {
    const std::vector<std::size_t> order = judging_order();
    std::int64_t typical = 0;  // the first of the prompts
    for (const std::size_t i : order) {
      if (typical == 0 && result_.buckets[i].phase == Phase::kPrefill) typical = result_.buckets[i].tokens;
    }
    const Nanos begin = timeline_.now();
    for (std::size_t i = 0; i < order.size(); ++i) {
      PlanBucket& bucket = result_.buckets[order[i]];
      report(static_cast<double>(i) / static_cast<double>(order.size()), label_of(bucket));
      const double left = options_.budget_seconds - to_ns(timeline_.now() - begin) / 1e9;
      // Whatever it takes: without one verdict a phase, nothing would be divided.
      const bool owed = bucket.phase == Phase::kDecode || bucket.tokens == typical;
      if ((left <= 0 && !owed) || stopped()) continue;
      const double part = bucket.tokens == typical ? kTypicalPart : 1 / static_cast<double>(order.size() - i);
      judge(bucket, label_of(bucket), part * left);
    }
    for (std::size_t i = 0; i < order.size(); ++i) {
      const double left = options_.budget_seconds - to_ns(timeline_.now() - begin) / 1e9;
      if (left <= 0 || stopped()) break;
      retry(result_.buckets[order[i]], left / static_cast<double>(order.size() - i));
    }
    // No harm: what has not won does not run, unless it is much like what has.
    const auto open = [&](const PlanBucket& b) { return !b.verdict && !no_single_.contains(label_of(b)); };
    std::vector<std::optional<PlanBucket>> heirs;
    for (const PlanBucket& bucket : result_.buckets) heirs.push_back(open(bucket) ? inherited(bucket) : std::nullopt);
    for (std::size_t i = 0; i < heirs.size(); ++i) {
      PlanBucket& bucket = result_.buckets[i];
      if (heirs[i]) {
        bucket = *heirs[i];
      } else if (open(bucket)) {
        put_single(bucket, best_known(bucket.phase));
      }
    }
    engine_.set_plan(result_);
    report(1, "done");
    return result_;
  }

 private:
  std::vector<std::size_t> judging_order() const {
    std::vector<std::size_t> order(result_.buckets.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    const auto rank = [&](std::size_t i) -> std::int64_t {
      const PlanBucket& b = result_.buckets[i];
      return b.phase == Phase::kDecode ? -1 : std::llabs(b.tokens - kTypicalPrefill);
    };
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return rank(a) < rank(b); });
    return order;
  }

  bool stopped() const { return hooks_.stop && hooks_.stop(); }
  void report(double fraction, const std::string& now) const {
    if (hooks_.progress) hooks_.progress(fraction, "gate: " + now);
  }

  const DeviceFacts& facts(const std::string& id) const {
    for (const Device* device : engine_.executor().devices()) {
      if (device->facts().id == id) return device->facts();
    }
    throw input_error("the plan names device '" + id + "', which is not open", "name it in --devices");
  }

  // The bucket as the only one of its phase, so that a smaller number of rows is run under it too.
  Plan plan_of(const PlanBucket& bucket) const {
    Plan plan = result_;
    std::erase_if(plan.buckets, [&](const PlanBucket& b) { return b.phase == bucket.phase; });
    plan.buckets.push_back(bucket);
    return plan;
  }
  Plan single_plan(const std::string& device) const {
    Plan plan = single_device_plan(device, "single");
    plan.waiters = result_.waiters;
    return plan;
  }

  struct Single {
    std::string device;
    double step_ns = 0;
  };

  // The fastest device that can do it alone. `device` is empty when none can.
  Single best_single(PairTimer& timer) const {
    std::vector<Single> singles;
    for (const Device* device : engine_.executor().devices()) {
      const std::string& id = device->facts().id;
      try {
        timer.warm(single_plan(id));
        const double first = timer.time(single_plan(id));
        singles.push_back({id, std::min(first, timer.time(single_plan(id)))});  // an interruption only adds
      } catch (const Error&) {
        continue;  // a static device without a graph for this, or without room: it is no alternative
      }
    }
    if (singles.empty()) return {};
    const auto faster = [](const Single& a, const Single& b) { return a.step_ns < b.step_ns; };
    const double best = std::min_element(singles.begin(), singles.end(), faster)->step_ns;
    // Those that are close: once more, in turn.
    if (std::count_if(singles.begin(), singles.end(),
                      [&](const Single& s) { return s.step_ns < kCloseSingles * best; }) > 1) {
      for (Single& s : singles) {
        if (s.step_ns >= kCloseSingles * best) continue;
        s.step_ns = std::min(s.step_ns, timer.time(single_plan(s.device)));
      }
    }
    return *std::min_element(singles.begin(), singles.end(), faster);
  }

  // `name` of the bucket in samples.
  void judge(PlanBucket& bucket, const std::string& name, double seconds) {
    const Nanos begin = timeline_.now();
    const auto spent = [&] { return to_ns(timeline_.now() - begin) / 1e9; };
    const std::int64_t rows = bucket.phase == Phase::kDecode ? 1 : std::min(bucket.tokens, engine_.context());
    // A few rows tell which device is the fastest alone; the slowest of them would spend the budget on many.
    const std::int64_t few_rows = std::min(rows, kRowsToRankSingles);
    PairTimer few(engine_, few_rows);
    Single single = best_single(few);
    single.step_ns *= static_cast<double>(rows) / static_cast<double>(few_rows);
    if (single.device.empty()) {  // nothing to compare with, and nothing to fall back on: the candidate stays
      no_single_.insert(label_of(bucket));
      return;
    }
    best_[bucket.phase] = single.device;

    PairTimer timer(engine_, rows);
    const double all_seconds = 2.0 * (options_.pairs + 1) * static_cast<double>(timer.steps()) * single.step_ns / 1e9;
    if (rows > options_.max_prefill && all_seconds > seconds - spent()) return;  // inherits
    PlanBucket::Verdict verdict;
    verdict.best_single = single.device;
    try {
      race(bucket, timer, single.step_ns, kRacePart * (seconds - spent()));
      if (alone_on(bucket) == single.device) {
        verdict.plan_over_single = 1;
        verdict.reason = single.device + " alone is what the solver chose, and the fastest device alone";
        bucket.verdict = verdict;
        return;
      }
      const Plan alone = single_plan(single.device);
      timer.warm(alone);
      timer.warm(plan_of(bucket));
      const double balance_until = spent() + kBalancePart * (seconds - spent());
      balance(bucket, timer, [&] { return spent() > balance_until || stopped(); });
      const PairResult pairs =
          timer.pairs(plan_of(bucket), alone, options_.pairs, [&] { return spent() > seconds || stopped(); });
      store(bucket, name, rows, single.device, pairs);
      verdict.plan_over_single = pairs.ratio;
      verdict.noise = pairs.noise;
      verdict.adopted = pairs.ratio < 1 - pairs.noise;
      verdict.reason = sentence(verdict, bucket, rows, pairs.first_ns.size());
    } catch (const Error& error) {
      verdict.reason = std::string("the plan could not run: ") + error.what();
    }
    if (!verdict.adopted) put_single(bucket, single.device);
    bucket.verdict = verdict;
  }

  // What else the bucket could be, the candidate's division first, each only once.
  std::vector<PlanBucket> field_of(const PlanBucket& bucket) const {
    const auto same = [](const PlanBucket& a, const PlanBucket& b) {
      return std::equal(a.blocks.begin(), a.blocks.end(), b.blocks.begin(), b.blocks.end(),
                        [](const BlockPlan& x, const BlockPlan& y) {
                          return x.block == y.block && x.layer == y.layer && x.strategy == y.strategy &&
                                 x.features == y.features && x.rows == y.rows;
                        });
    };
    std::vector<PlanBucket> field = {bucket};
    for (const Plan& plan : alternatives_) {
      for (const PlanBucket& other : plan.buckets) {
        if (other.phase != bucket.phase || other.tokens != bucket.tokens || !alone_on(other).empty()) continue;
        const bool known = std::any_of(field.begin(), field.end(), [&](const PlanBucket& b) { return same(b, other); });
        if (!known) field.push_back(other);
      }
    }
    return field;
  }

  // Puts the fastest of the alternatives into the bucket, if it is faster by more than the noise and `seconds` are
  // enough for a race. `step_ns`: of a single device, which none should exceed by much.
  void race(PlanBucket& bucket, PairTimer& timer, double step_ns, double seconds) const {
    std::vector<PlanBucket> field = field_of(bucket);
    const double rounds = 1 + kRaceRounds;  // one to warm up
    if (field.size() < 2 || stopped()) return;
    const double steps =
        static_cast<double>(timer.steps()) * (rounds * static_cast<double>(field.size()) + 2.0 * options_.pairs);
    if (steps * step_ns / 1e9 > seconds) return;
    const Nanos begin = timeline_.now();
    const auto late = [&] { return stopped() || to_ns(timeline_.now() - begin) / 1e9 > seconds; };
    std::vector<Plan> plans;
    std::erase_if(field, [&](const PlanBucket& b) {
      if (!plans.empty() && late()) return true;  // packing weights anew for each may take long
      try {
        timer.warm(plan_of(b));
      } catch (const Error&) {
        return true;  // a device refuses it; if that was the solver's choice, another one has its place
      }
      plans.push_back(plan_of(b));
      return false;
    });
    if (field.empty()) return;
    const std::vector<std::vector<double>> times = timer.turns(plans, kRaceRounds, late);
    // Over the round's mean: what happened to the machine in a round happened to all.
    std::vector<std::pair<double, std::size_t>> ranking;
    for (std::size_t i = 0; i < plans.size(); ++i) {
      std::vector<double> relative;
      for (std::size_t round = 0; round < times[i].size(); ++round) {
        double mean = 0;
        for (const auto& of_plan : times) mean += of_plan[round] / static_cast<double>(plans.size());
        relative.push_back(times[i][round] / mean);
      }
      ranking.emplace_back(median_of(relative), i);
    }
    // The solver's choice keeps a draw: two runs on one machine should not differ by the noise of a race.
    const auto best = std::min_element(ranking.begin(), ranking.end());
    std::size_t winner = 0;
    if (best->second != winner) {
      const PairResult pairs = timer.pairs(plans[best->second], plans[winner], options_.pairs, late);
      if (pairs.ratio < 1 - pairs.noise) winner = best->second;
    }
    bucket = std::move(field[winner]);
  }

  // Moves the bucket's shares to where the executor saw devices wait for each other, as long as that is faster.
  void balance(PlanBucket& bucket, PairTimer& timer, const std::function<bool()>& enough) const {
    std::set<std::string> whole_graphs;
    for (const Device* device : engine_.executor().devices()) {
      if (!device->facts().standard_sizes.empty()) whole_graphs.insert(device->facts().id);
    }
    for (int move = 0; move < kMostMoves && !enough(); ++move) {
      const std::optional<PlanBucket> moved = balanced(bucket, timer.trace(plan_of(bucket)), whole_graphs);
      if (!moved) return;
      timer.warm(plan_of(*moved));
      if (timer.pairs(plan_of(*moved), plan_of(bucket), options_.pairs, enough).ratio >= 1) return;
      bucket = *moved;
    }
  }

  // The judged prefill bucket whose length is the nearest by ratio, of those that are `wanted`; null when there is
  // none.
  const PlanBucket* nearest(const PlanBucket& bucket, const std::function<bool(const PlanBucket&)>& wanted) const {
    const auto distance = [&](const PlanBucket& b) { return row_distance(b.tokens, bucket.tokens); };
    const PlanBucket* nearest = nullptr;
    for (const PlanBucket& b : result_.buckets) {
      if (b.phase != Phase::kPrefill || !b.verdict || !wanted(b)) continue;
      if (nearest == nullptr || distance(b) < distance(*nearest)) nearest = &b;
    }
    return nearest;
  }

  // A prompt length whose division lost has another chance with what won for its neighbour: the prediction was wrong,
  // or the machine was disturbed while it was judged.
  void retry(PlanBucket& bucket, double seconds) {
    if (bucket.phase != Phase::kPrefill || !bucket.verdict || bucket.verdict->adopted) return;
    const PlanBucket* const neighbour = nearest(bucket, [](const PlanBucket& b) { return b.verdict->adopted; });
    if (neighbour == nullptr) return;
    report(1, label_of(bucket) + " as " + label_of(*neighbour));
    PlanBucket again = bucket;
    again.blocks = neighbour->blocks;
    again.predicted_ns = 0;
    again.verdict.reset();
    judge(again, label_of(bucket) + " again", seconds);
    if (!again.verdict || !again.verdict->adopted) return;
    again.verdict->reason += "; divided as " + label_of(*neighbour);
    bucket = std::move(again);
  }

  // A prompt that there was no time for: what won for its neighbour, at least half as long or any shorter one of the
  // typical length or more, is right for it too, or nearly; so is that of one four times as long where the solver would
  // divide this one too. Nothing when there is no such neighbour.
  std::optional<PlanBucket> inherited(const PlanBucket& bucket) const {
    if (bucket.phase != Phase::kPrefill) return std::nullopt;
    const PlanBucket* const neighbour = nearest(bucket, [&](const PlanBucket& b) {
      const std::int64_t times = alone_on(bucket).empty() ? 4 : 2;
      return b.tokens <= times * bucket.tokens && b.tokens >= std::min(bucket.tokens, options_.max_prefill);
    });
    if (neighbour == nullptr || !neighbour->verdict->adopted) return std::nullopt;
    PlanBucket heir = bucket;
    heir.blocks = neighbour->blocks;
    heir.predicted_ns = 0;  // that was of another division
    heir.verdict = neighbour->verdict;
    heir.verdict->reason = "divided as " + label_of(*neighbour) + ", where " + neighbour->verdict->reason +
                           "; the budget was too short to time this length";
    return heir;
  }

  static std::string sentence(const PlanBucket::Verdict& v, const PlanBucket& bucket, std::int64_t rows,
                              std::size_t pairs) {
    const std::string where = bucket.phase == Phase::kPrefill && rows != bucket.tokens
                                  ? " (judged at " + std::to_string(rows) + " rows)"
                                  : "";
    const std::string times = v.plan_over_single < 1 ? percent(1 / v.plan_over_single - 1) + " faster"
                                                     : percent(v.plan_over_single - 1) + " slower";
    const std::string tail = "; noise " + percent(v.noise) + ", " + std::to_string(pairs) + " pairs" + where;
    if (v.adopted) return "the plan is " + times + " than " + v.best_single + " alone" + tail;
    if (v.plan_over_single < 1) {
      return "the plan is " + times + " than " + v.best_single + " alone, which is within the noise" + tail;
    }
    return v.best_single + " alone stays: the plan is " + times + tail;
  }

  void put_single(PlanBucket& bucket, const std::string& device) {
    if (alone_on(bucket) == device) return;
    const Plan single = single_device_plan(device, "single");
    const PlanBucket* from = bucket_for(single, bucket.phase, bucket.tokens);
    bucket.blocks = from != nullptr ? from->blocks : single.buckets.front().blocks;
    bucket.predicted_ns = 0;  // the candidate's prediction is not the single device's
    if (std::find(result_.devices.begin(), result_.devices.end(), device) == result_.devices.end()) {
      result_.devices.push_back(device);
      result_.device_fingerprints[device] = facts(device).exact_fingerprint;
    }
  }

  std::string best_known(Phase phase) const {
    if (const auto found = best_.find(phase); found != best_.end()) return found->second;
    // Nothing was judged: the device that leads the plan, if it takes any number of rows.
    for (const std::string& id : result_.devices) {
      if (facts(id).standard_sizes.empty()) return id;
    }
    return result_.devices.front();
  }

  void store(const PlanBucket& bucket, const std::string& name, std::int64_t rows, const std::string& single,
             const PairResult& pairs) const {
    if (!hooks_.store) return;
    std::string others;
    for (const std::string& id : result_.devices) {
      if (id != result_.devices.front()) others += (others.empty() ? "" : "+") + id;
    }
    std::vector<Sample> samples;
    // A candidate that loses leaves the plan; its prediction stays here, beside what was measured.
    const bool predicted = bucket.predicted_ns > 0 && (bucket.phase == Phase::kDecode || rows == bucket.tokens);
    const auto add = [&](bool with_prediction, const std::string& subject, const std::string& device,
                         const std::string& with, double ns, std::size_t round) {
      Sample s;
      s.kind = SampleKind::kGate;
      s.device = device;
      s.exact_fingerprint = facts(device).exact_fingerprint;
      s.subject = subject;
      s.active_with = with;
      s.params["rows"] = rows;
      if (with_prediction) s.params["predicted_ns"] = std::llround(bucket.predicted_ns);
      s.device_ns = ns;
      s.value = static_cast<double>(rows) / ns * 1e9;  // tokens per second
      s.round = static_cast<int>(round);
      samples.push_back(std::move(s));
    };
    for (std::size_t i = 0; i < pairs.first_ns.size(); ++i) {
      add(predicted, name + " plan", result_.devices.front(), others, pairs.first_ns[i], i);
      add(false, name + " single", single, "", pairs.second_ns[i], i);
    }
    hooks_.store(samples);
  }

  Engine& engine_;
  Timeline& timeline_;
  const std::vector<Plan>& alternatives_;
  const GateOptions& options_;
  const GateHooks& hooks_;
  Plan result_;
  std::map<Phase, std::string> best_;  // the best single device of the bucket judged last
  std::set<std::string> no_single_;    // buckets that no device can do alone
};

}  // namespace

Plan gate(Engine& engine, const Plan& candidate, const std::vector<Plan>& alternatives, const GateOptions& options,
          const GateHooks& hooks) {
  return Gate(engine, candidate, alternatives, options, hooks).run();
}

}  // namespace hetero
