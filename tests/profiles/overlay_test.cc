// A user's figures lie over those of a shipped profile; what the user's document leaves out stays.
#include <gtest/gtest.h>

#include "base/error.h"
#include "profiles/device_profile.h"

namespace hetero {
namespace {

constexpr const char* kMine = R"({"schema": "hetero.system_profile", "version": 1, "name": "mine", "devices": [
  {"device": "test-npu/npu", "kind": "npu",
   "join_ns": {"poll": {"value": 77, "provenance": "measured"}},
   "ops": [{"kind": "rope", "fixed_ns": {"value": 5, "provenance": "measured"},
            "ns_per_unit": {"value": 6, "provenance": "measured"}}]},
  {"device": "test-npu/other", "kind": "cpu"}]})";

TEST(Overlay, FiguresOfTheUpperDocumentCount) {
  const SystemProfile base = system_profile_from_json(*shipped_system_profile("test-npu"));
  const SystemProfile both = system_profile_from_json(overlay(*shipped_system_profile("test-npu"), kMine));
  EXPECT_EQ(both.name, "mine");
  ASSERT_EQ(both.devices.size(), base.devices.size() + 1);
  const auto npu = [](const SystemProfile& system) {
    for (const DeviceProfile& device : system.devices) {
      if (device.device == "test-npu/npu") return device;
    }
    return DeviceProfile{};
  };
  DeviceProfile expected = npu(base);
  ASSERT_FALSE(expected.matmul.empty());
  expected.join_ns["poll"] = {77, 0, Provenance::kMeasured, ""};
  for (OpCurve& op : expected.ops) {
    if (op.kind == OpKind::kRope) {
      op.fixed_ns = {5, 0, Provenance::kMeasured, ""};
      op.ns_per_unit = {6, 0, Provenance::kMeasured, ""};
    }
  }
  EXPECT_EQ(npu(both), expected);
}

TEST(Overlay, OverItselfChangesNothing) {
  for (const std::string& name : shipped_system_profile_names()) {
    const std::string& document = *shipped_system_profile(name);
    EXPECT_EQ(system_profile_from_json(overlay(document, document)), system_profile_from_json(document)) << name;
  }
}

TEST(Overlay, RefusesWhatIsNoProfile) {
  EXPECT_THROW(overlay(*shipped_system_profile("test-npu"), "{}"), Error);
  EXPECT_THROW(overlay("[]", kMine), Error);
}

}  // namespace
}  // namespace hetero
