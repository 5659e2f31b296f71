#include "runtime/exec/partition.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace hetero {
namespace {

class Partition : public testing::Test {
 protected:
  Partition() {
    cpu_.id = "cpu";
    npu_.id = "npu";
    npu_.standard_sizes = {1, 32, 64, 128, 256};
  }
  std::vector<Part> parts(const BlockPlan& plan, std::int64_t m) const { return expand(plan, m, {&cpu_, &npu_}); }

  // Every (row, feature) of the step belongs to exactly one part.
  void expect_exact_cover(const BlockPlan& plan, std::int64_t m) const {
    constexpr int kFeatures = 40;
    std::vector<int> count(static_cast<std::size_t>(m * kFeatures));
    for (const Part& part : parts(plan, m)) {
      EXPECT_GE(part.padded_rows, part.rows);
      for (std::int64_t r = part.row0; r < part.row0 + part.rows; ++r) {
        for (int f = 0; f < kFeatures; ++f) {
          const double middle = (f + 0.5) / kFeatures;
          if (middle >= part.f0 && middle < part.f1) ++count[static_cast<std::size_t>(r * kFeatures + f)];
        }
      }
    }
    for (const int c : count) ASSERT_EQ(c, 1) << "m " << m << " strategy " << name_of(plan.strategy);
  }

  DeviceFacts cpu_;
  DeviceFacts npu_;
};

TEST_F(Partition, EveryStrategyCoversEveryLengthExactlyOnce) {
  const std::vector<Share> both = {{"npu", 0.6}, {"cpu", 0.4}};
  const std::vector<BlockPlan> plans = {
      {BlockKind::kFfnIn, -1, Strategy::kSingle, {{"npu", 1}}, {}, 0},
      {BlockKind::kFfnIn, -1, Strategy::kRows, both, {}, 0},
      {BlockKind::kFfnIn, -1, Strategy::kSequence, {}, both, 0},
      {BlockKind::kFfnIn, -1, Strategy::kHybrid, both, both, 0},
      {BlockKind::kFfnIn, -1, Strategy::kPad, {{"npu", 1}}, {}, 0},
      {BlockKind::kFfnIn, -1, Strategy::kPaired, both, {}, 0},
  };
  for (const BlockPlan& plan : plans) {
    for (std::int64_t m = 1; m <= 600; m += m < 70 ? 1 : 13) expect_exact_cover(plan, m);
  }
}

TEST_F(Partition, StaticDevicesGetStandardSizesOnly) {
  const BlockPlan plan{BlockKind::kFfnIn, -1, Strategy::kSequence, {}, {{"npu", 0.853}, {"cpu", 0.147}}, 0};
  const std::vector<Part> p = parts(plan, 300);
  ASSERT_EQ(p.size(), 2U);
  EXPECT_EQ(p[0].padded_rows, 256);
  EXPECT_EQ(p[1].rows, 44);  // the paper's example: 300 = 256 on the NPU + 44 on the GPU
  EXPECT_EQ(p[1].device, 0);
}

TEST_F(Partition, PadTakesTheNextSizeUp) {
  const BlockPlan plan{BlockKind::kFfnIn, -1, Strategy::kPad, {{"npu", 1}}, {}, 0};
  EXPECT_EQ(parts(plan, 100)[0].padded_rows, 128);
  EXPECT_EQ(parts(plan, 128)[0].padded_rows, 128);
  EXPECT_EQ(parts(plan, 1)[0].padded_rows, 1);
  EXPECT_EQ(parts(plan, 300).size(), 2U) << "above the largest size: 256 and a padded 64";
}

TEST_F(Partition, ColumnRangesMeetAndEndAtTheTensorsEnd) {
  for (const std::int64_t cols : {1, 31, 32, 97, 576, 1536}) {
    std::int64_t end = 0;
    const double cuts[] = {0, 0.1, 0.33, 0.34, 0.9, 1};
    for (int i = 0; i + 1 < 6; ++i) {
      const ColumnRange r = split_columns(cuts[i], cuts[i + 1], cols, 32);
      EXPECT_EQ(r.c0, end);
      EXPECT_TRUE(r.c1 % 32 == 0 || r.c1 == cols);
      end = r.c1;
    }
    EXPECT_EQ(end, cols);
  }
}

TEST_F(Partition, UnknownDeviceIsNamed) {
  const BlockPlan plan{BlockKind::kFfnIn, -1, Strategy::kSingle, {{"gpu", 1}}, {}, 0};
  try {
    parts(plan, 4);
    FAIL() << "a device that is not open was accepted";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("'gpu'"), std::string::npos);
  }
}

}  // namespace
}  // namespace hetero
