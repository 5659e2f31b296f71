#include "profiles/plan.h"

#include <gtest/gtest.h>

#include "tests/profiles/bad_documents.h"

namespace hetero {
namespace {

// Every strategy, a layer of its own, a verdict.
Plan rich_plan() {
  Plan plan = single_device_plan("cpu:0", "tuned");
  plan.model_fingerprint = "0123456789abcdef";
  plan.devices = {"cpu:0", "opencl:0@1", "sim:test-npu/npu"};
  plan.device_fingerprints = {{"cpu:0", "aa"}, {"opencl:0@1", "bb"}};
  plan.memory_bytes = {{"cpu:0", std::uint64_t{5} << 32}};
  plan.waiters = {{"opencl:0@1", "sleep_poll"}};
  plan.graph_sizes = {{"sim:test-npu/npu", {1, 32, 256}}};
  PlanBucket decode = plan.buckets[1];
  decode.predicted_ns = 1e6 / 3;
  PlanBucket prefill = plan.buckets[0];
  prefill.tokens = 256;
  prefill.predicted_ns = 123456789.25;
  const std::vector<Share> thirds = {{"cpu:0", 1.0 / 3}, {"opencl:0@1", 2.0 / 3}};
  const auto set = [&](BlockKind block, Strategy strategy, std::vector<Share> features, std::vector<Share> rows) {
    for (BlockPlan& entry : prefill.blocks) {
      if (entry.block == block) {
        entry = {.block = block, .strategy = strategy, .features = features, .rows = rows, .predicted_ns = 12.5};
      }
    }
  };
  set(BlockKind::kAttentionIn, Strategy::kRows, thirds, {});
  set(BlockKind::kAttention, Strategy::kSequence, {}, {{"sim:test-npu/npu", 0.5}, {"cpu:0", 0.5}});
  set(BlockKind::kAttentionOut, Strategy::kHybrid, thirds, {{"cpu:0", 0.25}, {"opencl:0@1", 0.75}});
  set(BlockKind::kFfnIn, Strategy::kPaired, thirds, {});
  set(BlockKind::kFfnOut, Strategy::kPaired, thirds, {});
  set(BlockKind::kHead, Strategy::kPad, {{"sim:test-npu/npu", 1}}, {});
  prefill.blocks.push_back(
      {.block = BlockKind::kHead, .layer = 3, .strategy = Strategy::kSingle, .features = {{"cpu:0", 1}}, .rows = {}});
  prefill.graph_sizes = {{"sim:test-npu/npu", {1, 32}}};
  prefill.verdict = {.adopted = true,
                     .best_single = "cpu:0",
                     .plan_over_single = 0.625,
                     .noise = 0.01,
                     .reason = "won by more than the noise"};
  plan.buckets = {decode, prefill};
  return plan;
}

void expect_bad(const Plan& plan, const std::string& part_of_message) {
  try {
    check(plan);
    ADD_FAILURE() << "accepted; expected: " << part_of_message;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnusableInput);
    EXPECT_NE(std::string(error.what()).find(part_of_message), std::string::npos) << error.what();
  }
}

TEST(Plan, RoundTrip) {
  const Plan plan = rich_plan();
  EXPECT_NO_THROW(check(plan));
  EXPECT_EQ(plan_from_json(to_json(plan)), plan);
  const Plan single = single_device_plan("opencl:0", "guess");
  EXPECT_EQ(plan_from_json(to_json(single)), single);
}

TEST(Plan, BadDocuments) {
  expect_sturdy([](const std::string& text) { plan_from_json(text); }, to_json(rich_plan()));
}

TEST(Plan, NamesOfStrategies) {
  for (int i = 0; i < kStrategies; ++i) {
    EXPECT_EQ(strategy_from_name(name_of(static_cast<Strategy>(i))), static_cast<Strategy>(i));
  }
  EXPECT_THROW(strategy_from_name("row"), Error);
}

TEST(Plan, BucketForAStep) {
  Plan plan = rich_plan();
  PlanBucket small = plan.buckets[1];
  small.tokens = 32;
  plan.buckets.insert(plan.buckets.begin() + 1, small);
  check(plan);
  EXPECT_EQ(bucket_for(plan, Phase::kPrefill, 1)->tokens, 32);
  EXPECT_EQ(bucket_for(plan, Phase::kPrefill, 32)->tokens, 32);
  EXPECT_EQ(bucket_for(plan, Phase::kPrefill, 33)->tokens, 256);
  EXPECT_EQ(bucket_for(plan, Phase::kPrefill, 5000)->tokens, 256);
  EXPECT_EQ(bucket_for(plan, Phase::kDecode, 1)->phase, Phase::kDecode);
  EXPECT_EQ(bucket_for(Plan{}, Phase::kDecode, 1), nullptr);
}

TEST(Plan, EntryForABlock) {
  const Plan plan = rich_plan();
  const PlanBucket& bucket = plan.buckets[1];
  EXPECT_EQ(block_plan_for(bucket, BlockKind::kHead, 3)->strategy, Strategy::kSingle);
  EXPECT_EQ(block_plan_for(bucket, BlockKind::kHead, 2)->strategy, Strategy::kPad);
  EXPECT_EQ(block_plan_for(PlanBucket{}, BlockKind::kHead, 2), nullptr);
}

TEST(Plan, CheckFindsWhatIsWrong) {
  const auto with = [](auto change) {
    Plan plan = rich_plan();
    change(plan);
    return plan;
  };
  const auto entry = [](Plan& plan, BlockKind block) -> BlockPlan& {
    for (BlockPlan& candidate : plan.buckets[1].blocks) {
      if (candidate.block == block) return candidate;
    }
    throw std::logic_error("no such block");
  };
  expect_bad(with([](Plan& p) { p.devices.clear(); }), "names no device");
  expect_bad(with([](Plan& p) { p.devices.push_back("cpu:0"); }), "listed twice");
  expect_bad(with([](Plan& p) { p.buckets.clear(); }), "no buckets");
  expect_bad(with([](Plan& p) { p.graph_sizes["gpu"] = {1}; }), "not among");
  for (const std::vector<std::int64_t>& sizes : {std::vector<std::int64_t>{}, {32, 32}, {64, 32}, {0, 32}}) {
    expect_bad(with([&](Plan& p) { p.graph_sizes["cpu:0"] = sizes; }), "not ascending row counts");
  }
  expect_bad(with([](Plan& p) { p.buckets[1].tokens = 0; }), "at least 1");
  expect_bad(with([](Plan& p) { std::swap(p.buckets[0], p.buckets[1]); }), "ascending");
  expect_bad(with([](Plan& p) { p.buckets.push_back(p.buckets.back()); }), "two such buckets");
  expect_bad(with([](Plan& p) { p.buckets[0].blocks.pop_back(); }), "no entry for head");
  expect_bad(with([](Plan& p) { p.buckets[0].blocks.push_back(p.buckets[0].blocks[0]); }), "two entries");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttentionIn).features[0].fraction = 0.5; }), "add up");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttentionIn).features[0].fraction = NAN; }), "not above 0");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttentionIn).features[0].fraction = -1; }), "not above 0");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttentionIn).features[1].device = "cpu:0"; }), "two shares");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttentionIn).features[0].device = "gpu"; }), "not among");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttentionIn).features.clear(); }), "add up");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttentionIn).strategy = Strategy::kSingle; }), "exactly one");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kAttention).strategy = Strategy::kRows; }), "divide rows");
  expect_bad(with([&](Plan& p) {
               entry(p, BlockKind::kFfnOut).features = {{"cpu:0", 0.5}, {"opencl:0@1", 0.5}};
             }),
             "same shares");
  expect_bad(with([&](Plan& p) { entry(p, BlockKind::kFfnOut).strategy = Strategy::kRows; }), "same shares");
  expect_bad(with([](Plan& p) { p.buckets[1].graph_sizes = {{"gpu", {32}}}; }), "graph_sizes names device");
  expect_bad(with([](Plan& p) { p.buckets[1].graph_sizes = {{"cpu:0", {}}}; }), "not ascending");
  expect_bad(with([](Plan& p) { p.buckets[1].graph_sizes = {{"cpu:0", {64, 32}}}; }), "not ascending");
  // A layer of its own breaks the pair of that layer only.
  expect_bad(
      with([](Plan& p) {
        p.buckets[1].blocks.push_back({.block = BlockKind::kFfnIn, .layer = 1, .features = {{"cpu:0", 1}}, .rows = {}});
      }),
      "same shares");
}

}  // namespace
}  // namespace hetero
