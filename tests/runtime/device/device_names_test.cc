// Devices as users write them, as programs choose them, and as plans are stored under.
#include <gtest/gtest.h>

#include "base/error.h"
#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/default_devices.h"
#include "runtime/device/device.h"

namespace hetero {
namespace {

std::vector<std::string> ids(const std::string& list) { return ids_of(parse_device_list(list)); }

DeviceDescription described(const std::string& id, DeviceKind kind, std::vector<int> cores, bool usable = true) {
  DeviceDescription d;
  d.id = id;
  d.kind = kind;
  d.cores = std::move(cores);
  d.usable = usable;
  return d;
}

std::vector<std::string> texts(const std::vector<DeviceSpec>& specs) {
  std::vector<std::string> all;
  for (const DeviceSpec& spec : specs) all.push_back(spec.text);
  return all;
}

using Names = std::vector<std::string>;

TEST(CoreLists, AreReadAndWritten) {
  EXPECT_EQ(parse_core_list("0-2.5"), (std::vector<int>{0, 1, 2, 5}));
  EXPECT_EQ(core_list_text({0, 1, 2, 5}), "0-2.5");
  EXPECT_EQ(core_list_text(parse_core_list("3.1.2")), "1-3");
  for (const char* bad : {"", "1-", "-1", "2-1", "a", "0,,1", "99999"})
    EXPECT_THROW(parse_core_list(bad), Error) << bad;
}

TEST(DeviceIds, DoNotDependOnTheSpelling) {
  EXPECT_EQ(ids("cpu:0.1"), Names{"cpu:0-1"});
  EXPECT_EQ(ids("cpu@1-2"), Names{"cpu:1-2"});
  EXPECT_EQ(ids("opencl"), Names{"opencl:0"});
  EXPECT_EQ(ids("opencl@3.2"), Names{"opencl:0@2-3"});
  EXPECT_EQ(ids("opencl:1@2?staged=1"), Names{"opencl:1@2"});
  EXPECT_EQ(ids("sim:test-npu/npu?compute=reference"), Names{"sim:test-npu/npu"});
  EXPECT_EQ(ids("cpu"), Names{"cpu:" + core_list_text(all_cores())});
}

TEST(DeviceIds, ABareCpuIsTheCoresThatAreLeft) {
  if (all_cores().size() < 2) GTEST_SKIP() << "one core only";
  const int last = all_cores().back();
  std::vector<int> rest = all_cores();
  rest.pop_back();
  const std::string opencl = "opencl:0@" + std::to_string(last);
  EXPECT_EQ(ids("cpu," + opencl), (Names{"cpu:" + core_list_text(rest), opencl}));
}

TEST(DeviceIds, AreThoseOfTheOpenDevices) {
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  const std::string first = std::to_string(all_cores().front());
  for (const std::string& text : {std::string("cpu"), "cpu@" + first, "cpu:" + first + "?precision=f32"}) {
    const std::vector<DeviceSpec> specs = parse_device_list(text);
    EXPECT_EQ(open_devices(specs, context).front()->facts().id, ids_of(specs).front()) << text;
  }
}

TEST(CpuDevice, ItsFingerprintTellsOfSearchedParameters) {
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  const auto facts = [&] { return open_devices(parse_device_list("cpu"), context).front()->facts(); };
  const DeviceFacts before = facts();
  const KernelVariant& row = *find_variant("matmul.cpu.portable");
  const TunedFor use = {row.id, ShapeClass::kManyRows};
  ParamValues params = default_params(row);
  context.tuned[before.family_fingerprint][use] = params;
  EXPECT_EQ(facts().exact_fingerprint, before.exact_fingerprint) << "these are the defaults";
  params[row.params.front().name] = row.params.front().values.front();
  ASSERT_NE(params, default_params(row));
  context.tuned[before.family_fingerprint][use] = params;
  EXPECT_NE(facts().exact_fingerprint, before.exact_fingerprint);
  EXPECT_EQ(facts().family_fingerprint, before.family_fingerprint);
  context.tuned = {{"another processor", {{use, params}}}};
  EXPECT_EQ(facts().exact_fingerprint, before.exact_fingerprint);
}

TEST(OpenDevices, RefusesTwoOnOneThread) {
  if (all_cores().size() < 2) GTEST_SKIP() << "one core only";
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  const std::string two = "cpu:" + std::to_string(all_cores()[0]) + ",cpu:" + std::to_string(all_cores()[1]);
  try {
    open_devices(parse_device_list(two), context);
    FAIL() << "two thread teams began on one thread";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("cpu:0-1"), std::string::npos) << error.what();
  }
}

TEST(DefaultDevices, GiveAnOpenClOnTheProcessorItsUpperHalf) {
  const DeviceDescription cpu = described("cpu:0-3", DeviceKind::kCpu, {0, 1, 2, 3});
  const DeviceDescription pocl = described("opencl:0", DeviceKind::kCpu, {0, 1, 2, 3});
  const std::vector<DeviceSpec> chosen = default_devices({cpu, pocl});
  EXPECT_EQ(texts(chosen), (Names{"cpu:0-1", "opencl:0@2-3"}));
  EXPECT_EQ(ids_of(chosen), texts(chosen)) << "plans are looked up under the text";
}

TEST(DefaultDevices, PutAcceleratorsBesideTheWholeProcessor) {
  const DeviceDescription cpu = described("cpu:0-3", DeviceKind::kCpu, {0, 1, 2, 3});
  const DeviceDescription pocl = described("opencl:0", DeviceKind::kCpu, {0, 1, 2, 3});
  const DeviceDescription gpu = described("opencl:1", DeviceKind::kGpu, {});
  const DeviceDescription broken = described("opencl:2", DeviceKind::kGpu, {}, false);
  const DeviceDescription sim = described("sim:x/npu", DeviceKind::kNpu, {});
  EXPECT_EQ(texts(default_devices({cpu, pocl, gpu, broken, sim})), (Names{"cpu:0-3", "opencl:1"}));
  // The same GPU through another provider is no second one; an NPU is.
  const DeviceDescription same_gpu = described("openvino:GPU", DeviceKind::kGpu, {});
  const DeviceDescription npu = described("openvino:NPU", DeviceKind::kNpu, {});
  EXPECT_EQ(texts(default_devices({cpu, pocl, gpu, same_gpu, npu})), (Names{"cpu:0-3", "opencl:1", "openvino:NPU"}));
}

TEST(DefaultDevices, AreTheProcessorAloneWhereThereIsNothingElse) {
  EXPECT_EQ(
      texts(default_devices({described("cpu:0", DeviceKind::kCpu, {0}), described("opencl:0", DeviceKind::kCpu, {0})})),
      Names{"cpu:0"});
}

}  // namespace
}  // namespace hetero
