// The real model (HETERO_TEST_MODEL) answers alike with and without openvino:CPU, divided and padded, in prefill and
// decode: the requirements are those of tests/e2e/answers_agree_test.cc. A minute.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/model/model.h"
#include "tests/e2e/answers.h"

namespace hetero::test {
namespace {

constexpr std::size_t kTextTokens = 100;  // no standard size
constexpr int kGenerated = 16;

constexpr const char* kText = R"(The lock at the lower end of the canal was rebuilt in 1911. Its gates weigh nine tonnes
each and are still opened by hand: two people lean on a beam of oak and walk, slowly, for about a minute. "You feel the
water before you see it move," the keeper says. On a busy Saturday in July 46 boats pass, and 12 of them touch the wall.
The museum keeps the old winding gear, a map from 1868 and the bell that was rung in fog.)";

struct Loaded {
  std::unique_ptr<Model> model;
  Questions questions;
  Answers reference;
};

const Loaded* loaded() {
  static const std::unique_ptr<Loaded> once = [] {
    std::unique_ptr<Loaded> l;
    if (const char* path = std::getenv("HETERO_TEST_MODEL"); path != nullptr && path[0] != '\0') {
      l = std::make_unique<Loaded>();
      l->model = Model::load(path);
      Questions& q = l->questions;
      q.text = l->model->tokenizer()->encode(kText, SpecialTokens::kAsText);
      EXPECT_GE(q.text.size(), kTextTokens);
      q.text.resize(kTextTokens);
      q.prompt = l->model->tokenizer()->encode(
          l->model->chat_template().render({{"user", "Name three things that float."}}), SpecialTokens::kParse);
      q.generate = kGenerated;
      l->reference =
          ask(l->model->graph(), {"reference", "cpu?kernels=reference", ToleranceClass::kF32, nullptr}, q, {});
    }
    return l;
  }();
  return once.get();
}

// Attention and the head stay with the first device, all else is divided alike.
auto beside_the_processor(Strategy strategy, double first) {
  return [strategy, first](const std::vector<std::string>& ids, int) {
    std::vector<Share> shares = {{ids[1], 1 - first}, {ids[0], first}};
    Plan plan = uniform_plan(strategy, shares);
    plan.devices = ids;
    for (PlanBucket& bucket : plan.buckets) {
      for (BlockPlan& block : bucket.blocks) {
        if (block.block != BlockKind::kAttention && block.block != BlockKind::kHead) continue;
        block.strategy = Strategy::kSingle;
        block.features = {{ids[0], 1}};
        block.rows.clear();
      }
    }
    return plan;
  };
}

class OpenVinoAnswers : public testing::TestWithParam<Contestant> {};

TEST_P(OpenVinoAnswers, Agree) {
  if (loaded() == nullptr) GTEST_SKIP() << "HETERO_TEST_MODEL names no model: scripts/fetch_model.sh gets one";
  if (all_cores().size() < 2) GTEST_SKIP() << "one core only";
  const Answers got = ask(loaded()->model->graph(), GetParam(), loaded()->questions, loaded()->reference.generated);
  expect_agreement(loaded()->reference, got, requirement_for(GetParam().precision));
}

std::vector<Contestant> contestants() {
  const std::string devices =
      "cpu:" + std::to_string(all_cores().front()) + ",openvino:CPU@" + std::to_string(all_cores().back());
  const auto f32 = ToleranceClass::kF32;
  const auto q8 = ToleranceClass::kQ8;
  return {{"pad_f32", devices, f32, beside_the_processor(Strategy::kPad, 0)},
          {"rows_f32", devices, f32, beside_the_processor(Strategy::kRows, 0.5)},
          {"pad_q8", devices, q8, beside_the_processor(Strategy::kPad, 0)}};
}

INSTANTIATE_TEST_SUITE_P(Plans, OpenVinoAnswers, testing::ValuesIn(contestants()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace hetero::test
