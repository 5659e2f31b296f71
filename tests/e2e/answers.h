// Asks a model the same questions on different devices under different plans, and compares the answers with those of
// the reference path (dequantised weights, float32 activations, double accumulation).
// Opens devices for each question and closes them again, since two cannot hold one core. Used by one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "kernels/variant.h"
#include "profiles/plan.h"
#include "runtime/model/graph.h"
#include "runtime/model/tokenizer.h"

namespace hetero::test {

struct Questions {
  std::vector<TokenId> text;    // logits of every token are wanted
  std::vector<TokenId> prompt;  // `generate` tokens are wanted after it
  int generate = 0;
};

struct Answers {
  std::int64_t vocab = 0;
  std::vector<float> text_logits;      // [text, vocab]
  std::vector<float> generate_logits;  // [generate, vocab]: the row from which each token was chosen
  std::vector<TokenId> generated;      // the likeliest token of each row
};

struct Contestant {
  std::string name;     // of the test case
  std::string devices;  // as --devices
  ToleranceClass precision = ToleranceClass::kF32;
  std::function<Plan(const std::vector<std::string>& ids, int layers)> plan;  // null: the first device alone
};

// Greedy tokens; where `forced` is not empty those are fed in place of the own choices, so that one early difference
// does not hide the rest. Throws Error.
Answers ask(const Graph& graph, const Contestant& contestant, const Questions& questions,
            const std::vector<TokenId>& forced);

// The requirements. For a small change d of the logits the KL divergence is half the variance of d under the
// reference's distribution, so a mean KL within `max_kl` allows a standard deviation of sqrt(2 max_kl), and
// sqrt(2) times that for the difference of two logits: 2 sqrt(max_kl). A next token may differ only where the
// reference's two likeliest are closer than four such deviations: 8 sqrt(max_kl).
struct Requirement {
  double max_kl = 0;           // mean over rows, in nats
  double margin = 0;           // of the text's next tokens, in logits
  double generate_margin = 0;  // of the generated tokens; 0: all must be equal
};
// 1e-4 for float32, where the generated tokens must be identical too; 5e-4 for float16; 5e-3 for 8-bit activations.
Requirement requirement_for(ToleranceClass worst_arithmetic);

// Fails the running test when `got` differs too much; prints what it found. NaN, infinity and rows that are all equal
// fail.
void expect_agreement(const Answers& reference, const Answers& got, const Requirement& required);

// Every block of every layer divided alike, in prefill and decode; the head by rows where the strategy cannot divide
// it. One share: the first device.
Plan uniform_plan(Strategy strategy, const std::vector<Share>& shares);
// Strategies, leading device and shares (down to 1/64) change from block to block and from layer to layer.
Plan silly_plan(const std::vector<std::string>& devices, int layers);

}  // namespace hetero::test
