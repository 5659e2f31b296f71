#include "tuner/gate/pair_timing.h"

#include <algorithm>
#include <cmath>

#include "base/statistics.h"

namespace hetero {
namespace {

constexpr std::int64_t kDecodeSteps = 12;   // of one sample: a single token is at the mercy of one interrupt
constexpr std::int64_t kDecodePrompt = 32;  // so that attention has something to see
constexpr int kFewestRounds = 3;
// No clock and no machine is better than this, even where every sample was the same.
constexpr double kLeastNoise = 0.005;

}  // namespace

PairResult summarise(std::vector<double> first_ns, std::vector<double> second_ns) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < first_ns.size(); ++i) ratios.push_back(first_ns[i] / second_ns[i]);
  PairResult result;
  result.ratio = median_of(ratios);
  // Two standard errors of the median, from the MAD: 1.4826 makes it the deviation of a normal, 1.2533 is the median's
  // price over the mean.
  const double deviation = 1.4826 * mad_of(ratios);
  result.noise = std::max(kLeastNoise, 2 * 1.2533 * deviation / std::sqrt(static_cast<double>(ratios.size())));
  result.first_ns = std::move(first_ns);
  result.second_ns = std::move(second_ns);
  return result;
}

PairTimer::PairTimer(Engine& engine, std::int64_t rows) : engine_(engine), rows_(rows) {
  const std::int64_t count = std::max(rows, kDecodePrompt);
  const std::int64_t vocab = std::max<std::int64_t>(1, engine.graph().vocab);
  for (std::int64_t i = 0; i < count; ++i) tokens_.push_back(static_cast<TokenId>((7919 * i + 11) % vocab));
  engine_.reset();
}

void PairTimer::run_steps(std::int64_t steps) {
  for (std::int64_t i = 0; i < steps; ++i) {
    engine_.run(std::span(tokens_).first(static_cast<std::size_t>(rows_)), LogitsRows::kLast);
  }
}

std::int64_t PairTimer::steps() const { return rows_ == 1 ? std::min(kDecodeSteps, engine_.context()) : 1; }

void PairTimer::warm(const Plan& plan) {
  engine_.set_plan(plan);
  engine_.reset();
  if (rows_ == 1 && kDecodePrompt + 2 < engine_.context()) {
    // The cache outlives the change of plans: the pairs go on from here.
    engine_.run(std::span(tokens_).first(kDecodePrompt), LogitsRows::kNone);
  }
  run_steps(1);
}

double PairTimer::time(const Plan& plan) {
  engine_.set_plan(plan);
  if (rows_ > 1 || engine_.position() + steps() > engine_.context()) engine_.reset();
  engine_.warm_up(rows_, LogitsRows::kLast);
  const Timeline& timeline = engine_.executor().timeline();
  const Nanos start = timeline.now();
  run_steps(steps());
  return to_ns(timeline.now() - start) / static_cast<double>(steps());
}

Trace PairTimer::trace(const Plan& plan) {
  Trace trace;
  engine_.set_trace(&trace);
  try {
    time(plan);
  } catch (...) {
    engine_.set_trace(nullptr);
    throw;
  }
  engine_.set_trace(nullptr);
  return trace;
}

std::vector<std::vector<double>> PairTimer::turns(const std::vector<Plan>& plans, int rounds,
                                                  const std::function<bool()>& enough) {
  std::vector<std::vector<double>> times(plans.size());
  for (int round = 0; round < rounds && !(round >= kFewestRounds && enough()); ++round) {
    for (std::size_t i = 0; i < plans.size(); ++i) {
      const std::size_t turn = round % 2 == 0 ? i : plans.size() - 1 - i;
      times[turn].push_back(time(plans[turn]));
    }
  }
  return times;
}

PairResult PairTimer::pairs(const Plan& first, const Plan& second, int pairs, const std::function<bool()>& enough) {
  std::vector<std::vector<double>> times = turns({first, second}, pairs, enough);
  return summarise(std::move(times[0]), std::move(times[1]));
}

}  // namespace hetero
