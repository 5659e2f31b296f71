// Names, options and errors of sim devices, and the shipped ones.
#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "tests/runtime/sim/sim_fixture.h"

namespace hetero {
namespace {

using namespace testing_sim;

std::unique_ptr<Device> open_text(const std::string& text, Timeline& timeline) {
  DeviceContext context;
  context.timeline = &timeline;
  return sim_provider().open(parse_device_spec(text), context);
}

ExitCode code_of(const std::string& text) {
  VirtualTimeline timeline;
  try {
    open_text(text, timeline);
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("; "), std::string::npos) << "no remedy: " << error.what();
    return error.code();
  }
  return ExitCode::kDone;
}

TEST(SimProvider, FactsComeFromTheProfile) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu?compute=reference", timeline);
  const DeviceFacts& facts = npu->facts();
  EXPECT_EQ(facts.id, "sim:" + file.path() + "/npu");
  EXPECT_EQ(facts.kind, DeviceKind::kNpu);
  EXPECT_EQ(facts.name, "simulated made-up made-up/npu");
  EXPECT_EQ(facts.memory_bytes, 1U << 20);
  EXPECT_EQ(facts.feature_align, 1);
  EXPECT_EQ(facts.submit_mode, SubmitMode::kAsynchronous);
  EXPECT_TRUE(facts.cores.empty());
  EXPECT_TRUE(facts.emulated);
  RealTimeline real;
  EXPECT_EQ(file.open("npu", real)->facts().name, "emulated made-up made-up/npu");
}

TEST(SimProvider, FingerprintsFollowTheProfile) {
  SystemProfile changed = three_devices();
  changed.devices[0].launch_ns = figure(51);
  const SystemFile one(three_devices(), "1");
  const SystemFile two(changed, "2");
  VirtualTimeline timeline;
  const auto a = one.open("a", timeline);
  EXPECT_EQ(a->facts().exact_fingerprint, one.open("a", timeline)->facts().exact_fingerprint);
  EXPECT_NE(a->facts().exact_fingerprint, one.open("b", timeline)->facts().exact_fingerprint);
  EXPECT_NE(a->facts().exact_fingerprint, two.open("a", timeline)->facts().exact_fingerprint);
  EXPECT_EQ(a->facts().family_fingerprint, two.open("a", timeline)->facts().family_fingerprint);
}

TEST(SimProvider, RefusesWhatMakesNoSense) {
  const SystemFile file(three_devices());
  const std::string a = "sim:" + file.path() + "/a";
  EXPECT_EQ(code_of(a), ExitCode::kDone);
  EXPECT_EQ(code_of(a + "?compute=none"), ExitCode::kDone);
  EXPECT_EQ(code_of("sim"), ExitCode::kUsage);
  EXPECT_EQ(code_of("sim:npu"), ExitCode::kUsage);
  EXPECT_EQ(code_of("sim:/npu"), ExitCode::kUsage);
  EXPECT_EQ(code_of("sim:test-npu/"), ExitCode::kUsage);
  EXPECT_EQ(code_of(a + "?compute=quantum"), ExitCode::kUsage);
  EXPECT_EQ(code_of(a + "?speed=2"), ExitCode::kUsage);
  EXPECT_EQ(code_of(a + "?host=0-1"), ExitCode::kUsage);
  EXPECT_EQ(code_of(a + "?host=x"), ExitCode::kUsage);
  EXPECT_EQ(code_of(a + "@0"), ExitCode::kUsage);
  EXPECT_EQ(code_of(a + "?sizes=1.32"), ExitCode::kUsage) << "a dynamic device";
  EXPECT_EQ(code_of("sim:test-npu/npu?sizes=32.1"), ExitCode::kUsage);
  EXPECT_EQ(code_of("sim:no-such-phone/npu"), ExitCode::kEnvironment);
  EXPECT_EQ(code_of("sim:" + file.path() + "/z"), ExitCode::kEnvironment);
  EXPECT_EQ(code_of("sim:" + testing::TempDir() + "no-such-file.json/npu"), ExitCode::kEnvironment);
}

TEST(SimProvider, GraphsAreOfTheSizesThatAreAskedFor) {
  VirtualTimeline timeline;
  const auto usual = open_text("sim:test-npu/npu", timeline);
  const auto other = open_text("sim:test-npu/npu?sizes=1.37", timeline);
  EXPECT_EQ(other->facts().standard_sizes, (std::vector<std::int64_t>{1, 37}));
  EXPECT_EQ(other->facts().id, usual->facts().id);
  EXPECT_NE(other->facts().exact_fingerprint, usual->facts().exact_fingerprint);
}

TEST(SimProvider, AFileThatIsNoProfileIsUnusableInput) {
  const std::string path = testing::TempDir() + "hetero-sim-broken-" + std::to_string(getpid()) + ".json";
  std::ofstream(path) << "{\"schema\": 12";
  VirtualTimeline timeline;
  try {
    open_text("sim:" + path + "/npu", timeline);
    ADD_FAILURE() << "a broken document was read";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnusableInput) << error.what();
  }
  std::remove(path.c_str());
}

TEST(SimProvider, EveryShippedDeviceOpensAsItIsDescribed) {
  std::set<std::string> ids;
  for (const DeviceDescription& described : sim_provider().discover()) {
    SCOPED_TRACE(described.id);
    EXPECT_TRUE(described.usable) << described.why_not;
    EXPECT_EQ(described.name.rfind("simulated ", 0), 0U) << described.name;
    EXPECT_TRUE(ids.insert(described.id).second);
    VirtualTimeline timeline;
    const auto device = open_text(described.id, timeline);
    EXPECT_EQ(device->facts().id, described.id);
    EXPECT_EQ(device->facts().kind, described.kind);
    EXPECT_EQ(device->facts().memory_bytes, described.memory_bytes);
  }
  EXPECT_TRUE(ids.contains("sim:snapdragon-8-gen-3/npu"));
  EXPECT_TRUE(ids.contains("sim:snapdragon-8-gen-3/gpu"));
  EXPECT_TRUE(ids.contains("sim:test-npu/npu"));
}

}  // namespace
}  // namespace hetero
