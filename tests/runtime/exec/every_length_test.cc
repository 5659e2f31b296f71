// Every prompt length from 1 to 1100 gives the right answer under every strategy with a static device in it: alone (a
// pipe of its graphs), padded, and divided by rows, by features and both. Beyond 1024 rows the prompt runs in two
// steps.
#include <gtest/gtest.h>

#include <cmath>

#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/llm/engine.h"
#include "tests/runtime/exec/static_device.h"
#include "tests/runtime/exec/tiny_graph.h"

namespace hetero {
namespace {

constexpr std::int64_t kLongest = 1100;
constexpr std::int64_t kStep = 1024;
// One layer of float32 sums, divided elsewhere: some tens of unit roundoffs (6e-8).
constexpr double kReordered = 5e-6;

// As small as the divisions allow: a thousand prompts of a thousand rows are computed a dozen times.
ModelShape shape() {
  ModelShape s;
  s.name = "tiny";
  s.architecture = "llama";
  s.layers = 1;
  s.width = 32;
  s.heads = 4;
  s.kv_heads = 2;
  s.head_dim = 8;
  s.ffn_width = 96;
  s.vocab = 97;
  s.max_context = 2048;
  const DType w = DType::kF32;
  s.layer_types = {{w, w, w, w, w, w, w}};
  s.head_type = w;
  return s;
}

TokenId token_at(std::int64_t i) { return static_cast<TokenId>((i * 37 + i / 97 + 11) % 97); }

std::unique_ptr<Device> processor(Timeline& timeline) {
  DeviceContext context;
  context.timeline = &timeline;
  const std::string cpu = "cpu:" + std::to_string(all_cores().front());
  return cpu_provider().open(parse_device_spec(cpu + "?precision=f32"), context);
}

struct Division {
  std::string name;
  Strategy strategy = Strategy::kSingle;
  std::vector<std::pair<bool, double>> rows, features;  // on the static device or not, and how much
};

std::ostream& operator<<(std::ostream& out, const Division& division) { return out << division.name; }

Plan plan_of(const Division& division, const std::string& dynamic, const std::string& fixed) {
  Plan plan = single_device_plan(dynamic, "file");
  plan.devices = {dynamic, fixed};
  const auto shares = [&](const std::vector<std::pair<bool, double>>& parts) {
    std::vector<Share> list;
    for (const auto& [on_fixed, fraction] : parts) list.push_back({on_fixed ? fixed : dynamic, fraction});
    return list;
  };
  for (PlanBucket& bucket : plan.buckets) {
    for (BlockPlan& block : bucket.blocks) {
      const bool head = block.block == BlockKind::kHead;
      if (head && division.strategy == Strategy::kPaired) continue;
      block.strategy = division.strategy;
      block.rows = shares(division.rows);
      block.features = shares(division.features);
    }
  }
  check(plan);
  return plan;
}

class EveryLength : public testing::TestWithParam<Division> {};

TEST_P(EveryLength, GivesTheLogitsOfTheWholePrompt) {
  const TinyGraph model(shape(), 7);
  RealTimeline timeline;
  std::vector<TokenId> tokens;
  for (std::int64_t i = 0; i < kLongest; ++i) tokens.push_back(token_at(i));
  const auto prompt = [&](std::int64_t from, std::int64_t to) {
    return std::span(tokens).subspan(static_cast<std::size_t>(from), static_cast<std::size_t>(to - from));
  };

  // A row's logits do not depend on the rows after it: one long prompt answers for all.
  std::vector<float> want;
  {
    const std::unique_ptr<Device> alone = processor(timeline);
    Engine engine(model.graph(), timeline, {alone.get()}, single_device_plan(alone->facts().id, "single"),
                  {.context = kLongest, .max_rows = kStep, .max_logits_rows = kStep});
    for (std::int64_t done = 0; done < kLongest; done += kStep) {
      const auto logits = engine.run(prompt(done, std::min(kLongest, done + kStep)), LogitsRows::kAll);
      want.insert(want.end(), logits.begin(), logits.end());
    }
  }

  const std::unique_ptr<Device> dynamic = processor(timeline);
  StaticDevice fixed("npu", {1, 32, 64, 128, 256, 512, 1024}, processor(timeline));
  const Plan plan = plan_of(GetParam(), dynamic->facts().id, "npu");
  Engine engine(model.graph(), timeline, {dynamic.get(), &fixed}, plan,
                {.context = kLongest, .max_rows = kStep, .max_logits_rows = 1});
  const auto vocab = static_cast<std::size_t>(model.shape().vocab);
  for (std::int64_t length = 1; length <= kLongest; ++length) {
    engine.reset();
    const std::span<const float> got = engine.run(prompt(0, length), LogitsRows::kLast);
    ASSERT_EQ(got.size(), vocab);
    const float* const expected = want.data() + static_cast<std::size_t>(length - 1) * vocab;
    double error = 0;
    double norm = 0;
    for (std::size_t i = 0; i < vocab; ++i) {
      error += std::pow(static_cast<double>(got[i]) - static_cast<double>(expected[i]), 2);
      norm += std::pow(static_cast<double>(expected[i]), 2);
    }
    ASSERT_GT(norm, 0);
    ASSERT_LT(std::sqrt(error / norm), kReordered) << "a prompt of " << length << " tokens\n" << to_json(plan);
    engine.set_plan(plan);  // what is prepared for a length is not asked for again
  }
  EXPECT_GT(fixed.submissions, kLongest);
}

INSTANTIATE_TEST_SUITE_P(
    Divisions, EveryLength,
    testing::Values(Division{"pipe", Strategy::kSingle, {}, {{true, 1}}},
                    Division{"pad", Strategy::kPad, {}, {{true, 1}}},
                    Division{"rows", Strategy::kRows, {}, {{false, 0.4}, {true, 0.6}}},
                    Division{"sequence", Strategy::kSequence, {{true, 0.7}, {false, 0.3}}, {}},
                    Division{"sequence_dynamic_first", Strategy::kSequence, {{false, 0.3}, {true, 0.7}}, {}},
                    Division{"hybrid", Strategy::kHybrid, {{true, 0.8}, {false, 0.2}}, {{true, 0.6}, {false, 0.4}}},
                    Division{"paired", Strategy::kPaired, {}, {{true, 0.5}, {false, 0.5}}}),
    [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace hetero
