// What the flags of `simulate` make of a profile.
#include <gtest/gtest.h>

#include "base/error.h"
#include "tuner/apps/simulate_run.h"
#include "tuner/apps/simulate_scenario.h"

namespace hetero {
namespace {

TuneFlags snapdragon(const std::string& devices = "gpu,npu") {
  TuneFlags flags;
  flags.profile = "snapdragon-8-gen-3";
  flags.devices = devices;
  return flags;
}

const DeviceProfile& device(const Scenario& scenario, const std::string& name) {
  for (const DeviceProfile& p : scenario.profiles) {
    if (short_name(p.device) == name) return p;
  }
  throw input_error("no device " + name);
}

ExitCode code_of(const TuneFlags& flags) {
  try {
    make_scenario(flags);
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::kDone;
}

TEST(Scenario, DevicesHaveTheIdsOfSimulatedOnes) {
  const Scenario scenario = make_scenario(snapdragon());
  EXPECT_EQ(scenario.devices, (std::vector<std::string>{"gpu", "npu"}));
  const DeviceProfile& npu = device(scenario, "npu");
  EXPECT_EQ(npu.device, "sim:snapdragon-8-gen-3/npu");
  ASSERT_FALSE(npu.slowdowns.empty());
  for (const Slowdown& s : npu.slowdowns) {
    for (const std::string& other : s.with) EXPECT_EQ(other.rfind("sim:snapdragon-8-gen-3/", 0), 0U) << other;
  }
  EXPECT_EQ(make_scenario(snapdragon("")).devices.size(), 3U);
  EXPECT_EQ(make_scenario(snapdragon("sim:snapdragon-8-gen-3/npu")).devices, std::vector<std::string>{"npu"});
}

TEST(Scenario, WaitingInTheDriverCostsTheWaitTheCopyAndTheDrainedQueue) {
  TuneFlags flags = snapdragon();
  const DeviceProfile fast = device(make_scenario(flags), "gpu");
  EXPECT_EQ(fast.join_ns.at("poll").value, 5000);
  EXPECT_EQ(fast.launch_ns.value, 15000);
  flags.sync = "driver";
  const DeviceProfile slow = device(make_scenario(flags), "gpu");
  ASSERT_EQ(slow.join_ns.size(), 1U);
  EXPECT_EQ(slow.join_ns.at("driver").value, 400000 + 400000);
  EXPECT_EQ(slow.launch_ns.value, 75000);
  // A device without a driver's join stays as it is.
  flags.devices = "cpu";
  EXPECT_TRUE(device(make_scenario(flags), "cpu").join_ns.contains("poll"));
}

TEST(Scenario, OnlineGraphsFitThePromptAndCostTheirGeneration) {
  TuneFlags flags = snapdragon();
  flags.graphs = "online";
  flags.prompt = 1000;
  const Scenario scenario = make_scenario(flags);
  EXPECT_NEAR(scenario.graph_generation_ns, 2050e6, 1e3);  // published for this length
  EXPECT_EQ(device(scenario, "npu").standard_sizes, (std::vector<std::int64_t>{1, 1000}));
  EXPECT_TRUE(device(scenario, "gpu").standard_sizes.empty());
  flags.profile = "test-npu";
  flags.devices = "";
  EXPECT_EQ(code_of(flags), ExitCode::kUsage) << "it does not say what generating costs";
}

TEST(Scenario, PaddingLeavesOnlyTheNextSizes) {
  TuneFlags flags = snapdragon();
  flags.strategy = "pad";
  flags.prompt = 525;
  EXPECT_EQ(device(make_scenario(flags), "npu").standard_sizes, (std::vector<std::int64_t>{1, 1024}));
  flags.prompt = 1024 + 200;
  const Scenario scenario = make_scenario(flags);
  EXPECT_EQ(scenario.steps, (std::vector<std::int64_t>{1024, 200}));
  EXPECT_EQ(device(scenario, "npu").standard_sizes, (std::vector<std::int64_t>{1, 256, 1024}));
}

TEST(Scenario, StrategiesByNameAndBySet) {
  EXPECT_TRUE(strategies_of("best").empty());
  EXPECT_EQ(strategies_of("layer"), (std::vector<Strategy>{Strategy::kSingle, Strategy::kPad}));
  EXPECT_EQ(strategies_of("tensor").size(), 5U);
  EXPECT_EQ(strategies_of("rows,pad"), (std::vector<Strategy>{Strategy::kRows, Strategy::kPad}));
}

TEST(Scenario, RefusesWhatMakesNoSense) {
  TuneFlags flags = snapdragon("tpu");
  EXPECT_EQ(code_of(flags), ExitCode::kUsage);
  flags = snapdragon();
  for (const char* graphs : {"", "0", "64,", "64,x", "99999999999999999999", "-1"}) {
    flags.graphs = graphs;
    EXPECT_EQ(code_of(flags), ExitCode::kUsage) << graphs;
  }
  flags = snapdragon();
  for (const char* strategy : {"", "guess", "rows,", ",pad"}) {
    flags.strategy = strategy;
    EXPECT_EQ(code_of(flags), ExitCode::kUsage) << strategy;
  }
  flags = snapdragon();
  flags.profile = "no-such-system";
  EXPECT_EQ(code_of(flags), ExitCode::kEnvironment);
}

SimulatedRun run(const TuneFlags& flags) {
  return run_scenario(make_scenario(flags), load_shape("smollm2-135m"), std::nullopt, flags.prompt, flags.generate,
                      KeepTrace::kNo);
}

TEST(Simulate, DevicesAreNeverBusierThanTheTime) {
  TuneFlags flags = snapdragon("");
  flags.prompt = 300;
  flags.generate = 4;
  const SimulatedRun result = run(flags);
  EXPECT_EQ(result.prefill.tokens, 300);
  EXPECT_EQ(result.decode.steps, 4);
  for (const PhaseRun* phase : {&result.prefill, &result.decode}) {
    double busy = 0;
    for (const DeviceUse& use : phase->devices) {
      EXPECT_LE(use.busy_ns, phase->total_ns * (1 + 1e-9)) << use.device;
      busy += use.busy_ns;
    }
    EXPECT_GT(busy, 0);
    EXPECT_FALSE(phase->energy_j.has_value()) << "no power is published";
    EXPECT_FALSE(phase->example.empty());
  }
}

TEST(Simulate, AnUndividedDecodeReadsEveryWeightOnceAToken) {
  TuneFlags flags = snapdragon("gpu");
  flags.prompt = 32;
  flags.generate = 3;
  const SimulatedRun result = run(flags);
  const double weights = 30 * (576.0 * (576 + 192 + 192 + 576) + 3 * 576.0 * 1536) * 20 / 32 + 576.0 * 49152 * 34 / 32;
  const double cache = 30 * 34 * 3 * 64 * 8;  // float32 keys and values of 34 rows, the mean of 33 to 35
  const double norms = (2 * 30 + 1) * 576 * 4;
  EXPECT_NEAR(result.decode.devices.at(0).streamed_bytes / 3, weights + cache + norms, 1);
  EXPECT_EQ(result.decode.joins, 0);
}

// Alone on the clock a device is as fast as its profile says, wherever in the sequence a step is.
TEST(Simulate, SpansOfASingleDeviceTakeWhatWasPredicted) {
  TuneFlags flags = snapdragon("gpu");
  flags.prompt = 1500;
  flags.generate = 3;
  const SimulatedRun result = run_scenario(make_scenario(flags), load_shape("smollm2-135m"), std::nullopt, flags.prompt,
                                           flags.generate, KeepTrace::kAll);
  ASSERT_EQ(result.trace.spans.size(), 2U + 3U);
  for (const Span& span : result.trace.spans) {
    EXPECT_NEAR(span.end_ns - span.start_ns, span.predicted_ns, 1e-6 * span.predicted_ns) << span.label;
  }
}

SimulatedRun run_with(const std::vector<Fault>& faults) {
  TuneFlags flags = snapdragon();
  flags.prompt = 64;
  flags.generate = 4;
  Scenario scenario = make_scenario(flags);
  scenario.faults = faults;
  return run_scenario(scenario, load_shape("smollm2-135m"), std::nullopt, flags.prompt, flags.generate,
                      KeepTrace::kAll);
}

Fault fault(const std::string& device, FaultKind kind) {
  Fault f;
  f.device = device;
  f.kind = kind;
  return f;
}

TEST(Simulate, ASlowedDeviceMakesTheRunLongerAndIsMarked) {
  const SimulatedRun quiet = run_with({});
  Fault slow = fault("npu", FaultKind::kSlow);
  slow.factor = 2;
  const SimulatedRun slowed = run_with({slow});
  EXPECT_FALSE(slowed.failure.has_value());
  EXPECT_EQ(slowed.plan, quiet.plan) << "the plan does not know what will happen";
  EXPECT_GT(slowed.prefill.total_ns, 1.5 * quiet.prefill.total_ns);
  EXPECT_LT(slowed.prefill.total_ns, 2.01 * quiet.prefill.total_ns);
  ASSERT_EQ(slowed.trace.marks.size(), 1U);
  EXPECT_EQ(slowed.trace.marks[0].device, "sim:snapdragon-8-gen-3/npu");
  EXPECT_EQ(slowed.trace.marks[0].label, "slowed 2x");

  slow.for_ns = quiet.prefill.total_ns / 10;
  const SimulatedRun for_a_while = run_with({slow});
  EXPECT_LT(for_a_while.prefill.total_ns, 1.1 * quiet.prefill.total_ns);
  EXPECT_GT(for_a_while.prefill.total_ns, quiet.prefill.total_ns);
}

TEST(Simulate, WhatEndsARunIsSaidAndMarked) {
  Fault lost = fault("npu", FaultKind::kLost);
  lost.from_ns = 1e6;
  Fault compile = fault("npu", FaultKind::kCompileFailure);
  compile.graph = 1;
  Fault memory = fault("gpu", FaultKind::kOutOfMemory);
  memory.bytes = 1 << 20;
  for (const Fault& f : {lost, compile, memory}) {
    const SimulatedRun result = run_with({f});
    ASSERT_TRUE(result.failure.has_value()) << words(f);
    EXPECT_NE(result.failure->find("injected"), std::string::npos) << *result.failure;
    ASSERT_EQ(result.trace.marks.size(), 1U) << words(f);
    EXPECT_EQ(result.trace.marks[0].label, words(f));
    const Trace read = trace_from_chrome_json(to_chrome_json(result.trace));
    ASSERT_EQ(read.marks.size(), 1U);
    EXPECT_EQ(read.marks[0].device, result.trace.marks[0].device);
  }
}

TEST(Simulate, EnergyIsPowerTimesBusyTime) {
  TuneFlags flags = snapdragon("gpu");
  flags.prompt = 32;
  flags.generate = 2;
  Scenario scenario = make_scenario(flags);
  for (DeviceProfile& p : scenario.profiles) p.watts = {3, 0, Provenance::kAssumed, "made up"};
  const SimulatedRun result =
      run_scenario(scenario, load_shape("smollm2-135m"), std::nullopt, flags.prompt, flags.generate, KeepTrace::kNo);
  ASSERT_TRUE(result.prefill.energy_j.has_value());
  EXPECT_DOUBLE_EQ(*result.prefill.energy_j, 3e-9 * result.prefill.devices.at(0).busy_ns);
}

TEST(Simulate, ThePlanOfOneRunServesAnother) {
  TuneFlags flags = snapdragon();
  flags.prompt = 64;
  flags.generate = 2;
  const SimulatedRun fast = run(flags);
  flags.sync = "driver";
  const SimulatedRun kept = run_scenario(make_scenario(flags), load_shape("smollm2-135m"), fast.plan, flags.prompt,
                                         flags.generate, KeepTrace::kNo);
  const SimulatedRun solved = run(flags);
  EXPECT_EQ(kept.plan, fast.plan);
  EXPECT_GT(kept.prefill.total_ns, fast.prefill.total_ns);
  EXPECT_LE(solved.decode.total_ns, kept.decode.total_ns) << "a plan for dear joins is no worse under dear joins";
}

TEST(Simulate, ChunksOfALongPromptAreStepsOfTheirOwn) {
  TuneFlags flags = snapdragon();
  flags.prompt = 1100;
  flags.generate = 0;
  const SimulatedRun result = run(flags);
  EXPECT_EQ(result.prefill.steps, 2);
  EXPECT_EQ(result.prefill.tokens, 1100);
  EXPECT_EQ(result.decode.tokens, 0);
}

}  // namespace
}  // namespace hetero
