// The published test values of FNV-1a, 64 bits.
#include "base/fingerprint.h"

#include <gtest/gtest.h>

namespace hetero {
namespace {

TEST(Fingerprint, KnownValues) {
  EXPECT_EQ(fingerprint_text(""), "cbf29ce484222325");
  EXPECT_EQ(fingerprint_text("a"), "af63dc4c8601ec8c");
  EXPECT_EQ(fingerprint_text("foobar"), "85944171f73967e8");
}

TEST(Fingerprint, PiecesChain) {
  EXPECT_EQ(fingerprint_of("bar", 3, fingerprint_of("foo", 3)), fingerprint_of("foobar", 6));
}

}  // namespace
}  // namespace hetero
