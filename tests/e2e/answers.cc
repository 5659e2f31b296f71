#include "tests/e2e/answers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <span>

#include "runtime/device/device.h"
#include "runtime/llm/engine.h"

namespace hetero::test {
namespace {

TokenId likeliest(std::span<const float> logits) {
  return static_cast<TokenId>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

std::span<const float> row_of(const std::vector<float>& logits, std::size_t row, std::int64_t vocab) {
  return std::span(logits).subspan(row * static_cast<std::size_t>(vocab), static_cast<std::size_t>(vocab));
}

double log_sum_exp(std::span<const float> logits) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l) - peak);
  return peak + std::log(sum);
}

// sum p log(p / q), in nats.
double kl_divergence(std::span<const float> p, std::span<const float> q) {
  const double p_norm = log_sum_exp(p);
  const double q_norm = log_sum_exp(q);
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_norm;
    sum += std::exp(log_p) * (log_p - (static_cast<double>(q[i]) - q_norm));
  }
  return sum;
}

// Between the two likeliest.
double margin_of(std::span<const float> logits) {
  const auto top = static_cast<std::size_t>(likeliest(logits));
  double second = -HUGE_VAL;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (i != top) second = std::max(second, static_cast<double>(logits[i]));
  }
  return static_cast<double>(logits[top]) - second;
}

bool is_sound(std::span<const float> logits) {
  const bool finite = std::all_of(logits.begin(), logits.end(), [](float l) { return std::isfinite(l); });
  const auto [low, high] = std::minmax_element(logits.begin(), logits.end());
  return finite && *low < *high;
}

void expect_rows_agree(const std::vector<float>& want, const std::vector<float>& got, std::int64_t vocab, double max_kl,
                       double margin, const char* what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  const std::size_t rows = got.size() / static_cast<std::size_t>(vocab);
  if (rows == 0) return;
  double sum = 0;
  double worst = 0;
  int differ = 0;
  int decided = 0;  // rows whose margin leaves no choice
  for (std::size_t row = 0; row < rows; ++row) {
    const auto p = row_of(want, row, vocab);
    const auto q = row_of(got, row, vocab);
    ASSERT_TRUE(is_sound(p) && is_sound(q)) << what << ": row " << row << " is not finite, or constant";
    const double kl = kl_divergence(p, q);
    sum += kl;
    worst = std::max(worst, kl);
    const bool clear = margin_of(p) > margin;
    decided += clear ? 1 : 0;
    if (likeliest(p) == likeliest(q)) continue;
    ++differ;
    EXPECT_FALSE(clear) << what << ": next token of row " << row << " is " << likeliest(q) << " and not "
                        << likeliest(p) << ", which leads by " << margin_of(p);
  }
  const double mean = sum / static_cast<double>(rows);
  std::printf("  %-9s %4zu rows  mean KL %9.2e (at most %.0e)  worst %9.2e  next token differs in %d, may in %d\n",
              what, rows, mean, max_kl, worst, differ, static_cast<int>(rows) - decided);
  EXPECT_LE(mean, max_kl) << what;
}

std::vector<Share> rotated(std::vector<Share> shares, std::size_t by) {
  std::rotate(shares.begin(), shares.begin() + static_cast<std::ptrdiff_t>(by % shares.size()), shares.end());
  return shares;
}

BlockPlan block_plan(BlockKind block, int layer, Strategy strategy, const std::vector<Share>& shares) {
  BlockPlan plan;
  plan.block = block;
  plan.layer = layer;
  plan.strategy = shares.size() == 1 ? Strategy::kSingle : strategy;
  switch (plan.strategy) {
    case Strategy::kSingle:
    case Strategy::kPad:
      plan.features = {{shares.front().device, 1}};
      break;
    case Strategy::kRows:
    case Strategy::kPaired:
      plan.features = shares;
      break;
    case Strategy::kSequence:
      plan.rows = shares;
      break;
    case Strategy::kHybrid:
      plan.rows = {{shares[0].device, shares[0].fraction}, {shares[1].device, 1 - shares[0].fraction}};
      plan.features = shares;
      break;
  }
  return plan;
}

Plan empty_plan(const std::vector<Share>& shares) {
  Plan plan;
  plan.origin = "file";
  for (const Share& share : shares) plan.devices.push_back(share.device);
  PlanBucket bucket;
  bucket.tokens = 1;  // the only bucket of its phase serves every length
  bucket.phase = Phase::kPrefill;
  plan.buckets.push_back(bucket);
  bucket.phase = Phase::kDecode;
  plan.buckets.push_back(bucket);
  return plan;
}

// 1/64 for each but the last.
std::vector<Share> tiny_shares(const std::vector<std::string>& devices) {
  std::vector<Share> shares;
  for (const std::string& device : devices) shares.push_back({device, 1.0 / 64});
  shares.back().fraction = 1 - static_cast<double>(devices.size() - 1) / 64;
  return shares;
}

}  // namespace

