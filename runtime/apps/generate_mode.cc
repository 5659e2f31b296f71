// hetero-infer -p: one prompt, a streamed answer. Also --tokenize.
#include <unistd.h>

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "runtime/apps/infer_setup.h"

namespace hetero {
namespace {

std::vector<TokenId> prompt_tokens(const InferFlags& flags, const Model& model) {
  const Tokenizer& tokenizer = tokenizer_of(model);
  const bool chat = flags.chat == InferFlags::Chat::kTemplate;
  std::string text = flags.prompt;
  if (chat) {
    std::vector<ChatMessage> messages;
    if (!flags.system.empty()) messages.push_back({"system", flags.system});
    messages.push_back({"user", flags.prompt});
    text = model.chat_template().render(messages);
  }
  std::vector<TokenId> ids = tokenizer.encode(text, chat ? SpecialTokens::kParse : SpecialTokens::kAsText);
  if (tokenizer.adds_bos() && (ids.empty() || ids.front() != tokenizer.bos())) {
    ids.insert(ids.begin(), tokenizer.bos());
  }
  if (ids.empty()) throw usage_error("the prompt is empty", "give one with --prompt TEXT");
  return ids;
}

std::string rate_text(std::size_t tokens, double ns) {
  char text[96];
  std::snprintf(text, sizeof text, "%zu tokens, %.1f tok/s", tokens, static_cast<double>(tokens) / ns * 1e9);
  return text;
}

}  // namespace

int run_generate(const InferFlags& flags) {
  check(flags.sampling);
  std::unique_ptr<Model> model = load_model(flags);
  const std::vector<TokenId> prompt = prompt_tokens(flags, *model);
  const std::int64_t context = context_of(flags, *model);
  if (static_cast<std::int64_t>(prompt.size()) >= context) {
    throw usage_error("the prompt has " + std::to_string(prompt.size()) + " tokens, the context holds " +
                          std::to_string(context) + " with the answer",
                      context < model->graph().max_context ? "shorten it or raise --context" : "shorten it");
  }
  std::optional<OutputFile> trace_file;  // opened first: what cannot be written shall not cost an answer
  if (!flags.trace.empty()) trace_file.emplace(flags.trace);
  InferSetup setup = set_up(flags, std::move(model), context, 1, 0);
  Engine& engine = *setup.engine;
  const Tokenizer& tokenizer = tokenizer_of(*setup.model);
  Trace trace;
  trace.simulated = setup.emulated;
  trace.devices = setup.device_ids();
  const auto prompt_rows = static_cast<std::int64_t>(prompt.size());
  engine.compile_ahead(prompt_rows, LogitsRows::kLast);
  engine.compile_ahead(1, LogitsRows::kLast);  // the prompt does not wait for the graphs of the answer
  engine.warm_up(prompt_rows, LogitsRows::kLast);
  if (!flags.trace.empty()) engine.set_trace(&trace);

  Sampler sampler(flags.sampling);
  const bool stream = flags.output == InferFlags::Output::kText;
  std::string answer;
  std::vector<TokenId> ids;
  std::size_t decoded = 0;  // steps after the prompt
  std::string stop = "length";
  const Nanos start = setup.timeline->now();
  std::span<const float> logits = engine.run(prompt, LogitsRows::kLast);
  TokenId next = sampler.sample(logits);
  const double prefill_ns = to_ns(setup.timeline->now() - start);
  engine.warm_up(1, LogitsRows::kLast);
  const Nanos decode_start = setup.timeline->now();
  while (static_cast<std::int64_t>(ids.size()) < flags.predict) {
    if (tokenizer.ends_generation(next)) {
      stop = "end_of_turn";
      break;
    }
    ids.push_back(next);
    const std::string piece = tokenizer.decode(next);
    answer += piece;
    if (stream) {
      std::cout << piece << std::flush;
      if (!std::cout) throw environment_error("cannot write the answer to stdout", "check the free space or the pipe");
    }
    if (static_cast<std::int64_t>(ids.size()) == flags.predict) break;
    if (engine.position() == engine.context()) {
      stop = "context";
      break;
    }
    const TokenId last[] = {next};
    next = sampler.sample(engine.run(last, LogitsRows::kLast));
    ++decoded;
  }
  const double decode_ns = to_ns(setup.timeline->now() - decode_start);
  if (trace_file) {
    trace_file->write(to_chrome_json(trace));
    trace_file->commit();
  }
  if (stream) {
    std::cout << "\n" << std::flush;  // before what stderr says of it
    log_note((setup.emulated ? "[emulated times] " : "") + std::string("prompt ") +
             rate_text(prompt.size(), prefill_ns) + (decoded > 0 ? "; answer " + rate_text(decoded, decode_ns) : "") +
             "; plan " + std::string(name_of(setup.source)));
    if (stop == "context") log_warning("the context is full: the answer is cut off; raise --context");
    return 0;
  }
  nlohmann::ordered_json json;
  json["text"] = answer;
  json["ids"] = ids;
  json["stop"] = stop;
  json["prompt_tokens"] = prompt.size();
  json["ttft_ms"] = prefill_ns / 1e6;
  json["prefill_tok_per_s"] = static_cast<double>(prompt.size()) / prefill_ns * 1e9;
  if (decoded > 0) json["decode_tok_per_s"] = static_cast<double>(decoded) / decode_ns * 1e9;
  json["devices"] = setup.device_ids();
  json["plan"] = name_of(setup.source);
  json["emulated"] = setup.emulated;
  std::cout << json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  return 0;
}

int run_tokenize(const InferFlags& flags) {
  const std::unique_ptr<Model> model = load_model(flags);
  const std::vector<TokenId> ids = tokenizer_of(*model).encode(flags.tokenize, SpecialTokens::kAsText);
  if (flags.output == InferFlags::Output::kJson) {
    std::cout << nlohmann::json{{"ids", ids}}.dump() << "\n";
    return 0;
  }
  for (std::size_t i = 0; i < ids.size(); ++i) std::cout << (i > 0 ? " " : "") << ids[i];
  std::cout << "\n";
  return 0;
}

}  // namespace hetero
