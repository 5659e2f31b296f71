// hetero-infer --logits-out and --perplexity: what a model computes, for comparison with other engines and other plans.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/progress.h"
#include "runtime/apps/infer_setup.h"
#include "runtime/apps/npy.h"

namespace hetero {
namespace {

// Rows of logits that one step may ask for: memory is rows x vocabulary x 4 bytes.
constexpr std::int64_t kMaxRows = 512;

std::vector<TokenId> plain_tokens(const Model& model, const std::string& text) {
  const Tokenizer& tokenizer = tokenizer_of(model);
  std::vector<TokenId> ids = tokenizer.encode(text, SpecialTokens::kAsText);
  if (tokenizer.adds_bos()) ids.insert(ids.begin(), tokenizer.bos());
  return ids;
}

// -log softmax(logits)[target], in double.
double negative_log_likelihood(std::span<const float> logits, TokenId target) {
  const double peak = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float l : logits) sum += std::exp(static_cast<double>(l) - peak);
  return std::log(sum) + peak - static_cast<double>(logits[static_cast<std::size_t>(target)]);
}

}  // namespace

int run_logits(const InferFlags& flags) {
  std::unique_ptr<Model> model = load_model(flags);
  const std::vector<TokenId> ids = plain_tokens(*model, flags.prompt);
  const auto count = static_cast<std::int64_t>(ids.size());
  const std::int64_t context = context_of(flags, *model);
  if (ids.empty()) throw usage_error("--logits-out needs a prompt", "give one with --prompt TEXT");
  if (count > context) {
    throw usage_error(
        "the prompt has " + std::to_string(count) + " tokens, the context holds " + std::to_string(context),
        "shorten it or raise --context");
  }
  const std::int64_t rows = std::min(count, kMaxRows);
  InferSetup setup = set_up(flags, std::move(model), context, rows, rows);
  NpyWriter writer(flags.logits_out, count, setup.model->graph().vocab);
  for (std::int64_t done = 0; done < count; done += rows) {
    const std::int64_t chunk = std::min(rows, count - done);
    writer.write(setup.engine->run(
        std::span(ids).subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(chunk)), LogitsRows::kAll));
  }
  writer.finish();
  return 0;
}

int run_perplexity(const InferFlags& flags) {
  const std::string text = read_file(flags.perplexity);
  std::unique_ptr<Model> model = load_model(flags);
  const std::vector<TokenId> ids = plain_tokens(*model, text);
  const std::int64_t chunk = std::min(context_of(flags, *model), kMaxRows);
  if (ids.size() < 2) throw usage_error("'" + flags.perplexity + "' has less than two tokens", "give a longer text");
  InferSetup setup = set_up(flags, std::move(model), chunk, chunk, chunk);
  const auto vocab = static_cast<std::size_t>(setup.model->graph().vocab);
  Progress progress("perplexity");
  double sum = 0;
  double squares = 0;
  std::int64_t scored = 0;
  for (std::size_t first = 0; first + 1 < ids.size(); first += static_cast<std::size_t>(chunk)) {
    const std::size_t rows = std::min(static_cast<std::size_t>(chunk), ids.size() - first);
    progress.update(static_cast<double>(first) / static_cast<double>(ids.size()), "token " + std::to_string(first), -1);
    setup.engine->reset();
    const std::span<const float> logits = setup.engine->run(std::span(ids).subspan(first, rows), LogitsRows::kAll);
    for (std::size_t i = 0; i + 1 < rows; ++i) {
      const double nll = negative_log_likelihood(logits.subspan(i * vocab, vocab), ids[first + i + 1]);
      sum += nll;
      squares += nll * nll;
      ++scored;
    }
  }
  const double mean = sum / static_cast<double>(scored);
  const double variance = std::max(0.0, squares / static_cast<double>(scored) - mean * mean);
  const double error = std::exp(mean) * std::sqrt(variance / static_cast<double>(scored));
  if (flags.output == InferFlags::Output::kJson) {
    std::cout << nlohmann::ordered_json{{"perplexity", std::exp(mean)},
                                        {"standard_error", error},
                                        {"tokens", scored},
                                        {"chunk", chunk},
                                        {"devices", setup.device_ids()},
                                        {"plan", name_of(setup.source)}}
                     .dump(2)
              << "\n";
  } else {
    std::printf("perplexity %.4f +- %.4f over %lld tokens in chunks of %lld\n", std::exp(mean), error,
                static_cast<long long>(scored), static_cast<long long>(chunk));
  }
  return 0;
}

}  // namespace hetero
