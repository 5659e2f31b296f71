// The no-harm gate on simulated devices: adopts what is faster, refuses what is not, on a clock without noise.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/model/decoder_graph.h"
#include "tests/tuner/run/run_fixture.h"
#include "tuner/fit/steps.h"
#include "tuner/gate/gate.h"
#include "tuner/gate/pair_timing.h"
#include "tuner/gate/single_steps.h"

namespace hetero {
namespace {

using namespace testing_sim;
using testing_run::small_shape;

// Heavy weights, so that dividing them is worth a join: 1 ns a weight is made 100.
SystemProfile heavy_system() {
  SystemProfile system = three_devices();
  for (DeviceProfile& p : system.devices) {
    p.slowdowns.clear();
    for (MatmulPoint& point : p.matmul[0].points) point.ns_per_weight = figure(100);
  }
  return system;
}

class GateSim : public testing::Test {
 protected:
  GateSim() : file_(heavy_system()), graph_(graph_from_shape(small_shape())) {
    for (const char* name : {"a", "b"}) devices_.push_back(file_.open(name, timeline_));
    for (const auto& device : devices_) ids_.push_back(device->facts().id);
  }

  // Weights by rows with this share on the first device, the rest on the second.
  Plan divided(double first) const {
    Plan plan = single_device_plan(ids_[0], "tuned");
    plan.devices = ids_;
    for (PlanBucket& bucket : plan.buckets) {
      for (BlockPlan& block : bucket.blocks) {
        if (block.block == BlockKind::kAttention) continue;
        block.strategy = Strategy::kRows;
        block.features = {{ids_[0], first}, {ids_[1], 1 - first}};
      }
      if (bucket.phase == Phase::kPrefill) bucket.tokens = 32;
    }
    return plan;
  }

  Plan judged(const Plan& candidate, const GateHooks& hooks = {}, const GateOptions& options = {}) {
    std::vector<Device*> pointers;
    for (const auto& device : devices_) pointers.push_back(device.get());
    Engine engine(graph_, timeline_, pointers, candidate, {64, 32, 1});
    const Plan result = gate(engine, candidate, alternatives_, options, hooks);
    EXPECT_EQ(engine.plan(), result);
    return result;
  }

