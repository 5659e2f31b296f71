// Answers agree, quickly: a small model with random weights on every kind of device, and divided every way.
// The real model has answers_agree_test.cc.
#include <gtest/gtest-spi.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <map>
#include <memory>

#include "runtime/model/model.h"
#include "tests/e2e/answers.h"
#include "tests/runtime/model/gguf_writer.h"

namespace hetero::test {
namespace {

// Wide enough that every device has features to compute when a block is divided on a grid of 32.
TinyLlama tiny(DType weights) {
  TinyLlama t;
  t.layers = 6;
  t.width = 256;
  t.ffn_width = 512;
  t.heads = 8;
  t.kv_heads = 4;
  t.head_dim = 32;
  t.vocab = 512;
  t.weights = weights;
  t.head = DType::kQ8_0;
  return t;
}

Questions tiny_questions() {
  Questions q;
  for (int i = 0; i < 77; ++i) q.text.push_back((i * 151 + 7) % 512);
  for (int i = 0; i < 37; ++i) q.prompt.push_back((i * 83 + 19) % 512);
  q.generate = 16;
  return q;
}

struct Answered {
  std::unique_ptr<Model> model;
  Answers reference;
};

// One model a format, answered by the reference once.
const Answered& answered(DType weights) {
  static std::map<DType, Answered> all;
  const auto [it, fresh] = all.try_emplace(weights);
  if (fresh) {
    const std::string path = testing::TempDir() + "answers_agree_tiny.gguf";
    write_tiny_llama(path, tiny(weights));
    it->second.model = Model::load(path);
    std::filesystem::remove(path);  // it stays mapped
    it->second.reference =
        ask(it->second.model->graph(), {"reference", "cpu?kernels=reference", ToleranceClass::kF32, nullptr},
            tiny_questions(), {});
  }
  return it->second;
}

constexpr const char* kNpu = "sim:test-npu/npu?compute=reference";
const std::string kThree = std::string("cpu:0,opencl:0@1,") + kNpu;

auto uniform(Strategy strategy, std::vector<double> fractions) {
  return [strategy, fractions](const std::vector<std::string>& ids, int) {
    std::vector<Share> shares;
    for (std::size_t i = 0; i < ids.size(); ++i) shares.push_back({ids[i], fractions[i]});
    return uniform_plan(strategy, shares);
  };
}

struct TinyCase {
  Contestant contestant;
  ToleranceClass worst;
};

std::vector<TinyCase> cases() {
  const auto f32 = ToleranceClass::kF32;
  const auto f16 = ToleranceClass::kF16;
  const auto q8 = ToleranceClass::kQ8;
  const std::string two = "cpu:0,opencl:0@1";
  return {
      {{"cpu_f32", "cpu:0", f32, nullptr}, f32},
      {{"cpu_q8", "cpu:0", q8, nullptr}, q8},
      {{"opencl_f32", "opencl:0", f32, nullptr}, f32},
      {{"opencl_q8", "opencl:0", q8, nullptr}, q8},
      {{"opencl_staged", "opencl:0@1?staged=1", f32, nullptr}, f32},
      {{"npu", kNpu, f32, nullptr}, f16},
      {{"rows", two, f32, uniform(Strategy::kRows, {0.6, 0.4})}, f32},
      {{"sequence", two, f32, uniform(Strategy::kSequence, {0.4, 0.6})}, f32},
      {{"paired", two, f32, uniform(Strategy::kPaired, {0.5, 0.5})}, f32},
      {{"paired_staged", two + "?staged=1", f32, uniform(Strategy::kPaired, {0.5, 0.5})}, f32},
      {{"paired_q8", two, q8, uniform(Strategy::kPaired, {0.5, 0.5})}, q8},
      {{"npu_sequence", std::string(kNpu) + ",cpu:0", f32, uniform(Strategy::kSequence, {0.8, 0.2})}, f16},
      {{"npu_hybrid", std::string(kNpu) + ",cpu:0", f32, uniform(Strategy::kHybrid, {0.8, 0.2})}, f16},
      {{"npu_pad", kNpu, f32,
        [](const auto& ids, int) {
          Plan plan = single_device_plan(ids[0], "file");
          for (BlockPlan& block : plan.buckets[0].blocks) block.strategy = Strategy::kPad;
          return plan;
        }},
       f16},
      {{"three_rows", kThree, f32, uniform(Strategy::kRows, {0.4, 0.3, 0.3})}, f16},
      {{"three_paired", kThree, f32, uniform(Strategy::kPaired, {0.5, 0.25, 0.25})}, f16},
      {{"silly_two", two, f32, silly_plan}, f32},
      {{"silly_three", kThree, f32, silly_plan}, f16},
  };
}

class TinyAnswers : public testing::TestWithParam<std::tuple<DType, TinyCase>> {};

TEST_P(TinyAnswers, Agree) {
  const auto& [weights, c] = GetParam();
  const Answered& model = answered(weights);
  const Answers got = ask(model.model->graph(), c.contestant, tiny_questions(), model.reference.generated);
  expect_agreement(model.reference, got, requirement_for(c.worst));
}

INSTANTIATE_TEST_SUITE_P(Plans, TinyAnswers,
                         testing::Combine(testing::Values(DType::kQ4_0, DType::kQ6_K), testing::ValuesIn(cases())),
                         [](const auto& tested) {
                           return std::string(hetero::info(std::get<0>(tested.param)).name) + "_" +
                                  std::get<1>(tested.param).contestant.name;
                         });

// The comparison itself: it must notice what it is there for.
TEST(Agreement, ADifferentModelIsNoticed) {
  const Answered& model = answered(DType::kQ4_0);
  const Answered& other = answered(DType::kQ6_K);
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    expect_agreement(model.reference, other.reference, requirement_for(ToleranceClass::kQ8));
  }
  EXPECT_GT(failures.size(), 0);
}

TEST(Agreement, NotANumberIsNoticed) {
  const Answered& model = answered(DType::kQ4_0);
  Answers broken = model.reference;
  broken.text_logits[5] = NAN;
  testing::TestPartResultArray failures;
  {
    testing::ScopedFakeTestPartResultReporter reporter(
        testing::ScopedFakeTestPartResultReporter::INTERCEPT_ONLY_CURRENT_THREAD, &failures);
    expect_agreement(model.reference, broken, requirement_for(ToleranceClass::kQ8));
  }
  EXPECT_GT(failures.size(), 0);
}

}  // namespace
}  // namespace hetero::test
