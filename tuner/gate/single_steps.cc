#include "tuner/gate/single_steps.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "tuner/gate/pair_timing.h"

namespace hetero {
namespace {

constexpr int kLeastRounds = 2;

class SingleSteps {
 public:
  SingleSteps(Engine& engine, const std::string& model, const SingleStepOptions& options, const GateHooks& hooks)
      : engine_(engine),
        timeline_(engine.executor().timeline()),
        model_(model),
        options_(options),
        hooks_(hooks),
        begin_(timeline_.now()) {}

  void run() {
    take_turns({1, options_.rows});
    for (const std::int64_t rows : options_.further_rows) take_turns({rows});
  }

 private:
  void take_turns(const std::vector<std::int64_t>& lengths) {
    for (int round = 0; round < options_.rounds; ++round) {
      for (const std::int64_t rows : lengths) {
        for (const Device* device : engine_.executor().devices()) {
          if (hooks_.stop && hooks_.stop()) return;
          if (rows <= engine_.context()) time(device->facts(), rows, round);
        }
      }
    }
  }

  double spent() const { return to_ns(timeline_.now() - begin_) / 1e9; }

  void time(const DeviceFacts& device, std::int64_t rows, int round) {
    const auto have = options_.have.find({device.id, rows});
    if (have != options_.have.end() && round < have->second) return;
    if (refused_.contains({device.id, rows})) return;
    const bool first = !warm_.contains({device.id, rows});
    PairTimer timer(engine_, rows);
    const double expected = (first ? 2 : 1) * seconds_[device.id] * static_cast<double>(rows * timer.steps());
    const bool must = round < kLeastRounds && (rows == 1 || rows == options_.rows);
    if (!must && spent() + expected > options_.budget_seconds) return;
    if (hooks_.progress) hooks_.progress(spent() / options_.budget_seconds, "steps of " + device.id);
    const Plan plan = single_device_plan(device.id, "single");
    try {
      if (first) timer.warm(plan);  // packs weights; whatever is touched for the first time
      warm_.insert({device.id, rows});
      Sample s;
      s.kind = SampleKind::kStep;
      s.device = device.id;
      s.exact_fingerprint = device.exact_fingerprint;
      s.subject = step_subject(model_);
      s.device_ns = timer.time(plan);
      s.params = {{"rows", rows}, {"context", engine_.position()}};
      s.value = static_cast<double>(rows) / s.device_ns * 1e9;  // tokens per second
      s.round = round;
      seconds_[device.id] = s.device_ns / 1e9 / static_cast<double>(rows);
      if (hooks_.store) hooks_.store({s});
    } catch (const Error&) {
      refused_.insert({device.id, rows});  // a static device without a graph for this, or without room
    }
  }

  Engine& engine_;
  Timeline& timeline_;
  const std::string& model_;
  const SingleStepOptions& options_;
  const GateHooks& hooks_;
  Nanos begin_;
  std::map<std::string, double> seconds_;  // a row took last time, by device
  std::set<std::pair<std::string, std::int64_t>> warm_, refused_;
};

}  // namespace

void time_single_steps(Engine& engine, const std::string& model, const SingleStepOptions& options,
                       const GateHooks& hooks) {
  SingleSteps(engine, model, options, hooks).run();
}

}  // namespace hetero
