// The openvino device and provider: names, refusals, placement, kept graphs, rounding on request.
#include "runtime/device/openvino/openvino_device.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"
#include "base/file.h"
#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/openvino/openvino_provider.h"
#include "runtime/device/placement.h"
#include "tests/runtime/openvino/openvino_rig.h"

namespace hetero::test {
namespace {

ExitCode code_of(const std::string& spec, ToleranceClass worst = ToleranceClass::kQ8) {
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  context.kernels.worst = worst;
  try {
    openvino_provider().open(parse_device_spec(spec), context);
  } catch (const Error& error) {
    return error.code();
  }
  return ExitCode::kDone;
}

struct OneMatmul {
  Bench bench;
  Segment segment;
  explicit OneMatmul(std::int64_t rows, DType type = DType::kQ4_0, std::int64_t side = 256) {
    const TensorId x = bench.tensor("x", rows, side);
    const TensorId y = bench.tensor("y", rows, side);
    bench.fill();
    segment.ops = {matmul(bench.weight(type, side, side), whole(bench.arena, x, rows), whole(bench.arena, y, rows))};
    segment.label = "matmul";
  }
};

// How far the device's result is from the reference's; the arena is left as it was.
double error_of(Device& device, Timeline& timeline, PreparedSegment& prepared, OneMatmul& work) {
  const std::vector<float> before = snapshot(work.bench.arena);
  run(device, timeline, prepared, 0);
  const std::vector<float> got = snapshot(work.bench.arena);
  restore(work.bench.arena, before);
  run_reference(work.bench.arena, work.segment, 0);
  const double error = relative_error(got, snapshot(work.bench.arena));
  restore(work.bench.arena, before);
  return error;
}

TEST(OpenVinoProvider, FindsTheProcessor) {
  bool found = false;
  for (const DeviceDescription& d : openvino_provider().discover()) {
    if (d.id != "openvino:CPU") continue;
    found = true;
    EXPECT_TRUE(d.usable) << d.why_not;
    EXPECT_EQ(d.kind, DeviceKind::kCpu);
    EXPECT_EQ(d.cores, all_cores());
    EXPECT_NE(d.driver.find("OpenVINO"), std::string::npos) << d.driver;
  }
  EXPECT_TRUE(found);
}

TEST(OpenVinoProvider, OneDeviceHasOneName) {
  const auto id = [](const std::string& spec) { return openvino_provider().id_of(parse_device_spec(spec)); };
  EXPECT_EQ(id("openvino:cpu@1?precision=f32"), "openvino:CPU@1");
  EXPECT_EQ(id("openvino:CPU@0.1"), "openvino:CPU@0-1");
  EXPECT_EQ(id("openvino:NPU"), "openvino:NPU");
}

TEST(OpenVinoProvider, RefusesWhatMakesNoSense) {
  EXPECT_EQ(code_of("openvino"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:NPU@0"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:CPU?speed=high"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:CPU?precision=f16"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:CPU?sizes=32.1"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:CPU?sizes=0"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:CPU?sizes="), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:CPU?order=any"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:CPU?weights=q2_k"), ExitCode::kUsage);
  EXPECT_EQ(code_of("openvino:NPU", ToleranceClass::kF32), ExitCode::kUsage) << "an NPU computes in float16";
  EXPECT_EQ(code_of("openvino:CPU@4000"), ExitCode::kEnvironment);
  EXPECT_EQ(code_of("openvino:TPU"), ExitCode::kEnvironment);
}

TEST(OpenVinoDevice, SaysWhatItCannotDo) {
  RealTimeline timeline;
  const auto device = open_openvino(timeline, "sizes=1.32");
  EXPECT_EQ(device->facts().standard_sizes, (std::vector<std::int64_t>{1, 32}));
  EXPECT_TRUE(device->supports(OneMatmul(32).segment).yes);
  const Applicability rows = device->supports(OneMatmul(33).segment);
  EXPECT_FALSE(rows.yes);
  EXPECT_NE(rows.why_not.find("1, 32"), std::string::npos) << rows.why_not;

  OneMatmul mixed(32);
  mixed.segment.ops.push_back(OneMatmul(1).segment.ops.front());
  EXPECT_NE(device->supports(mixed.segment).why_not.find("one number of rows"), std::string::npos);

  Segment attention;
  Op op;
  op.desc = {OpKind::kAttention, 1, 64};
  attention.ops = {op};
  const Applicability refused = device->supports(attention);
  EXPECT_FALSE(refused.yes);
  EXPECT_NE(refused.why_not.find("attention"), std::string::npos) << refused.why_not;
}

TEST(OpenVinoDevice, AGraphThatFailsIsRefusedWithItsReason) {
  RealTimeline timeline;
  OneMatmul broken(32);
  broken.segment.ops.front().in[0].cols = 100;  // the weights have 256 columns
  const auto device = open_openvino(timeline, "sizes=32");
  device->attach(broken.bench.arena);
  ASSERT_TRUE(device->supports(broken.segment).yes);
  try {
    device->prepare(broken.segment);
    FAIL() << "a matmul of 100 by 256 columns was compiled";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
  const Applicability now = device->supports(broken.segment);
  EXPECT_FALSE(now.yes);
  EXPECT_FALSE(now.why_not.empty());
}

TEST(OpenVinoDevice, StaysOnItsCoresAndLeavesTheCallersMaskAlone) {
  if (all_cores().size() < 2) GTEST_SKIP() << "one core only";
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  RealTimeline timeline;
  OneMatmul work(128, DType::kQ4_0, 512);
  const auto device = open_openvino(timeline, "sizes=128");
  device->attach(work.bench.arena);
  const auto prepared = device->prepare(work.segment);
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
  EXPECT_EQ(device->facts().cores, std::vector<int>{last_core()});
  const auto busy = [&] {
    for (int i = 0; i < 10; ++i) run(*device, timeline, *prepared, 0);
  };
  EXPECT_EQ(stray_work({last_core()}, busy), "");
  EXPECT_NE(stray_work({all_cores().front()}, busy), "") << "the work is not on another core";
}

TEST(OpenVinoDevice, KeptGraphsAreUsedAndDamagedOnesReplaced) {
  const auto folder = std::filesystem::temp_directory_path() / ("hetero-ovcache-" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  RealTimeline timeline;
  OneMatmul work(8);
  const auto run_once = [&](const std::string& options) {
    const auto device = open_openvino(timeline, options, folder.string());
    device->attach(work.bench.arena);
    const auto prepared = device->prepare(work.segment);
    EXPECT_LT(error_of(*device, timeline, *prepared, work), 5e-6);
    return prepared->graph_compile_ns;
  };
  const std::string options = "precision=f32&sizes=8&cache=1";
  EXPECT_GT(run_once("precision=f32&sizes=8"), 0);
  EXPECT_FALSE(std::filesystem::exists(folder)) << "the CPU's graphs are kept on request only";
  EXPECT_GT(run_once(options), 0);
  ASSERT_FALSE(std::filesystem::is_empty(folder));
  EXPECT_EQ(run_once(options), 0) << "the graph was on disk";
  const std::filesystem::path file = std::filesystem::directory_iterator(folder)->path();
  const std::string whole_file = read_file(file.string());
  for (const std::string& damaged :
       {std::string(), std::string("nonsense\n"), whole_file.substr(0, whole_file.size() / 2)}) {
    write_file(file.string(), damaged);
    EXPECT_GT(run_once(options), 0) << "a damaged file was taken";
    EXPECT_EQ(read_file(file.string()).size(), whole_file.size()) << "and not replaced";
  }
  std::filesystem::remove_all(folder);
}

TEST(OpenVinoDevice, AGraphServesEveryPlaceInTheStep) {
  RealTimeline timeline;
  Bench bench;
  const TensorId x = bench.tensor("x", 40, 256);
  const TensorId y = bench.tensor("y", 40, 256);
  bench.fill();
  const WeightView weight = bench.weight(DType::kQ4_0, 256, 256);
  const auto at_rows = [&](std::int64_t from, std::int64_t to) {
    Segment segment;
    segment.label = "matmul";
    segment.ops = {matmul(weight, {x, from, 8, 0, 256}, {y, to, 8, 0, 256})};
    return segment;
  };
  const auto device = open_openvino(timeline, "precision=f32&sizes=8");
  device->attach(bench.arena);
  const auto first = device->prepare(at_rows(0, 0));
  EXPECT_GT(first->graph_compile_ns, 0);
  for (const auto& [from, to] : {std::pair(0, 0), std::pair(8, 8), std::pair(32, 0), std::pair(3, 17)}) {
    SCOPED_TRACE("rows from " + std::to_string(from) + " to " + std::to_string(to));
    const auto prepared = device->prepare(at_rows(from, to));
    EXPECT_EQ(prepared->graph_compile_ns, 0);
    const std::vector<float> before = snapshot(bench.arena);
    run(*device, timeline, *prepared, 0);
    const std::vector<float> got = snapshot(bench.arena);
    restore(bench.arena, before);
    run_reference(bench.arena, at_rows(from, to), 0);
    EXPECT_LT(relative_error(got, snapshot(bench.arena)), 5e-6);
    restore(bench.arena, before);
  }
}

TEST(OpenVinoDevice, EitherOrderOfTheOperandsGivesTheSame) {
  RealTimeline timeline;
  for (const DType type : {DType::kF32, DType::kQ4_0, DType::kQ4_1, DType::kQ6_K}) {
    SCOPED_TRACE(info(type).name);
    OneMatmul work(8, type);
    std::vector<std::string> fingerprints;
    for (const std::string order : {"activations", "weights"}) {
      const auto device = open_openvino(timeline, "precision=f32&sizes=8&order=" + order);
      device->attach(work.bench.arena);
      const auto prepared = device->prepare(work.segment);
      EXPECT_LT(error_of(*device, timeline, *prepared, work), 5e-6) << order;
      fingerprints.push_back(device->facts().exact_fingerprint);
    }
    EXPECT_NE(fingerprints[0], fingerprints[1]) << "samples of one are none of the other";
  }
}

// A block of two matmuls of different shapes, in one graph: each in the order that was measured for it.
TEST(OpenVinoDevice, OrdersChosenByShapeGiveTheSameAnswers) {
  RealTimeline timeline;
  Bench bench;
  const TensorId in = bench.tensor("in", 8, 256);
  const TensorId wide = bench.tensor("wide", 8, 384);
  const TensorId out = bench.tensor("out", 8, 256);
  bench.fill();
  const Op up = matmul(bench.weight(DType::kQ4_0, 384, 256), whole(bench.arena, in, 8), whole(bench.arena, wide, 8));
  const Op down = matmul(bench.weight(DType::kQ4_1, 256, 384), whole(bench.arena, wide, 8), whole(bench.arena, out, 8));
  Segment segment;
  segment.label = "up, down";
  segment.ops = {up, down};
  const std::vector<float> before = snapshot(bench.arena);
  run_reference(bench.arena, segment, 0);
  const std::vector<float> want = snapshot(bench.arena);

  const std::string here = open_openvino(timeline, "precision=f32&sizes=8")->facts().exact_fingerprint;
  const auto choice = [&](const Op& op, OperandOrder order) {
    return ShapeChoice{here, graph_matmul().id, op.desc, {{params_of(order), 1, 1}}};
  };
  for (const OperandOrder first : {OperandOrder::kActivationsFirst, OperandOrder::kWeightsFirst}) {
    for (const OperandOrder second : {OperandOrder::kActivationsFirst, OperandOrder::kWeightsFirst}) {
      SCOPED_TRACE(std::string(name_of(first)) + ", " + std::string(name_of(second)));
      const auto device =
          open_openvino(timeline, "precision=f32&sizes=8", "", {choice(up, first), choice(down, second)});
      EXPECT_EQ(device->facts().exact_fingerprint, here);
      EXPECT_EQ(order_of(device->kernel_for(up.desc).params), first);
      EXPECT_EQ(order_of(device->kernel_for(down.desc).params), second);
      device->attach(bench.arena);
      const auto prepared = device->prepare(segment);
      restore(bench.arena, before);
      run(*device, timeline, *prepared, 0);
      EXPECT_LT(relative_error(snapshot(bench.arena), want), 5e-6);
      std::size_t transposed = 0;  // the weights-first form turns its product round
      for (const ov::CompiledModel& model : OpenVinoDevice::compiled(*prepared)) {
        for (const auto& node : model.get_runtime_model()->get_ordered_ops()) {
          if (node->get_rt_info().at("layerType").as<std::string>() == "Transpose") ++transposed;
        }
      }
      const bool turned = first == OperandOrder::kWeightsFirst || second == OperandOrder::kWeightsFirst;
      EXPECT_EQ(transposed > 0, turned);
    }
  }
}

TEST(OpenVinoDevice, AnOpCanAskForAnOrderAndAForcedOneRefuses) {
  RealTimeline timeline;
  OneMatmul work(8);
  const auto device = open_openvino(timeline, "precision=f32&sizes=8&order=auto");
  device->attach(work.bench.arena);
  const std::string plain = device->facts().exact_fingerprint;
  for (const OperandOrder order : {OperandOrder::kActivationsFirst, OperandOrder::kWeightsFirst}) {
    work.segment.ops[0].params = params_of(order);
    const auto prepared = device->prepare(work.segment);
    EXPECT_GT(prepared->graph_compile_ns, 0) << "each is a graph of its own";
    EXPECT_LT(error_of(*device, timeline, *prepared, work), 5e-6);
  }
  const auto forced = open_openvino(timeline, "precision=f32&sizes=8&order=activations");
  EXPECT_NE(forced->facts().exact_fingerprint, plain);
  const Applicability refused = forced->supports(work.segment);
  EXPECT_FALSE(refused.yes);
  EXPECT_NE(refused.why_not.find("order=activations"), std::string::npos) << refused.why_not;
}

TEST(OpenVinoDevice, WhatWasCompiledAheadIsNotCompiledAgain) {
  RealTimeline timeline;
  OneMatmul first(8), second(8), third(8);
  const auto device = open_openvino(timeline, "precision=f32&sizes=8");
  device->attach(first.bench.arena);
  for (const OneMatmul* work : {&first, &second}) device->compile_ahead(work->segment);
  while (device->weight_bytes() == 0) {
  }  // the first is made in the background, though nobody asks for it
  EXPECT_EQ(device->prepare(first.segment)->graph_compile_ns, 0);
  // The second may be under way: then prepare() waits for it, or not have begun: then it makes it. Either way it is
  // there.
  const auto prepared = device->prepare(second.segment);
  const std::uint64_t two = device->weight_bytes();
  EXPECT_EQ(device->prepare(second.segment)->graph_compile_ns, 0);
  EXPECT_EQ(device->weight_bytes(), two) << "nothing was made twice";
  device->stop_ahead();
  EXPECT_EQ(device->weight_bytes(), two);

  // What is stopped before its turn is not made, and what it referred to may go.
  {
    OneMatmul gone(8, DType::kQ4_0, 1024);
    for (int i = 0; i < 3; ++i) device->compile_ahead(gone.segment);
    device->stop_ahead();
  }
  device->compile_ahead(third.segment);
  const auto after = device->prepare(third.segment);
  EXPECT_EQ(OpenVinoDevice::compiled(*after).size(), 1U);
}

TEST(OpenVinoDevice, AGraphThatFailsAheadIsRefusedWhenItIsPrepared) {
  RealTimeline timeline;
  OneMatmul broken(32);
  broken.segment.ops.front().in[0].cols = 100;
  const auto device = open_openvino(timeline, "sizes=32");
  device->attach(broken.bench.arena);
  device->compile_ahead(broken.segment);
  EXPECT_THROW(device->prepare(broken.segment), Error);
  EXPECT_FALSE(device->supports(broken.segment).yes);
}

TEST(OpenVinoDevice, DropsGraphsThatNobodyUsesWhenThereAreTooMany) {
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  DeviceFacts facts;
  facts.id = "openvino:CPU";
  facts.cores = {last_core()};
  facts.standard_sizes = {8};
  OpenVinoOptions options;
  options.settings.device = "CPU";
  options.settings.threads = 1;
  options.keep_bytes = 1;
  OpenVinoDevice device(facts, options, context);
  OneMatmul work(8), other(8);
  device.attach(work.bench.arena);
  const auto used = device.prepare(work.segment);
  const std::uint64_t one = device.weight_bytes();
  device.prepare(other.segment);
  EXPECT_EQ(device.weight_bytes(), 2 * one) << "it was in use when it was prepared";
  EXPECT_GT(device.prepare(OneMatmul(8).segment)->graph_compile_ns, 0);
  EXPECT_EQ(device.weight_bytes(), 2 * one) << "the other graph is gone";
  EXPECT_EQ(device.prepare(work.segment)->graph_compile_ns, 0) << "this one is in use";
  EXPECT_GT(device.prepare(other.segment)->graph_compile_ns, 0);
}

TEST(OpenVinoDevice, RoundsWeightsOnRequestOnly) {
  RealTimeline timeline;
  OneMatmul work(8, DType::kQ5_1);
  const auto error_with = [&](const std::string& options, double& told) {
    const auto device = open_openvino(timeline, "precision=f32&sizes=8" + options);
    device->attach(work.bench.arena);
    const auto prepared = device->prepare(work.segment);
    told = device->requantisation().relative();
    return error_of(*device, timeline, *prepared, work);
  };
  double told = 0;
  EXPECT_LT(error_with("", told), 5e-6);
  EXPECT_EQ(told, 0);
  // The answer is off by about what the device says: its weights' errors are independent of the activations.
  const double error = error_with("&weights=i4g32", told);
  EXPECT_GT(told, 0.02);
  EXPECT_GT(error, told / 3);
  EXPECT_LT(error, told * 3);
}

}  // namespace
}  // namespace hetero::test
