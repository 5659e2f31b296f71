// Answers agree on the real model (HETERO_TEST_MODEL): the logits of 256 tokens of text and 64 greedy tokens of a chat,
// on single devices and divided, against the reference path. Minutes; answers_agree_tiny_test.cc takes seconds.
// About one and a half minutes of an idle machine with two cores, a third of it the reference and a third the emulated
// NPU, which computes with the reference kernels.
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>

#include "runtime/model/model.h"
#include "tests/e2e/answers.h"

namespace hetero::test {
namespace {

constexpr std::size_t kTextTokens = 256;
constexpr int kGenerated = 64;

constexpr const char* kText = R"(The lighthouse at the end of the long stone pier was built in 1847, after three ships
had been lost on the rocks within a single winter. Its first keeper, a quiet man called Elias Thorne, kept a diary of
the weather, of passing ships and of the birds that struck the glass at night. "Wind from the north-west," he wrote on
the 12th of March, "and snow so thick that I could not see my own hand. I rang the bell every two minutes until dawn."

When the keeper's granddaughter sold the house in 1963, the diaries came to the museum of the town. They fill 41
volumes, of which 38 can be read. A short program counts the storms:

def storms(days, limit=9):
    """Days on which the wind was stronger than `limit` on the Beaufort scale."""
    return [d for d in days if d["wind"] > limit and not d.get("doubtful", False)]

For the years 1850-1859 it finds 212 storms; for the next ten years only 174 (about 18% fewer). Whether the climate had
changed, or only the keeper, nobody can say. Die Möwen kümmert es nicht; la mer non plus. The lamp has been electric
since 1931, and since 1988 no one has lived in the tower, but on the first Sunday of every month it is open to visitors,
who climb the 137 steps and look out over the grey water towards the islands.)";

struct Loaded {
  std::unique_ptr<Model> model;
  Questions questions;
  Answers reference;
};

Questions questions_for(const Model& model) {
  Questions q;
  q.text = model.tokenizer()->encode(kText, SpecialTokens::kAsText);
  EXPECT_GE(q.text.size(), kTextTokens);
  q.text.resize(kTextTokens);
  q.prompt = model.tokenizer()->encode(
      model.chat_template().render({{"user", "Why is the sky blue? Explain it to a child in a few sentences."}}),
      SpecialTokens::kParse);
  q.generate = kGenerated;
  return q;
}

// Loaded and answered by the reference once, when the first case needs it; null without HETERO_TEST_MODEL.
const Loaded* loaded() {
  static const std::unique_ptr<Loaded> once = [] {
    std::unique_ptr<Loaded> l;
    if (const char* path = std::getenv("HETERO_TEST_MODEL"); path != nullptr && path[0] != '\0') {
      l = std::make_unique<Loaded>();
      l->model = Model::load(path);
      l->questions = questions_for(*l->model);
      l->reference = ask(l->model->graph(), {"reference", "cpu?kernels=reference", ToleranceClass::kF32, nullptr},
                         l->questions, {});
    }
    return l;
  }();
  return once.get();
}

auto uniform(Strategy strategy, std::vector<double> fractions) {
  return [strategy, fractions](const std::vector<std::string>& ids, int) {
    std::vector<Share> shares;
    for (std::size_t i = 0; i < ids.size(); ++i) shares.push_back({ids[i], fractions[i]});
    return uniform_plan(strategy, shares);
  };
}

struct RealCase {
  Contestant contestant;
  ToleranceClass worst;  // arithmetic among its devices
};

std::vector<RealCase> cases() {
  const auto f32 = ToleranceClass::kF32;
  const auto f16 = ToleranceClass::kF16;
  const auto q8 = ToleranceClass::kQ8;
  const std::string two = "cpu:0,opencl:0@1";
  const std::string npu = "sim:test-npu/npu?compute=reference";
  return {
      {{"cpu_f32", "cpu:0", f32, nullptr}, f32},
      {{"cpu_q8", "cpu:0", q8, nullptr}, q8},
      {{"opencl_f32", "opencl:0", f32, nullptr}, f32},
      {{"opencl_q8", "opencl:0", q8, nullptr}, q8},
      {{"opencl_staged", "opencl:0@1?staged=1", f32, nullptr}, f32},
      {{"npu", npu, f32, nullptr}, f16},
      {{"rows_f32", two, f32, uniform(Strategy::kRows, {0.6, 0.4})}, f32},
      {{"rows_q8", two, q8, uniform(Strategy::kRows, {0.6, 0.4})}, q8},
      {{"paired_f32", two, f32, uniform(Strategy::kPaired, {0.5, 0.5})}, f32},
      {{"paired_q8", two, q8, uniform(Strategy::kPaired, {0.5, 0.5})}, q8},
      {{"sequence_f32", two, f32, uniform(Strategy::kSequence, {0.5, 0.5})}, f32},
      {{"sequence_q8", two, q8, uniform(Strategy::kSequence, {0.5, 0.5})}, q8},
      {{"three_devices", two + "," + npu, f32, uniform(Strategy::kRows, {0.5, 0.4, 0.1})}, f16},
      {{"silly_f32", two, f32, silly_plan}, f32},
      {{"silly_q8", two, q8, silly_plan}, q8},
      {{"silly_three_devices", two + "," + npu, f32, silly_plan}, f16},
  };
}

class RealAnswers : public testing::TestWithParam<RealCase> {};

TEST_P(RealAnswers, Agree) {
  if (loaded() == nullptr) GTEST_SKIP() << "HETERO_TEST_MODEL names no model: scripts/fetch_model.sh gets one";
  const RealCase& c = GetParam();
  const Answers got = ask(loaded()->model->graph(), c.contestant, loaded()->questions, loaded()->reference.generated);
  expect_agreement(loaded()->reference, got, requirement_for(c.worst));
}

INSTANTIATE_TEST_SUITE_P(Plans, RealAnswers, testing::ValuesIn(cases()),
                         [](const auto& tested) { return tested.param.contestant.name; });

}  // namespace
}  // namespace hetero::test
