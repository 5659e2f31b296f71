// Division of work: every element exactly once, whatever the numbers.
#include "kernels/work_split.h"

#include <gtest/gtest.h>

#include <vector>

namespace hetero {
namespace {

TEST(WorkSplit, SharesTileTheWhole) {
  for (const std::int64_t total : {0, 1, 7, 64, 577}) {
    for (const std::int64_t grain : {1, 4, 64}) {
      for (const int workers : {1, 2, 3, 16}) {
        std::int64_t at = 0;
        for (int w = 0; w < workers; ++w) {
          const WorkRange share = work_share(total, w, workers, grain);
          EXPECT_EQ(share.begin, at);
          EXPECT_GE(share.end, share.begin);
          EXPECT_TRUE(share.end % grain == 0 || share.end == total);
          at = share.end;
        }
        EXPECT_EQ(at, total);
      }
    }
  }
}

TEST(WorkSplit, PiecesTileTheMatrix) {
  for (const std::int64_t m : {1, 2, 5}) {
    for (const std::int64_t n : {1, 16, 17, 100}) {
      for (const int workers : {1, 3, 8}) {
        std::vector<int> visits(static_cast<std::size_t>(m * n));
        for (int w = 0; w < workers; ++w) {
          for_each_row(piece_of(m, n, w, workers, 16), [&](std::int64_t row, std::int64_t c0, std::int64_t c1) {
            for (std::int64_t c = c0; c < c1; ++c) ++visits[static_cast<std::size_t>(row * n + c)];
          });
        }
        EXPECT_EQ(visits, std::vector<int>(visits.size(), 1)) << m << " x " << n << " by " << workers;
      }
    }
  }
}

}  // namespace
}  // namespace hetero
