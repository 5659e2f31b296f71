#include "runtime/exec/schedule.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "tests/runtime/exec/tiny_graph.h"

namespace hetero {
namespace {

class ScheduleTest : public testing::Test {
 protected:
  ScheduleTest() : model_(DType::kF32, 1), arena_(model_.graph(), {64, 64, 128, 0, 2}) {
    a_.id = "a";
    b_.id = "b";
    a_.feature_align = b_.feature_align = 8;
  }

  Schedule schedule(Strategy strategy, std::int64_t rows) const {
    PlanBucket bucket;
    for (int k = 0; k < kBlockKinds; ++k) {
      BlockPlan block;
      block.block = static_cast<BlockKind>(k);
      block.strategy = block.block == BlockKind::kHead && strategy == Strategy::kPaired ? Strategy::kRows : strategy;
      block.features = {{"a", 0.5}, {"b", 0.5}};
      if (strategy == Strategy::kSingle) block.features = {{"a", 1}};
      if (strategy == Strategy::kSequence) block.rows = block.features;
      bucket.blocks.push_back(block);
    }
    return build_schedule(model_.graph(), arena_, bucket, rows, LogitsRows::kLast, {&a_, &b_});
  }

  TinyGraph model_;
  StepArena arena_;
  DeviceFacts a_, b_;
};

// Attention on a alone, then divided work: what b waits for must end before a's part of that work.
TEST_F(ScheduleTest, ADevicesOwnPartDoesNotDelayTheInputOfTheOthers) {
  PlanBucket bucket;
  for (int k = 0; k < kBlockKinds; ++k) {
    BlockPlan block;
    block.block = static_cast<BlockKind>(k);
    const bool whole = block.block == BlockKind::kAttentionIn || block.block == BlockKind::kAttention;
    block.strategy = whole ? Strategy::kSingle : Strategy::kRows;
    block.features = whole ? std::vector<Share>{{"a", 1}} : std::vector<Share>{{"a", 0.5}, {"b", 0.5}};
    bucket.blocks.push_back(block);
  }
  const Schedule s = build_schedule(model_.graph(), arena_, bucket, 1, LogitsRows::kLast, {&a_, &b_});
  int divided_after_attention = 0;
  for (const ScheduledSegment& segment : s.segments) {
    if (segment.device != 1) continue;
    for (const int earlier : segment.waits_on) {
      const std::vector<Op>& ops = s.segments[static_cast<std::size_t>(earlier)].segment.ops;
      if (std::none_of(ops.begin(), ops.end(), [](const Op& op) { return op.desc.kind == OpKind::kAttention; }))
        continue;
      ++divided_after_attention;
      EXPECT_EQ(ops.back().desc.kind, OpKind::kAttention)
          << s.segments[static_cast<std::size_t>(earlier)].segment.label;
    }
  }
  EXPECT_EQ(divided_after_attention, model_.graph().layers);
}

TEST_F(ScheduleTest, ABucketMayLeaveGraphSizesOut) {
  a_.standard_sizes = {1, 8, 16};
  const auto rows_of = [&](const std::vector<std::int64_t>& sizes) {
    PlanBucket bucket;
    for (int k = 0; k < kBlockKinds; ++k) {
      BlockPlan block;
      block.block = static_cast<BlockKind>(k);
      block.features = {{"a", 1}};
      bucket.blocks.push_back(block);
    }
    if (!sizes.empty()) bucket.graph_sizes["a"] = sizes;
    const Schedule s = build_schedule(model_.graph(), arena_, bucket, 24, LogitsRows::kNone, {&a_, &b_});
    std::set<std::int64_t> rows;
    for (const ScheduledSegment& segment : s.segments) {
      for (const Op& op : segment.segment.ops) rows.insert(op.desc.m);
    }
    return rows;
  };
  EXPECT_EQ(rows_of({}), (std::set<std::int64_t>{8, 16}));
  EXPECT_EQ(rows_of({1, 8}), std::set<std::int64_t>{8});
  EXPECT_EQ(rows_of({16}), std::set<std::int64_t>{16}) << "the second padded";
  EXPECT_THROW(rows_of({32}), Error) << "the device has no such graph";
}

TEST_F(ScheduleTest, SingleIsOneSegmentWithoutJoins) {
  const Schedule s = schedule(Strategy::kSingle, 16);
  EXPECT_EQ(s.segments.size(), 1U);
  EXPECT_EQ(s.joins(), 0);
}

TEST_F(ScheduleTest, PairedHalvesTheJoinsOfRowsAndMore) {
  const int layers = model_.graph().layers;
  const Schedule rows = schedule(Strategy::kRows, 16);
  const Schedule paired = schedule(Strategy::kPaired, 16);
  // Both devices wait at each join; the first block of a step waits for nobody. Rows: five joins a layer and the
  // head's, less those that the division by whole heads spares. Paired: two a layer.
  EXPECT_EQ(paired.joins(), 2 * (2 * layers));
  EXPECT_GT(rows.joins(), 2 * (3 * layers));
  EXPECT_LE(rows.joins(), 2 * (5 * layers));
}

TEST_F(ScheduleTest, PairedBlocksAreTwoSubmissionsALayerAndDevice) {
  // Attention and feed-forward of each layer, and the head: what another device waits for ends a segment, nothing else.
  const Schedule s = schedule(Strategy::kPaired, 16);
  EXPECT_EQ(s.segments.size(), static_cast<std::size_t>(2 * (2 * model_.graph().layers + 1)));
}

TEST_F(ScheduleTest, TheFirstRowsOfASequenceNeverWait) {
  const Schedule s = schedule(Strategy::kSequence, 32);
  // The head runs on the last row: its rows are b's, or a's when rounding says so; all before depends one way only.
  for (const ScheduledSegment& segment : s.segments) {
    const bool head = segment.segment.ops.back().out.tensor == s.logits_region.tensor;
    if (segment.device == 0 && !head) {
      EXPECT_TRUE(segment.waits_on.empty()) << segment.segment.label;
    }
  }
}

TEST_F(ScheduleTest, DependenciesPointBackwardsToOtherDevicesOnce) {
  for (const Strategy strategy : {Strategy::kRows, Strategy::kSequence, Strategy::kPaired}) {
    const Schedule s = schedule(strategy, 32);
    for (std::size_t i = 0; i < s.segments.size(); ++i) {
      std::set<int> seen;
      for (const int earlier : s.segments[i].waits_on) {
        EXPECT_LT(earlier, static_cast<int>(i));
        EXPECT_NE(s.segments[static_cast<std::size_t>(earlier)].device, s.segments[i].device);
        EXPECT_TRUE(seen.insert(earlier).second);
      }
    }
  }
}

TEST_F(ScheduleTest, ExchangesAreExportedAndImported) {
  const Schedule s = schedule(Strategy::kRows, 8);
  for (const ScheduledSegment& segment : s.segments) {
    for (const Region& in : segment.segment.imports) {
      // Written by the host (the embeddings), or exported by another device's earlier segment.
      bool found = in.tensor == arena_.residual(0);
      for (const ScheduledSegment& other : s.segments) {
        for (const Region& out : other.segment.exports) found = found || (other.device != segment.device && out == in);
      }
      EXPECT_TRUE(found) << segment.segment.label;
    }
  }
}

}  // namespace
}  // namespace hetero
