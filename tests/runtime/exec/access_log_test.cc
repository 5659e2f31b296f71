#include "runtime/exec/access_log.h"

#include <gtest/gtest.h>

namespace hetero {
namespace {

Region region(std::int64_t row0, std::int64_t rows, std::int64_t col0, std::int64_t cols) {
  return {0, row0, rows, col0, cols};
}

TEST(AccessLog, AReadSeesTheWritesThatItOverlaps) {
  AccessLog log(1);
  log.record_write(region(0, 8, 0, 4), 0, 10);
  log.record_write(region(0, 8, 4, 4), 1, 11);
  EXPECT_EQ(log.seen_by_read(region(2, 1, 0, 4)).size(), 1U);
  EXPECT_EQ(log.seen_by_read(region(2, 1, 3, 2)).size(), 2U);
  EXPECT_TRUE(log.seen_by_read(region(8, 1, 0, 8)).empty());
}

TEST(AccessLog, AWriteComesAfterEarlierReadsAndWrites) {
  AccessLog log(1);
  log.record_write(region(0, 4, 0, 4), 0, 1);
  log.record_read(region(0, 4, 0, 4), 1, 2);
  EXPECT_EQ(log.before_write(region(1, 1, 1, 1)).size(), 2U);
}

TEST(AccessLog, AWriteHidesWhatItCovers) {
  AccessLog log(1);
  log.record_write(region(0, 4, 0, 4), 0, 1);
  log.record_read(region(1, 1, 0, 4), 1, 2);
  log.record_write(region(0, 4, 0, 4), 1, 3);
  const auto seen = log.before_write(region(0, 4, 0, 4));
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].segment, 3);
}

TEST(AccessLog, AReadSeesOnlyTheLastWriterOfEachPlace) {
  AccessLog log(1);
  log.record_write(region(0, 8, 0, 8), 0, 1);
  log.record_write(region(2, 3, 4, 2), 1, 2);  // a hole in the middle
  const auto seen = log.seen_by_read(region(0, 8, 0, 8));
  std::vector<std::vector<int>> writers(8, std::vector<int>(8, 0));
  for (const AccessLog::Access& write : seen) {
    for (std::int64_t row = write.region.row0; row < write.region.row0 + write.region.rows; ++row) {
      for (std::int64_t col = write.region.col0; col < write.region.col0 + write.region.cols; ++col) {
        int& writer = writers[static_cast<std::size_t>(row)][static_cast<std::size_t>(col)];
        EXPECT_EQ(writer, 0) << "two writers at " << row << ", " << col;
        writer = write.segment;
      }
    }
  }
  for (int row = 0; row < 8; ++row) {
    for (int col = 0; col < 8; ++col) {
      const bool hole = row >= 2 && row < 5 && col >= 4 && col < 6;
      EXPECT_EQ(writers[static_cast<std::size_t>(row)][static_cast<std::size_t>(col)], hole ? 2 : 1);
    }
  }
}

TEST(AccessLog, IntersectionIsTheCommonRectangle) {
  EXPECT_EQ(intersection(region(0, 4, 2, 6), region(3, 9, 0, 4)), region(3, 1, 2, 2));
}

}  // namespace
}  // namespace hetero
