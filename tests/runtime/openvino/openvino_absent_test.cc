// The provider in a build without OpenVINO.
#include <gtest/gtest.h>

#include "base/error.h"
#include "runtime/device/openvino/openvino_provider.h"

namespace hetero {
namespace {

TEST(OpenVinoAbsent, SaysInOneLineWhatWouldAddIt) {
  const std::vector<DeviceDescription> found = openvino_provider().discover();
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].usable);
  EXPECT_NE(found[0].why_not.find("scripts/setup_openvino.sh"), std::string::npos) << found[0].why_not;
  EXPECT_EQ(found[0].why_not.find('\n'), std::string::npos);
}

TEST(OpenVinoAbsent, OpeningIsAnEnvironmentErrorWithTheRemedy) {
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  try {
    openvino_provider().open(parse_device_spec("openvino:NPU"), context);
    FAIL() << "a device was opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    EXPECT_NE(std::string(error.what()).find("scripts/setup_openvino.sh"), std::string::npos) << error.what();
  }
}

TEST(OpenVinoAbsent, TheDevicesThemselvesAreNotTested) {
  GTEST_SKIP() << "this build has no OpenVINO: scripts/setup_openvino.sh, then configure again";
}

}  // namespace
}  // namespace hetero