Answers ask(const Graph& graph, const Contestant& contestant, const Questions& questions,
            const std::vector<TokenId>& forced) {
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  context.kernels.worst = contestant.precision;
  const auto devices = open_devices(parse_device_list(contestant.devices), context);
  std::vector<Device*> borrowed;
  std::vector<std::string> ids;
  for (const auto& device : devices) {
    borrowed.push_back(device.get());
    ids.push_back(device->facts().id);
  }
  const Plan plan = contestant.plan ? contestant.plan(ids, graph.layers) : single_device_plan(ids.front(), "file");
  check(plan);

  const auto text = static_cast<std::int64_t>(questions.text.size());
  const auto prompt = static_cast<std::int64_t>(questions.prompt.size());
  EngineOptions options;
  options.context = std::max(text, prompt + questions.generate);
  options.max_rows = std::max(text, prompt);
  options.max_logits_rows = text;
  Engine engine(graph, timeline, borrowed, plan, options);

  Answers answers;
  answers.vocab = graph.vocab;
  const auto keep = [](std::span<const float> logits, std::vector<float>& all) {
    all.insert(all.end(), logits.begin(), logits.end());
  };
  keep(engine.run(questions.text, LogitsRows::kAll), answers.text_logits);
  engine.reset();
  std::vector<TokenId> next = questions.prompt;
  for (int i = 0; i < questions.generate; ++i) {
    const std::span<const float> logits = engine.run(next, LogitsRows::kLast);
    keep(logits, answers.generate_logits);
    answers.generated.push_back(likeliest(logits));
    next = {forced.empty() ? answers.generated.back() : forced[static_cast<std::size_t>(i)]};
  }
  return answers;
}

Requirement requirement_for(ToleranceClass worst_arithmetic) {
  const auto of = [](double max_kl) { return Requirement{max_kl, 8 * std::sqrt(max_kl), 8 * std::sqrt(max_kl)}; };
  switch (worst_arithmetic) {
    case ToleranceClass::kF32: {
      Requirement required = of(1e-4);
      required.generate_margin = 0;
      return required;
    }
    case ToleranceClass::kF16:
      return of(5e-4);
    case ToleranceClass::kQ8:
      break;
  }
  return of(5e-3);
}

void expect_agreement(const Answers& reference, const Answers& got, const Requirement& required) {
  ASSERT_EQ(reference.vocab, got.vocab);
  expect_rows_agree(reference.text_logits, got.text_logits, got.vocab, required.max_kl, required.margin, "text");
  expect_rows_agree(reference.generate_logits, got.generate_logits, got.vocab, required.max_kl,
                    required.generate_margin, "generated");
}

Plan uniform_plan(Strategy strategy, const std::vector<Share>& shares) {
  Plan plan = empty_plan(shares);
  for (PlanBucket& bucket : plan.buckets) {
    for (int k = 0; k < kBlockKinds; ++k) {
      const auto kind = static_cast<BlockKind>(k);
      const bool head_by_rows = kind == BlockKind::kHead && strategy == Strategy::kPaired;
      bucket.blocks.push_back(block_plan(kind, -1, head_by_rows ? Strategy::kRows : strategy, shares));
    }
  }
  return plan;
}

Plan silly_plan(const std::vector<std::string>& devices, int layers) {
  const std::vector<Share> shares = tiny_shares(devices);
  Plan plan = uniform_plan(Strategy::kRows, shares);
  for (PlanBucket& bucket : plan.buckets) {
    std::size_t turn = bucket.phase == Phase::kPrefill ? 0 : 1;
    for (int layer = 0; layer < layers; ++layer) {
      const bool attention_paired = layer % 3 == 0;
      const bool ffn_paired = layer % 4 == 1;
      const std::vector<Share> attention_shares = rotated(shares, static_cast<std::size_t>(layer));
      const std::vector<Share> ffn_shares = rotated(shares, static_cast<std::size_t>(layer) + 1);
      for (int k = 0; k < kBlockKinds; ++k) {
        const auto kind = static_cast<BlockKind>(k);
        if (kind == BlockKind::kHead) continue;
        ++turn;
        const bool ffn = kind == BlockKind::kFfnIn || kind == BlockKind::kFfnOut;
        if (ffn ? ffn_paired : attention_paired) {
          bucket.blocks.push_back(block_plan(kind, layer, Strategy::kPaired, ffn ? ffn_shares : attention_shares));
        } else {
          const auto strategy = static_cast<Strategy>(turn % (kStrategies - 1));  // all but paired, which is the last
          bucket.blocks.push_back(block_plan(kind, layer, strategy, rotated(shares, turn)));
        }
      }
    }
  }
  return plan;
}

}  // namespace hetero::test
