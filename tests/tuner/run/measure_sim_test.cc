// The measuring protocol on simulated devices and a virtual timeline: a closed loop, since the times are known.
#include <gtest/gtest.h>

#include <map>

#include "profiles/cost_model.h"
#include "tests/tuner/run/run_fixture.h"
#include "tuner/measure/measure.h"

namespace hetero {
namespace {

using namespace testing_sim;
using testing_run::small_shape;

struct Measured {
  std::vector<Sample> samples;
  MeasureOutcome outcome = MeasureOutcome::kComplete;
};

MeasureOptions small_options() {
  MeasureOptions options;
  options.buckets = {1, 32};
  options.context = 64;
  options.rounds = 3;
  options.budget_seconds = 3600;  // of virtual time
  return options;
}

Measured run_measure(const SystemFile& file, const std::vector<std::string>& names, const MeasureOptions& options,
                     std::function<bool()> stop = nullptr) {
  VirtualTimeline timeline;
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<Device*> pointers;
  std::vector<const DeviceFacts*> facts;
  for (const std::string& name : names) {
    devices.push_back(file.open(name, timeline));
    pointers.push_back(devices.back().get());
    facts.push_back(&devices.back()->facts());
  }
  Measured run;
  MeasureHooks hooks;
  hooks.store = [&](const std::vector<Sample>& s) { run.samples.insert(run.samples.end(), s.begin(), s.end()); };
  hooks.stop = std::move(stop);
  run.outcome = measure(subjects_for(small_shape(), facts, options), pointers, timeline, options, hooks);
  return run;
}

TEST(MeasureSim, FindsTheTimesOfTheProfile) {
  const SystemFile file(three_devices());
  const Measured run = run_measure(file, {"a"}, small_options());
  EXPECT_EQ(run.outcome, MeasureOutcome::kComplete);
  const CostModel costs({device_profile("a")});
  int ops = 0;
  for (const Sample& s : run.samples) {
    EXPECT_EQ(s.status, SampleStatus::kOk) << s.subject << ": " << s.message;
    if (s.kind == SampleKind::kLaunch) {
      EXPECT_NEAR(s.launch_ns, 50, 1);
    }
    if (s.kind != SampleKind::kOp) continue;
    ++ops;
    const double expected = costs.op("a", parse_op_desc(s.subject)).median_ns;
    EXPECT_NEAR(s.device_ns, expected, 0.01 * expected + 1) << s.subject;
  }
  EXPECT_GT(ops, 30);
}

TEST(MeasureSim, FindsTheSlowdownOfContention) {
  const SystemFile file(three_devices());
  const Measured run = run_measure(file, {"a", "b"}, small_options());
  int seen = 0;
  for (const Sample& s : run.samples) {
    if (s.kind != SampleKind::kContention || s.status != SampleStatus::kOk) continue;
    const OpDesc op = parse_op_desc(s.subject);
    const double alone = CostModel({device_profile("a")}).op("a", op).median_ns;
    const bool is_a = s.device.back() == 'a';
    const double expected = op.m > 1 ? 1 : is_a ? 2 : 1.5;
    EXPECT_NEAR(s.device_ns / alone, expected, 0.05 * expected) << s.device << " " << s.subject;
    ++seen;
  }
  EXPECT_EQ(seen, 2 * (1 + 2) * 3);  // two devices, one op of decode and two of prefill, three rounds
}

TEST(MeasureSim, EverySubjectGetsItsRoundsAndNoMore) {
  const SystemFile file(three_devices());
  const Measured run = run_measure(file, {"a"}, small_options());
  std::map<std::pair<SampleKind, std::string>, int> counts;
  for (const Sample& s : run.samples) {
    if (s.kind != SampleKind::kAnchor) ++counts[{s.kind, s.subject}];
  }
  for (const auto& [key, count] : counts) EXPECT_EQ(count, 3) << key.second;
}

TEST(MeasureSim, AStaticDeviceReportsWhatCompilingCost) {
  const SystemFile file(static_npu());
  int compiles = 0;
  for (const Sample& s : run_measure(file, {"npu"}, small_options()).samples) {
    if (s.kind != SampleKind::kGraphCompile || s.status != SampleStatus::kOk) continue;
    const OpDesc op = parse_op_desc(s.subject);
    EXPECT_NEAR(s.compile_ns, 5000 + static_cast<double>(op.n * op.k), 1) << s.subject;
    ++compiles;
  }
  EXPECT_GT(compiles, 3);
}

TEST(MeasureSim, StopsWhenAskedAndKeepsWhatItHas) {
  const SystemFile file(three_devices());
  int asked = 0;
  const Measured run = run_measure(file, {"a"}, small_options(), [&] { return ++asked > 5; });
  EXPECT_EQ(run.outcome, MeasureOutcome::kInterrupted);
  int kept = 0;
  for (const Sample& s : run.samples) kept += s.kind != SampleKind::kAnchor ? 1 : 0;
  EXPECT_EQ(kept, 5);
}

TEST(MeasureSim, EndsWithItsBudget) {
  const SystemFile file(three_devices());
  MeasureOptions options = small_options();
  options.budget_seconds = 0.001;
  EXPECT_EQ(run_measure(file, {"a"}, options).outcome, MeasureOutcome::kBudgetSpent);
}

TEST(MeasureSim, IsTheSameEveryTime) {
  const SystemFile file(three_devices());
  const auto times = [&] {
    std::vector<double> list;
    for (const Sample& s : run_measure(file, {"a", "b"}, small_options()).samples) list.push_back(s.device_ns);
    return list;
  };
  EXPECT_EQ(times(), times());
}

}  // namespace
}  // namespace hetero
