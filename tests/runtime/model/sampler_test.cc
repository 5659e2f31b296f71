// The sampler: filters, ties, reproducibility, and frequencies against the exact distribution.
#include "runtime/llm/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>

#include "tests/runtime/model/parse_bytes.h"

namespace hetero::test {
namespace {

std::vector<double> frequencies(const SamplingParams& params, const std::vector<float>& logits, int draws) {
  Sampler sampler(params);
  std::vector<double> counts(logits.size());
  for (int i = 0; i < draws; ++i) counts.at(static_cast<std::size_t>(sampler.sample(logits))) += 1;
  for (double& count : counts) count /= draws;
  return counts;
}

// Six standard deviations of a binomial count: the seeds are fixed, so this passes always or never.
void expect_distribution(const SamplingParams& params, const std::vector<float>& logits,
                         const std::vector<double>& weights) {
  constexpr int kDraws = 50000;
  double total = 0;
  for (double w : weights) total += w;
  const std::vector<double> got = frequencies(params, logits, kDraws);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double p = weights[i] / total;
    EXPECT_NEAR(got[i], p, 6 * std::sqrt(p * (1 - p) / kDraws)) << "token " << i;
  }
}

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

const std::vector<double> kProbabilities = {0.1, 0.4, 0.05, 0.25, 0.2};

TEST(Sampler, GreedyTakesTheFirstOfTheGreatest) {
  Sampler sampler({});
  EXPECT_EQ(sampler.sample(std::vector<float>{1, 3, 2, 3}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-5}), 0);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(sampler.sample(std::vector<float>{nan, -1, nan, 2}), 3);
}

TEST(Sampler, PlainTemperature) {
  expect_distribution({.temperature = 1, .seed = 1}, logits_of(kProbabilities), kProbabilities);
  std::vector<double> squared;
  for (double p : kProbabilities) squared.push_back(p * p);
  expect_distribution({.temperature = 0.5, .seed = 2}, logits_of(kProbabilities), squared);
}

TEST(Sampler, TopK) {
  expect_distribution({.temperature = 1, .top_k = 2, .seed = 3}, logits_of(kProbabilities), {0, 0.4, 0, 0.25, 0});
  // Ties at the border go to the lower id.
  expect_distribution({.temperature = 1, .top_k = 2, .seed = 4}, {0, 1, 1, 1}, {0, 1, 1, 0});
  expect_distribution({.temperature = 1, .top_k = 99, .seed = 5}, logits_of(kProbabilities), kProbabilities);
}

TEST(Sampler, TopP) {
  expect_distribution({.temperature = 1, .top_p = 0.6, .seed = 6}, logits_of(kProbabilities), {0, 0.4, 0, 0.25, 0});
  expect_distribution({.temperature = 1, .top_p = 0.01, .seed = 7}, logits_of(kProbabilities), {0, 1, 0, 0, 0});
  // After top-k what is left counts as the whole: 0.4 / 0.65 is enough for 0.6.
  expect_distribution({.temperature = 1, .top_k = 2, .top_p = 0.6, .seed = 8}, logits_of(kProbabilities),
                      {0, 1, 0, 0, 0});
}

TEST(Sampler, MinP) {
  expect_distribution({.temperature = 1, .min_p = 0.45, .seed = 9}, logits_of(kProbabilities), {0, 0.4, 0, 0.25, 0.2});
  expect_distribution({.temperature = 1, .min_p = 1, .seed = 10}, logits_of(kProbabilities), {0, 1, 0, 0, 0});
}

TEST(Sampler, SameSeedSameTokens) {
  std::vector<float> logits(1000);
  Rng rng(5);
  for (float& logit : logits) logit = static_cast<float>(rng.normal());
  const SamplingParams params{.temperature = 1.5, .top_k = 100, .top_p = 0.95, .seed = 11};
  Sampler a(params), b(params);
  std::set<std::int32_t> seen;
  for (int i = 0; i < 100; ++i) {
    const std::int32_t token = a.sample(logits);
    EXPECT_EQ(token, b.sample(logits));
    seen.insert(token);
  }
  EXPECT_GT(seen.size(), 10u);
}

TEST(Sampler, ExcludedAndExtremeLogits) {
  const float inf = std::numeric_limits<float>::infinity();
  expect_distribution({.temperature = 1, .seed = 12}, {-inf, 1000, -inf, 1000}, {0, 1, 0, 1});
  Sampler sampler({.temperature = 0.01, .top_p = 0.9, .seed = 13});
  EXPECT_EQ(sampler.sample(std::vector<float>{-1e30f, 1e30f, 0}), 1);
  EXPECT_EQ(sampler.sample(std::vector<float>{-inf, -inf, -3}), 2);
}

TEST(Sampler, RefusesNonsense) {
  const auto said = [](const SamplingParams& params) { return message_of([&] { check(params); }, ExitCode::kUsage); };
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_SAYS(said({.temperature = -1}), "--temperature");
  EXPECT_SAYS(said({.temperature = nan}), "--temperature");
  EXPECT_SAYS(said({.top_k = -1}), "--top-k");
  EXPECT_SAYS(said({.top_p = 0}), "--top-p");
  EXPECT_SAYS(said({.top_p = 1.5}), "--top-p");
  EXPECT_SAYS(said({.min_p = -0.1}), "--min-p");
  EXPECT_SAYS(said({.min_p = nan}), "--min-p");
  EXPECT_NO_THROW(check({}));
}

}  // namespace
}  // namespace hetero::test
