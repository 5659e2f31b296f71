// The same model gives the same answer under every plan.
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "runtime/llm/engine.h"
#include "tests/runtime/exec/late_device.h"
#include "tests/runtime/exec/tiny_graph.h"

namespace hetero {
namespace {

struct Rig {
  // Which devices have memory of their own: a bit each, in the order of `devices`.
  explicit Rig(std::uint64_t seed, std::uint64_t own_memory = 0)
      : a("a", {}, seed, (own_memory & 1) != 0),
        b("b", {}, seed + 1, (own_memory & 2) != 0),
        npu("npu", {1, 8, 16, 32}, seed + 2, (own_memory & 4) != 0),
        devices{&a, &b, &npu} {}
  LateDevice a, b, npu;
  std::vector<Device*> devices;
  RealTimeline timeline;
};

// Logits of a prompt (all rows) and of a few decoded tokens after it.
std::vector<float> answer(const Graph& graph, Rig& rig, const Plan& plan, std::int64_t prompt, std::int64_t chunk) {
  EngineOptions options;
  options.context = 128;
  options.max_rows = chunk;
  options.max_logits_rows = chunk;
  Engine engine(graph, rig.timeline, rig.devices, plan, options);
  std::vector<float> all;
  std::vector<TokenId> tokens;
  for (std::int64_t i = 0; i < prompt + 3; ++i) tokens.push_back(static_cast<TokenId>((i * 37 + 11) % 97));
  const auto add = [&](std::int64_t first, std::int64_t count) {
    const auto logits = engine.run(
        std::span(tokens).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(count)), LogitsRows::kAll);
    all.insert(all.end(), logits.begin(), logits.end());
  };
  for (std::int64_t done = 0; done < prompt; done += chunk) add(done, std::min(chunk, prompt - done));
  for (std::int64_t i = 0; i < 3; ++i) add(prompt + i, 1);
  return all;
}

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  EXPECT_EQ(got.size(), want.size());
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
    norm += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(error / norm);
}

// Paired blocks add partial sums in float32, three layers deep: a few units in the last place (6e-8) each.
constexpr double kReordered = 2e-6;

class EveryPlan : public testing::TestWithParam<DType> {};

TEST_P(EveryPlan, RandomPlansGiveTheSameLogits) {
  const TinyGraph model(GetParam(), 7);
  Rng rng(static_cast<std::uint64_t>(GetParam()) + 100);
  for (int trial = 0; trial < 60; ++trial) {
    const std::int64_t prompt = 1 + static_cast<std::int64_t>(rng.below(50));
    const std::int64_t chunk = rng.below(2) == 0 ? prompt : 1 + static_cast<std::int64_t>(rng.below(40));
    Rig alone(1);
    const std::vector<float> want = answer(model.graph(), alone, single_device_plan("a", "single"), prompt, chunk);
    const std::uint64_t own_memory = rng.below(8);
    Rig rig(rng.next(), own_memory);
    const Plan plan = random_plan(model.shape(), {"a", "b", "npu"}, rng);
    ASSERT_NO_THROW(check(plan));
    const std::vector<float> got = answer(model.graph(), rig, plan, prompt, chunk);
    EXPECT_LT(relative_error(got, want), kReordered)
        << "trial " << trial << " prompt " << prompt << " chunk " << chunk << " own memory " << own_memory << "\n"
        << to_json(plan);
    if (HasFailure()) break;
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, EveryPlan, testing::Values(DType::kF32, DType::kQ4_0),
                         [](const auto& tested) { return std::string(hetero::info(tested.param).name); });

TEST(Engine, AStepOfASingleDeviceIsOneSubmission) {
  const TinyGraph model(DType::kF32, 7);
  Rig rig(3);
  answer(model.graph(), rig, single_device_plan("a", "single"), 20, 20);
  EXPECT_EQ(rig.a.submissions, 1 + 3);
  EXPECT_EQ(rig.b.submissions, 0);
}

TEST(Engine, PromptInChunksEqualsPromptAtOnce) {
  const TinyGraph model(DType::kQ4_0, 9);
  Rig rig(3);
  const Plan plan = single_device_plan("a", "single");
  const std::vector<float> whole = answer(model.graph(), rig, plan, 33, 33);
  const std::vector<float> pieces = answer(model.graph(), rig, plan, 33, 7);
  EXPECT_LT(relative_error(pieces, whole), 1e-7);
}

TEST(Engine, WarmedUpItPreparesNothingMore) {
  const TinyGraph model(DType::kF32, 7);
  for (const std::int64_t tokens : {1, 7, 16, 33, 48}) {
    Rig rig(3);
    EngineOptions options;
    options.context = 128;
    options.max_rows = 16;
    Engine engine(model.graph(), rig.timeline, rig.devices, single_device_plan("a", "single"), options);
    engine.warm_up(tokens, LogitsRows::kLast);
    const int before = rig.a.preparations;
    engine.run(std::vector<TokenId>(static_cast<std::size_t>(tokens), 1), LogitsRows::kLast);
    EXPECT_GT(before, 0);
    EXPECT_EQ(rig.a.preparations, before) << tokens;
  }
}

TEST(Engine, FullContextIsAnErrorWithARemedy) {
  const TinyGraph model(DType::kF32, 7);
  Rig rig(3);
  EngineOptions options;
  options.context = 8;
  Engine engine(model.graph(), rig.timeline, rig.devices, single_device_plan("a", "single"), options);
  const std::vector<TokenId> nine(9, 1);
  try {
    engine.run(nine, LogitsRows::kLast);
    FAIL() << "nine tokens went into a context of eight";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
    EXPECT_NE(std::string(error.what()).find("--context"), std::string::npos) << error.what();
  }
}

TEST(Engine, APlanForAnAbsentDeviceIsRefused) {
  const TinyGraph model(DType::kF32, 7);
  Rig rig(3);
  EXPECT_THROW(Engine(model.graph(), rig.timeline, rig.devices, single_device_plan("gpu", "file"), {}), Error);
}

TEST(Engine, APlanChoosesAmongTheGraphsThatADeviceOffers) {
  const TinyGraph model(DType::kF32, 7);
  Rig rig(3);
  Plan plan = single_device_plan("npu", "file");
  const auto submissions = [&] {
    rig.npu.submissions = 0;
    answer(model.graph(), rig, plan, 32, 32);
    return rig.npu.submissions;
  };
  EXPECT_EQ(submissions(), 1 + 3);
  plan.graph_sizes = {{"npu", {1, 8}}};
  EXPECT_EQ(submissions(), 4 * (5 * 3 + 1) + 3) << "four graphs of 8 rows for each block";
  plan.graph_sizes = {{"npu", {1, 24}}};
  EXPECT_THROW(submissions(), Error);
}

TEST(Engine, TokensOutsideTheVocabularyAreRefused) {
  const TinyGraph model(DType::kF32, 7);
  Rig rig(3);
  Engine engine(model.graph(), rig.timeline, rig.devices, single_device_plan("a", "single"), {});
  const TokenId outside[] = {97};
  EXPECT_THROW(engine.run(outside, LogitsRows::kLast), Error);
}

}  // namespace
}  // namespace hetero
