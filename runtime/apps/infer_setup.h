// What every mode of hetero-infer needs: the model, the devices, the plan that runs on them. Opens the store.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "profiles/cost_model.h"
#include "profiles/plan.h"
#include "runtime/device/device.h"
#include "runtime/llm/engine.h"
#include "runtime/llm/sampler.h"
#include "runtime/model/model.h"

namespace hetero {

struct InferFlags {
  std::string model;
  std::string prompt;
  std::string system;
  std::string devices;        // empty: the plan's, or the best guess
  std::string plan = "auto";  // auto, none, or a file
  std::string database;       // empty: the default
  std::string trace;
  std::string precision = "q8";
  std::int64_t predict = 128;
  std::int64_t context = 0;  // 0: the model's, at most 4096
  SamplingParams sampling;
  std::string bench;
  std::string logits_out;
  std::string tokenize;
  std::string perplexity;
  int repetitions = 5;
  std::vector<std::string> against;  // --bench: plan files that take turns with the plan
  enum class Chat : std::uint8_t { kTemplate, kRaw } chat = Chat::kTemplate;
  enum class Output : std::uint8_t { kText, kJson } output = Output::kText;
  enum class Singles : std::uint8_t { kNo, kInterleaved } singles = Singles::kNo;
};

// Where the plan came from, as `--bench --json` names it.
enum class PlanSource : std::uint8_t { kTuned, kSingle, kNone, kFile };
std::string_view name_of(PlanSource source);

struct InferSetup {
  std::unique_ptr<Model> model;
  std::unique_ptr<RealTimeline> timeline;
  std::vector<std::unique_ptr<Device>> devices;
  Plan plan;
  PlanSource source = PlanSource::kNone;
  std::unique_ptr<CostModel> costs;  // null: no profiles
  std::unique_ptr<Engine> engine;
  bool emulated = false;  // a device's times come from a profile

  std::vector<std::string> device_ids() const;
};

// Throws Error. `max_logits_rows` as in EngineOptions; `max_rows` 0 = the default.
InferSetup set_up(const InferFlags& flags, std::unique_ptr<Model> model, std::int64_t context,
                  std::int64_t max_logits_rows, std::int64_t max_rows);

std::unique_ptr<Model> load_model(const InferFlags& flags);
// --context, or what the model was trained for but at most 4096 rows of cache.
std::int64_t context_of(const InferFlags& flags, const Model& model);
// Throws input_error when the model has no vocabulary.
const Tokenizer& tokenizer_of(const Model& model);

// The modes: exit code 0; errors are thrown.
int run_generate(const InferFlags& flags);
int run_bench(const InferFlags& flags);
int run_logits(const InferFlags& flags);
int run_perplexity(const InferFlags& flags);
int run_tokenize(const InferFlags& flags);

}  // namespace hetero
