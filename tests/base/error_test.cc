// Errors carry their exit code, and what to do about them in the same line.
#include "base/error.h"

#include <gtest/gtest.h>

namespace hetero {
namespace {

TEST(Error, CodesAreTheCommandLineContract) {
  EXPECT_EQ(static_cast<int>(usage_error("x").code()), 2);
  EXPECT_EQ(static_cast<int>(environment_error("x").code()), 3);
  EXPECT_EQ(static_cast<int>(input_error("x").code()), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::kCheckFailed), 1);
}

TEST(Error, RemedyFollows) {
  EXPECT_STREQ(input_error("bad file", "fetch it again").what(), "bad file; fetch it again");
  EXPECT_STREQ(input_error("bad file").what(), "bad file");
}

}  // namespace
}  // namespace hetero
