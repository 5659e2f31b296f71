// Shares follow from the rates at which devices ran.
#include "tuner/gate/balance.h"

#include <gtest/gtest.h>

namespace hetero {
namespace {

PlanBucket bucket_of(Strategy strategy, double first) {
  PlanBucket bucket;
  bucket.tokens = 256;
  for (int kind = 0; kind < kBlockKinds; ++kind) {
    BlockPlan block;
    block.block = static_cast<BlockKind>(kind);
    block.strategy = strategy;
    const std::vector<Share> shares = {{"a", first}, {"b", 1 - first}};
    (strategy == Strategy::kSequence ? block.rows : block.features) = shares;
    bucket.blocks.push_back(block);
  }
  return bucket;
}

Span span_of(const std::string& device, double start, double end, std::vector<BlockKind> blocks) {
  Span span;
  span.device = device;
  span.blocks = std::move(blocks);
  span.submit_ns = start;
  span.start_ns = start;
  span.end_ns = end;
  return span;
}

double first_share(const PlanBucket& bucket, BlockKind kind) {
  const BlockPlan* const block = block_plan_for(bucket, kind, -1);
  return block->strategy == Strategy::kSequence ? block->rows[0].fraction : block->features[0].fraction;
}

TEST(Balance, MovesWorkToTheDeviceThatWaited) {
  Trace trace;
  // Half each, and "b" took three times as long: 3 to 1.
  trace.spans = {span_of("a", 0, 100, {BlockKind::kFfnIn}), span_of("b", 0, 300, {BlockKind::kFfnIn})};
  const auto moved = balanced(bucket_of(Strategy::kRows, 0.5), trace, {});
  ASSERT_TRUE(moved.has_value());
  EXPECT_DOUBLE_EQ(first_share(*moved, BlockKind::kFfnIn), 0.75);
  // Nothing is known of the others.
  EXPECT_DOUBLE_EQ(first_share(*moved, BlockKind::kHead), 0.5);
  EXPECT_DOUBLE_EQ(block_plan_for(*moved, BlockKind::kFfnIn, -1)->features[1].fraction, 0.25);
}

TEST(Balance, BlocksOfOneSegmentMoveTogether) {
  Trace trace;
  trace.spans = {span_of("a", 0, 100, {BlockKind::kFfnIn, BlockKind::kFfnOut}),
                 span_of("b", 0, 50, {BlockKind::kFfnIn}), span_of("b", 50, 100, {BlockKind::kFfnOut})};
  EXPECT_FALSE(balanced(bucket_of(Strategy::kSequence, 0.5), trace, {}).has_value());
  trace.spans[2].end_ns = 300;
  const auto moved = balanced(bucket_of(Strategy::kSequence, 0.5), trace, {});
  ASSERT_TRUE(moved.has_value());
  EXPECT_DOUBLE_EQ(first_share(*moved, BlockKind::kFfnIn), 0.75);
  EXPECT_DOUBLE_EQ(first_share(*moved, BlockKind::kFfnOut), 0.75);
}

TEST(Balance, APairedSpanMovesTogether) {
  Trace trace;
  trace.spans = {span_of("a", 0, 100, {BlockKind::kFfnIn}), span_of("b", 0, 100, {BlockKind::kFfnIn}),
                 span_of("a", 100, 200, {BlockKind::kFfnOut}), span_of("b", 100, 600, {BlockKind::kFfnOut})};
  const auto moved = balanced(bucket_of(Strategy::kPaired, 0.5), trace, {});
  ASSERT_TRUE(moved.has_value());
  EXPECT_DOUBLE_EQ(first_share(*moved, BlockKind::kFfnIn), 0.75);
  EXPECT_EQ(block_plan_for(*moved, BlockKind::kFfnIn, -1)->features,
            block_plan_for(*moved, BlockKind::kFfnOut, -1)->features);
}

TEST(Balance, TheLaunchCounts) {
  Trace trace;
  trace.spans = {span_of("a", 0, 300, {BlockKind::kHead}), span_of("b", 100, 300, {BlockKind::kHead})};
  trace.spans[1].submit_ns = 0;
  EXPECT_FALSE(balanced(bucket_of(Strategy::kRows, 0.5), trace, {}).has_value());
  trace.spans[1].submit_ns = 100;
  EXPECT_TRUE(balanced(bucket_of(Strategy::kRows, 0.5), trace, {}).has_value());
}

TEST(Balance, LeavesAloneWhatItCannotMove) {
  Trace trace;
  trace.spans = {span_of("a", 0, 100, {BlockKind::kFfnIn}), span_of("b", 0, 300, {BlockKind::kFfnIn})};
  // Rows of static devices are what their graphs add up to; their features move.
  EXPECT_FALSE(balanced(bucket_of(Strategy::kSequence, 0.5), trace, {"b"}).has_value());
  EXPECT_TRUE(balanced(bucket_of(Strategy::kRows, 0.5), trace, {"b"}).has_value());
  PlanBucket by_layer = bucket_of(Strategy::kRows, 0.5);
  by_layer.blocks.push_back(by_layer.blocks[3]);
  by_layer.blocks.back().layer = 1;
  EXPECT_FALSE(balanced(by_layer, trace, {}).has_value());
  // A device without a segment of the block.
  trace.spans.pop_back();
  EXPECT_FALSE(balanced(bucket_of(Strategy::kRows, 0.5), trace, {}).has_value());
  // Nothing left for one of them.
  trace.spans.push_back(span_of("b", 0, 100000, {BlockKind::kFfnIn}));
  EXPECT_FALSE(balanced(bucket_of(Strategy::kRows, 0.5), trace, {}).has_value());
}

TEST(Balance, SharesOfThreeAddUpToOne) {
  PlanBucket bucket = bucket_of(Strategy::kRows, 0.5);
  for (BlockPlan& block : bucket.blocks) block.features = {{"a", 0.3}, {"b", 0.3}, {"c", 0.4}};
  Trace trace;
  trace.spans = {span_of("a", 0, 70, {BlockKind::kFfnIn}), span_of("b", 0, 110, {BlockKind::kFfnIn}),
                 span_of("c", 0, 130, {BlockKind::kFfnIn})};
  const auto moved = balanced(bucket, trace, {});
  ASSERT_TRUE(moved.has_value());
  double sum = 0;
  for (const Share& share : block_plan_for(*moved, BlockKind::kFfnIn, -1)->features) sum += share.fraction;
  EXPECT_DOUBLE_EQ(sum, 1);
}

}  // namespace
}  // namespace hetero
