#include "profiles/device_profile.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/file.h"
#include "profiles/measurement.h"
#include "tests/profiles/bad_documents.h"

namespace hetero {
namespace {

SystemProfile small_profile() {
  DeviceProfile npu;
  npu.device = "lab/npu";
  npu.kind = "npu";
  npu.name = "N\xc3\xa9ron";
  npu.driver = "1.0";
  npu.exact_fingerprint = "ee";
  npu.family_fingerprint = "ff";
  const Figure figure{0.1 + 0.2, 0.015, Provenance::kMeasured, "run 12"};
  npu.matmul = {{DType::kQ4_0,
                 {{1, figure, figure}, {32, Figure{7, 0, Provenance::kPublished, ""}, figure}},
                 {{1, 4096, 14336, figure}}}};
  npu.order_factors = {
      {32, 14336, 4096, OperandOrder::kActivationsFirst, Figure{6, 0, Provenance::kPublished, "up to"}},
      {1, 64, 64, OperandOrder::kWeightsFirst, Figure{1.5, 0.1, Provenance::kAssumed, ""}}};
  npu.ops = {{OpKind::kAttention, figure, figure}};
  npu.launch_ns = figure;
  npu.join_ns = {{"driver", figure}, {"poll", {}}};
  npu.bandwidth_gbps = figure;
  npu.bandwidth_together_gbps = {{"lab/gpu", figure}};
  npu.slowdowns = {{{"lab/cpu", "lab/gpu"}, figure, figure}};
  npu.steps = {{"0123456789abcdef", 3.5e6, {{1, figure}, {256, figure}}}};
  npu.standard_sizes = {1, 32};
  npu.stage = 32;
  npu.graph_compile_fixed_ns = figure;
  npu.graph_compile_ns_per_weight = figure;
  npu.feature_align = 64;
  npu.memory_bytes = std::uint64_t{1} << 63;
  npu.half_precision = true;
  npu.watts = figure;
  DeviceProfile gpu;
  gpu.device = "lab/gpu";
  gpu.kind = "gpu";
  return {.name = "lab", .title = "A lab", .devices = {npu, gpu}};
}

TEST(DeviceProfile, RoundTrip) { EXPECT_EQ(system_profile_from_json(to_json(small_profile())), small_profile()); }

TEST(DeviceProfile, BadDocuments) {
  expect_sturdy([](const std::string& text) { system_profile_from_json(text); }, to_json(small_profile()));
}

TEST(DeviceProfile, RefusesWhatCannotBe) {
  const std::string valid = to_json(small_profile());
  const auto read = [](const std::string& text) { system_profile_from_json(text); };
  expect_refused(read, replaced(valid, "\"m\": 32", "\"m\": 1"), "points that do not ascend");
  expect_refused(read, replaced(valid, "\"measured\"", "\"believed\""), "an unknown provenance");
  expect_refused(read, replaced(valid, "\"stage\": 32", "\"stage\": 0"), "a stage of 0");
  expect_refused(read, replaced(valid, "\"lab/gpu\",\n   \"kind\"", "\"lab/npu\",\n   \"kind\""), "a device twice");
  expect_refused(read, replaced(valid, "\"m\": 256", "\"m\": 1"), "steps that do not ascend");
  expect_refused(read, replaced(valid, "\"layer_weights\": 3", "\"layer_weights\": -3"),
                 "a model of less than nothing");
  expect_refused(read, replaced(valid, "\"value\": 6.0", "\"value\": 0.5"), "a slower order that is faster");
  expect_refused(read, replaced(valid, "\"activations\"", "\"biases\""), "an unknown operand");
  expect_refused(read, replaced(valid, "\"q4_0\"", "\"q9\""), "an unknown format");
  expect_refused(read, replaced(valid, "\"attention\"", "\"convolution\""), "an unknown op");
  expect_refused(read, replaced(valid, "\"value\": 7", "\"value\": -7"), "a negative time");
  expect_refused(read, replaced(valid, "\"value\": 7", "\"value\": 1e999"), "a number out of range");
}

TEST(DeviceProfile, DriverNamesThatAreNotUtf8CanBeWritten) {
  SystemProfile profile = small_profile();
  profile.devices[0].driver = "v\xff";
  EXPECT_EQ(system_profile_from_json(to_json(profile)).devices[0].driver, "v\xef\xbf\xbd");
}

TEST(DeviceProfile, ShippedProfilesAreComplete) {
  const std::vector<std::string> names = shipped_system_profile_names();
  EXPECT_EQ(names, (std::vector<std::string>{"apple-a18", "core-ultra-5-125h", "core-ultra-7-258v", "dimensity-9300",
                                             "jetson-orin", "snapdragon-8-elite", "snapdragon-8-gen-3", "test-npu"}));
  EXPECT_EQ(shipped_system_profile("snapdragon"), nullptr);
  for (const std::string& name : names) {
    const SystemProfile system = system_profile_from_json(*shipped_system_profile(name));
    EXPECT_EQ(system.name, name);
    for (const DeviceProfile& device : system.devices) {
      EXPECT_EQ(device.device, name + "/" + device.kind);
      for (const DType w : {DType::kQ4_0, DType::kQ4_1, DType::kQ6_K, DType::kQ8_0}) {
        EXPECT_TRUE(std::any_of(device.matmul.begin(), device.matmul.end(), [w](const MatmulCurve& curve) {
          return curve.w == w;
        })) << device.device;
      }
      EXPECT_EQ(device.ops.size(), 5u) << device.device;
      for (const MatmulCurve& curve : device.matmul) {
        for (const MatmulPoint& point : curve.points) {
          EXPECT_GT(point.ns_per_weight.value, 0);
          EXPECT_FALSE(point.ns_per_weight.source.empty()) << device.device;
          EXPECT_NE(point.ns_per_weight.provenance, Provenance::kMeasured) << "nothing here was measured by us";
        }
      }
      if (device.stage > 1) {
        EXPECT_EQ(device.standard_sizes.front(), 1) << "decode is possible on " << device.device;
      }
      for (const Slowdown& slowdown : device.slowdowns) {
        EXPECT_GE(slowdown.decode.value, 1);
        EXPECT_GE(slowdown.prefill.value, 1);
      }
    }
  }
}

// Exported by `hetero-tune export` from a tuned run; used by path, since it knows the formats of one model only.
TEST(DeviceProfile, TheMeasuredMachineIsADocumentAsTheOthers) {
  const std::string path = std::string(HETERO_SHIPPED_DEVICES) + "/epyc-2-cores.json";
  const SystemProfile system = system_profile_from_json(read_file(path));
  EXPECT_EQ(system.name, "epyc-2-cores");
  EXPECT_NE(system.title.find("measured 20"), std::string::npos) << "the title has no date";
  ASSERT_EQ(system.devices.size(), 2U);
  for (const DeviceProfile& device : system.devices) {
    EXPECT_FALSE(device.driver.empty()) << device.device;
    EXPECT_EQ(device.launch_ns.provenance, Provenance::kMeasured) << device.device;
    EXPECT_EQ(device.ops.size(), 5U) << device.device;
    ASSERT_EQ(device.slowdowns.size(), 1U) << device.device;
    EXPECT_EQ(device.slowdowns[0].decode.provenance, Provenance::kMeasured) << device.device;
    for (const MatmulCurve& curve : device.matmul) {
      for (const MatmulPoint& point : curve.points) {
        const Provenance p = point.ns_per_weight.provenance;
        EXPECT_TRUE(p == Provenance::kMeasured || p == Provenance::kInterpolated) << device.device;
      }
    }
  }
}

TEST(Measurement, Names) {
  for (int i = 0; i <= static_cast<int>(SampleStatus::kNotSupported); ++i) {
    EXPECT_EQ(sample_status_from_name(name_of(static_cast<SampleStatus>(i))), static_cast<SampleStatus>(i));
  }
  for (int i = 0; i <= static_cast<int>(SampleKind::kVariant); ++i) {
    EXPECT_EQ(sample_kind_from_name(name_of(static_cast<SampleKind>(i))), static_cast<SampleKind>(i));
  }
  EXPECT_THROW(sample_kind_from_name("?"), Error);
  EXPECT_EQ(model_of_step(step_subject("0123456789abcdef")), "0123456789abcdef");
  EXPECT_EQ(model_of_step("stream"), "");
}

}  // namespace
}  // namespace hetero
