// The whole of tuning on systems whose times are hidden from it: measure, fit and solve must choose a plan that runs as
// fast, on the hidden system, as the plan of a solver that knows everything.
#include <gtest/gtest.h>

#include "runtime/llm/engine.h"
#include "runtime/model/decoder_graph.h"
#include "tests/tuner/run/run_fixture.h"
#include "tuner/fit/fit.h"
#include "tuner/measure/measure.h"
#include "tuner/solve/solve.h"

namespace hetero {
namespace {

using namespace testing_sim;
using testing_run::small_shape;

constexpr std::int64_t kPrompt = 32;
constexpr int kAnswer = 4;

// The opened devices of a system on a clock of their own.
struct Rig {
  Rig(const SystemFile& file, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      devices.push_back(file.open(name, timeline));
      pointers.push_back(devices.back().get());
    }
  }
  VirtualTimeline timeline;
  std::vector<std::unique_ptr<Device>> devices;
  std::vector<Device*> pointers;
};

std::vector<DeviceProfile> fitted(const SystemFile& file, const std::vector<std::string>& names) {
  Rig rig(file, names);
  MeasureOptions options;
  options.buckets = {1, kPrompt};
  options.context = small_shape().max_context;
  options.rounds = 3;
  options.budget_seconds = 3600;  // of virtual time
  std::vector<const DeviceFacts*> facts;
  for (const Device* device : rig.pointers) facts.push_back(&device->facts());
  std::vector<Sample> samples;
  MeasureHooks hooks;
  hooks.store = [&](const std::vector<Sample>& s) { samples.insert(samples.end(), s.begin(), s.end()); };
  EXPECT_EQ(measure(subjects_for(small_shape(), facts, options), rig.pointers, rig.timeline, options, hooks),
            MeasureOutcome::kComplete);
  std::vector<DeviceProfile> profiles;
  for (const DeviceFacts* f : facts) {
    std::vector<Sample> own;
    for (const Sample& s : samples) {
      if (s.device == f->id) own.push_back(s);
    }
    profiles.push_back(fit(*f, own));
  }
  return profiles;
}

// What is hidden, under the ids that the devices have once they are open.
std::vector<DeviceProfile> hidden(const SystemProfile& system, const SystemFile& file,
                                  const std::vector<std::string>& names) {
  const auto id_of = [&](const std::string& device) {
    return "sim:" + file.path() + "/" + device.substr(device.rfind('/') + 1);
  };
  std::vector<DeviceProfile> profiles;
  for (const std::string& name : names) {
    for (DeviceProfile p : system.devices) {
      if (p.device != system.name + "/" + name) continue;
      p.device = id_of(p.device);
      for (Slowdown& s : p.slowdowns) {
        for (std::string& other : s.with) other = id_of(other);
      }
      profiles.push_back(std::move(p));
    }
  }
  return profiles;
}

Plan plan_for(const std::vector<DeviceProfile>& profiles) {
  std::vector<SolveDevice> devices;
  for (const DeviceProfile& p : profiles) {
    devices.push_back({p.device, p.standard_sizes, p.feature_align, p.memory_bytes});
  }
  SolveOptions options;
  options.buckets = {kPrompt};
  options.decode_context = kPrompt + kAnswer / 2;
  return solve(small_shape(), CostModel(profiles), devices, options).plan;
}

struct Times {
  double prefill_ns = 0;
  double decode_ns = 0;
};

Times times_of(const Plan& plan, const SystemFile& file, const std::vector<std::string>& names) {
  Rig rig(file, names);
  const Graph graph = graph_from_shape(small_shape());
  Engine engine(graph, rig.timeline, rig.pointers, plan, {small_shape().max_context, kPrompt, 1});
  engine.warm_up(kPrompt, LogitsRows::kLast);
  engine.warm_up(1, LogitsRows::kLast);
  const auto timed = [&](std::int64_t tokens) {
    const Nanos begin = rig.timeline.now();
    engine.run(std::vector<TokenId>(static_cast<std::size_t>(tokens), 0), LogitsRows::kLast);
    return to_ns(rig.timeline.now() - begin);
  };
  Times times;
  times.prefill_ns = timed(kPrompt);
  for (int i = 0; i < kAnswer; ++i) times.decode_ns += timed(1);
  return times;
}

void expect_as_good_as_the_oracle(const SystemProfile& system, const std::vector<std::string>& names) {
  const SystemFile file(system, "closed-loop");
  const Times tuned = times_of(plan_for(fitted(file, names)), file, names);
  const Times oracle = times_of(plan_for(hidden(system, file, names)), file, names);
  EXPECT_LE(tuned.prefill_ns, 1.01 * oracle.prefill_ns);
  EXPECT_LE(tuned.decode_ns, 1.01 * oracle.decode_ns);
}

// Weights that are worth dividing.
SystemProfile heavy(SystemProfile system, double ns_per_weight) {
  for (DeviceProfile& p : system.devices) {
    for (MatmulPoint& point : p.matmul[0].points) point.ns_per_weight.value *= ns_per_weight;
  }
  return system;
}

TEST(ClosedLoop, TwoDevicesThatSlowEachOther) { expect_as_good_as_the_oracle(heavy(three_devices(), 20), {"a", "b"}); }

TEST(ClosedLoop, ThreeDevices) { expect_as_good_as_the_oracle(heavy(three_devices(), 20), {"a", "b", "c"}); }

TEST(ClosedLoop, DevicesOfDifferentSpeed) {
  SystemProfile system = heavy(three_devices(), 20);
  for (MatmulPoint& point : system.devices[1].matmul[0].points) point.ns_per_weight.value *= 2.7;
  system.devices[1].launch_ns = figure(3000);
  system.devices[0].join_ns = {{"poll", figure(700)}};
  expect_as_good_as_the_oracle(system, {"a", "b"});
}

TEST(ClosedLoop, WhereDividingIsNotWorthIt) {
  SystemProfile system = three_devices();
  for (DeviceProfile& p : system.devices) p.join_ns = {{"poll", figure(400e3)}};
  expect_as_good_as_the_oracle(system, {"a", "b"});
}

TEST(ClosedLoop, AStaticDeviceBesideADynamicOne) {
  SystemProfile system = heavy(three_devices(), 20);
  DeviceProfile& npu = system.devices[1];
  npu.standard_sizes = {1, 16, 32};
  npu.graph_compile_fixed_ns = figure(5000);
  npu.graph_compile_ns_per_weight = figure(1);
  // A static device is better at many rows than at one.
  npu.matmul[0].points = {{1, figure(3000), figure(60)}, {32, figure(3000), figure(15)}};
  expect_as_good_as_the_oracle(system, {"a", "b"});
}

}  // namespace
}  // namespace hetero