  std::vector<Plan> alternatives_;
  SystemFile file_;
  VirtualTimeline timeline_;
  Graph graph_;
  std::vector<std::unique_ptr<Device>> devices_;
  std::vector<std::string> ids_;
};

TEST_F(GateSim, AdoptsAPlanThatIsFaster) {
  int samples = 0;
  GateHooks hooks;
  hooks.store = [&](const std::vector<Sample>& s) { samples += static_cast<int>(s.size()); };
  const Plan candidate = divided(0.5);
  const Plan result = judged(candidate, hooks);
  ASSERT_EQ(result.buckets.size(), candidate.buckets.size());
  for (std::size_t i = 0; i < result.buckets.size(); ++i) {
    ASSERT_TRUE(result.buckets[i].verdict.has_value());
    EXPECT_TRUE(result.buckets[i].verdict->adopted) << result.buckets[i].verdict->reason;
    // Two equal devices, and joins that cost little beside the weights.
    EXPECT_NEAR(result.buckets[i].verdict->plan_over_single, 0.5, 0.1);
    EXPECT_EQ(result.buckets[i].blocks, candidate.buckets[i].blocks);
  }
  EXPECT_EQ(samples, static_cast<int>(result.buckets.size()) * 5 * 2);
}

TEST_F(GateSim, TheFastestOfTheAlternativesIsJudged) {
  // By turns on one device and on the other: nothing at the same time.
  Plan candidate = divided(0.5);
  for (PlanBucket& bucket : candidate.buckets) {
    for (std::size_t b = 0; b < bucket.blocks.size(); ++b) {
      bucket.blocks[b].strategy = Strategy::kSingle;
      bucket.blocks[b].features = {{ids_[b % 2], 1}};
    }
  }
  alternatives_ = {single_device_plan(ids_[1], "tuned"), divided(0.9), divided(0.5), divided(0.5)};
  const Plan result = judged(candidate);
  for (const PlanBucket& bucket : result.buckets) {
    ASSERT_TRUE(bucket.verdict.has_value());
    EXPECT_TRUE(bucket.verdict->adopted) << bucket.verdict->reason;
    const PlanBucket* const fastest = bucket_for(alternatives_[2], bucket.phase, bucket.tokens);
    EXPECT_EQ(bucket.blocks, fastest->blocks);
  }
}

TEST_F(GateSim, MovesSharesThatWerePredictedWrongly) {
  // Two equal devices: three quarters on one of them is not where they are through together.
  const Plan result = judged(divided(0.75));
  for (const PlanBucket& bucket : result.buckets) {
    ASSERT_TRUE(bucket.verdict.has_value());
    EXPECT_NEAR(bucket.verdict->plan_over_single, 0.5, 0.1) << bucket.verdict->reason;
    EXPECT_NEAR(block_plan_for(bucket, BlockKind::kFfnIn, -1)->features[0].fraction, 0.5, 0.05);
  }
}

TEST_F(GateSim, RefusesAPlanThatIsSlower) {
  // The second device has its launch and joins to pay and next to nothing to do for it.
  SystemProfile system = heavy_system();
  for (DeviceProfile& p : system.devices) {
    p.launch_ns = figure(1e6);
    p.join_ns = {{"poll", figure(1e6)}};
  }
  const SystemFile dear(system, "dear");
  devices_.clear();
  ids_.clear();
  for (const char* name : {"a", "b"}) devices_.push_back(dear.open(name, timeline_));
  for (const auto& device : devices_) ids_.push_back(device->facts().id);
  for (const PlanBucket& bucket : judged(divided(0.5)).buckets) {
    ASSERT_TRUE(bucket.verdict.has_value());
    EXPECT_FALSE(bucket.verdict->adopted);
    EXPECT_GT(bucket.verdict->plan_over_single, 1);
    for (const BlockPlan& block : bucket.blocks) {
      EXPECT_EQ(block.strategy, Strategy::kSingle);
      EXPECT_EQ(block.features[0].device, bucket.verdict->best_single);
    }
  }
}

TEST_F(GateSim, WhatLostIsTriedWithTheDivisionOfItsNeighbour) {
  Plan candidate = divided(0.5);
  for (std::size_t i = 0; i < candidate.buckets.size(); ++i) {
    if (candidate.buckets[i].phase != Phase::kPrefill) continue;
    PlanBucket shorter = candidate.buckets[i];
    shorter.tokens = 16;
    // From one device to the other and back: joins, and nothing at the same time.
    for (std::size_t b = 0; b < candidate.buckets[i].blocks.size(); ++b) {
      BlockPlan& block = candidate.buckets[i].blocks[b];
      block.strategy = Strategy::kSingle;
      block.features = {{ids_[b % 2], 1}};
    }
    candidate.buckets.push_back(shorter);
    break;
  }
  const Plan result = judged(candidate);
  const PlanBucket* const longer = bucket_for(result, Phase::kPrefill, 32);
  ASSERT_EQ(longer->tokens, 32);
  ASSERT_TRUE(longer->verdict.has_value());
  EXPECT_TRUE(longer->verdict->adopted) << longer->verdict->reason;
  EXPECT_NE(longer->verdict->reason.find("divided as prefill 16"), std::string::npos) << longer->verdict->reason;
  EXPECT_EQ(longer->blocks, bucket_for(result, Phase::kPrefill, 16)->blocks);
}

TEST_F(GateSim, ALongPromptThatThereWasNoTimeForIsDividedAsItsNeighbour) {
  Plan candidate = divided(0.5);
  PlanBucket shorter = *bucket_for(candidate, Phase::kPrefill, 32);
  shorter.tokens = 16;
  candidate.buckets.push_back(shorter);
  std::erase_if(candidate.buckets, [](const PlanBucket& b) { return b.phase == Phase::kDecode; });
  GateOptions options;
  options.max_prefill = 16;
  // From a budget for all down to one for the shorter prompt only.
  for (options.budget_seconds = 10; options.budget_seconds > 1e-6; options.budget_seconds /= 1.5) {
    const Plan result = judged(candidate, {}, options);
    const PlanBucket& longer = *bucket_for(result, Phase::kPrefill, 32);
    ASSERT_TRUE(longer.verdict.has_value());
    if (longer.verdict->reason.find("too short to time") == std::string::npos) continue;
    const PlanBucket& judged_one = *bucket_for(result, Phase::kPrefill, 16);
    EXPECT_TRUE(longer.verdict->adopted);
    EXPECT_EQ(longer.blocks, judged_one.blocks);
    EXPECT_EQ(longer.verdict->plan_over_single, judged_one.verdict->plan_over_single);
    return;
  }
  FAIL() << "no budget was too short for the longer prompt only";
}

TEST_F(GateSim, WithoutTimeDecodeAndOnePromptAreJudged) {
  Plan candidate = divided(0.5);
  PlanBucket shorter = *bucket_for(candidate, Phase::kPrefill, 32);
  shorter.tokens = 16;
  candidate.buckets.push_back(shorter);
  GateOptions options;
  options.budget_seconds = 0;
  const Plan result = judged(candidate, {}, options);
  const auto reason = [&](Phase phase, std::int64_t tokens) {
    const PlanBucket& bucket = *bucket_for(result, phase, tokens);
    return bucket.verdict ? bucket.verdict->reason : "not judged";
  };
  EXPECT_NE(reason(Phase::kDecode, 1).find("3 pairs"), std::string::npos) << reason(Phase::kDecode, 1);
  EXPECT_NE(reason(Phase::kPrefill, 32).find("3 pairs"), std::string::npos) << reason(Phase::kPrefill, 32);
  EXPECT_TRUE(bucket_for(result, Phase::kPrefill, 32)->verdict->adopted);
  EXPECT_NE(reason(Phase::kPrefill, 16).find("too short to time"), std::string::npos) << reason(Phase::kPrefill, 16);
}

TEST_F(GateSim, WhatWasNotJudgedRunsOnOneDevice) {
  GateHooks hooks;
  hooks.stop = [] { return true; };
  for (const PlanBucket& bucket : judged(divided(0.5), hooks).buckets) {
    EXPECT_FALSE(bucket.verdict.has_value());
    for (const BlockPlan& block : bucket.blocks) EXPECT_EQ(block.strategy, Strategy::kSingle);
  }
}

TEST_F(GateSim, StepsOnEachDeviceAloneTakeWhatTheProfileSays) {
  std::vector<Device*> pointers;
  for (const auto& device : devices_) pointers.push_back(device.get());
  Engine engine(graph_, timeline_, pointers, single_device_plan(ids_[0], "single"), {64, 32, 1});
  std::vector<Sample> samples;
  GateHooks hooks;
  hooks.store = [&](const std::vector<Sample>& more) { samples.insert(samples.end(), more.begin(), more.end()); };
  const SingleStepOptions options{
      .budget_seconds = 1000, .rounds = 3, .have = {{{ids_[0], 32}, 1}}, .rows = 32, .further_rows = {128}};
  const ModelShape shape = small_shape();
  time_single_steps(engine, fingerprint(shape), options, hooks);
  std::map<std::pair<std::string, std::int64_t>, int> counts;
  for (const Sample& s : samples) {
    ++counts[{s.device, s.params.at("rows")}];
    EXPECT_EQ(s.kind, SampleKind::kStep);
    EXPECT_EQ(s.subject, step_subject(fingerprint(shape)));
    EXPECT_GE(s.params.at("context"), s.params.at("rows"));
  }
  EXPECT_EQ(counts[std::pair(ids_[0], 1)], 3);
  EXPECT_EQ(counts[std::pair(ids_[0], 32)], 2) << "one was there";
  EXPECT_EQ(counts[std::pair(ids_[1], 32)], 3);
  EXPECT_EQ(counts[std::pair(ids_[1], 128)], 0) << "the context has no room";

  // Of its own profile a simulated device takes the sum of the ops, and what submitting and joining take.
  for (DeviceProfile profile : heavy_system().devices) {
    const auto id = std::find_if(ids_.begin(), ids_.end(), [&](const std::string& open) {
      return open.substr(open.rfind('/') + 1) == profile.device.substr(profile.device.rfind('/') + 1);
    });
    if (id == ids_.end()) continue;
    profile.device = *id;
    std::vector<const Sample*> own;
    for (const Sample& s : samples) {
      if (s.device == *id) own.push_back(&s);
    }
    const std::vector<StepFactors> steps = fit_steps(own, profile, {{fingerprint(shape), shape}});
    ASSERT_EQ(steps.size(), 1U);
    EXPECT_EQ(steps[0].points.size(), 2U);
    for (const StepFactors::Point& point : steps[0].points) EXPECT_NEAR(point.factor.value, 1, 0.02) << point.m;
  }
}

TEST_F(GateSim, WithoutTimeEachPhaseIsTimedTwice) {
  std::vector<Device*> pointers;
  for (const auto& device : devices_) pointers.push_back(device.get());
  Engine engine(graph_, timeline_, pointers, single_device_plan(ids_[0], "single"), {64, 32, 1});
  std::vector<std::int64_t> rows;
  GateHooks hooks;
  hooks.store = [&](const std::vector<Sample>& more) { rows.push_back(more.front().params.at("rows")); };
  SingleStepOptions options;
  options.budget_seconds = 0;
  options.rows = 32;
  options.further_rows = {8};
  time_single_steps(engine, "0123456789abcdef", options, hooks);
  EXPECT_EQ(rows, (std::vector<std::int64_t>{1, 1, 32, 32, 1, 1, 32, 32})) << "of each device, twice";
}

TEST(PairResult, NoiseFollowsFromTheSpreadOfTheRatios) {
  EXPECT_DOUBLE_EQ(summarise({50, 50, 50}, {100, 100, 100}).ratio, 0.5);
  EXPECT_DOUBLE_EQ(summarise({50, 50, 50}, {100, 100, 100}).noise, 0.005);
  // Ratios 0.8, 0.9, 1.0, 1.1, 1.2: median 1, MAD 0.1.
  const PairResult noisy = summarise({80, 90, 100, 110, 120}, {100, 100, 100, 100, 100});
  EXPECT_DOUBLE_EQ(noisy.ratio, 1);
  EXPECT_NEAR(noisy.noise, 2 * 1.2533 * 0.14826 / std::sqrt(5.0), 1e-6);
}

}  // namespace
}  // namespace hetero
