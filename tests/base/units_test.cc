// Durations and sizes from flags and for people.
#include "base/units.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hetero {
namespace {

TEST(Units, Durations) {
  EXPECT_EQ(parse_duration("60s"), std::chrono::seconds(60));
  EXPECT_EQ(parse_duration("1.5m"), std::chrono::seconds(90));
  EXPECT_EQ(parse_duration("250ms"), std::chrono::milliseconds(250));
  EXPECT_EQ(parse_duration("10us"), std::chrono::microseconds(10));
  EXPECT_EQ(parse_duration("5ns"), Nanos(5));
  EXPECT_EQ(parse_duration("2h"), std::chrono::hours(2));
  EXPECT_EQ(parse_duration("0s"), Nanos(0));
}

TEST(Units, Sizes) {
  EXPECT_EQ(parse_bytes("512B"), 512U);
  EXPECT_EQ(parse_bytes("64KiB"), 65536U);
  EXPECT_EQ(parse_bytes("1.5GiB"), 1610612736U);
  EXPECT_EQ(parse_bytes("2GB"), 2000000000U);
}

TEST(Units, WhatIsNoMeasureIsAUsageErrorWithAnExample) {
  for (const char* text : {"", "60", "s", "-1s", "1e999s", "nans", "infs", "60 s", "60s ", "60S", "9e300h", "1days"}) {
    try {
      parse_duration(text);
      ADD_FAILURE() << "'" << text << "' was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_NE(std::string(error.what()).find("60s"), std::string::npos);
    }
  }
  for (const char* text : {"", "1", "GiB", "-1B", "1TiB", "1gib", "1e30GB"})
    EXPECT_THROW(parse_bytes(text), Error) << text;
}

TEST(Units, Printing) {
  EXPECT_EQ(format_duration_ns(0), "0.00 ns");
  EXPECT_EQ(format_duration_ns(1250000), "1.25 ms");
  EXPECT_EQ(format_duration_ns(12500), "12.5 us");
  EXPECT_EQ(format_duration_ns(125e9), "125 s");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(800063488), "763 MiB");
  EXPECT_EQ(format_bytes(std::uint64_t{3} << 30), "3.00 GiB");
}

}  // namespace
}  // namespace hetero
