#include "tuner/solve/step.h"

#include <algorithm>
#include <map>
#include <string>

namespace hetero {
namespace {

// Several blocks that are divided alike need no join inside: a device's part of one reads only its part of the other.
struct LongSpan {
  std::vector<BlockKind> blocks;
  SpanForm form;
};
const std::vector<LongSpan>& long_spans() {
  static const std::vector<LongSpan> kSpans = {
      {{BlockKind::kAttentionIn, BlockKind::kAttention}, SpanForm::kByColumns},                   // rows
      {{BlockKind::kFfnIn, BlockKind::kFfnOut}, SpanForm::kByColumns},                            // sequence
      {{BlockKind::kAttentionOut, BlockKind::kFfnIn, BlockKind::kFfnOut}, SpanForm::kByColumns},  // sequence
      {{BlockKind::kAttentionIn, BlockKind::kAttention, BlockKind::kAttentionOut}, SpanForm::kPaired},
      {{BlockKind::kFfnIn, BlockKind::kFfnOut}, SpanForm::kPaired}};
  return kSpans;
}

constexpr BlockKind kLayerKinds[] = {BlockKind::kAttentionIn, BlockKind::kAttention, BlockKind::kAttentionOut,
                                     BlockKind::kFfnIn, BlockKind::kFfnOut};

std::int64_t context_of(const SolveOptions& options, Phase phase, std::int64_t tokens) {
  return phase == Phase::kDecode ? std::max<std::int64_t>(tokens, options.decode_context) : tokens;
}

SpanForm form_of(const Choice& choice) {
  return choice.option.strategy == Strategy::kPaired ? SpanForm::kPaired : SpanForm::kByColumns;
}

// What the head computes: only the last row's logits are needed.
constexpr std::int64_t kHeadRows = 1;

std::unique_ptr<StepSolution> empty_step(const SolveProblem& problem, Phase phase, std::int64_t tokens) {
  auto step = std::make_unique<StepSolution>();
  step->phase = phase;
  step->tokens = tokens;
  for (const std::vector<int>& layers : layer_classes(*problem.shape)) step->classes.push_back({layers, {}});
  return step;
}

// What a span's options depend on within a step: layers of different formats mostly differ in a block or two.
std::string span_key(const ModelShape& shape, const std::vector<BlockKind>& blocks, SpanForm form, int layer) {
  std::string key = form == SpanForm::kPaired ? "paired" : "columns";
  for (const BlockKind block : blocks) {
    key += "; " + std::string(name_of(block));
    for (const OpDesc& op : block_ops(shape, block, layer, 1, 1)) key += ", " + canonical_text(op);
  }
  return key;
}

SpanOptions followed(const SolveProblem& problem, const SpanTimes& span, Phase phase,
                     const std::vector<Share>& features) {
  SpanOptions result;
  result.blocks = span.blocks();
  BlockPlan division;
  division.features = features;
  division.strategy = features.size() == 1 ? Strategy::kSingle : Strategy::kRows;
  const Option option = evaluate(problem, span, phase, division);
  if (option.possible()) (features.size() > 1 ? result.divided : result.single) = {option};
  if (option.possible()) result.explained = {option};
  return result;
}

}  // namespace

std::vector<std::vector<int>> layer_classes(const ModelShape& shape) {
  std::vector<std::vector<int>> classes;
  for (int layer = 0; layer < shape.layers; ++layer) {
    const auto same = std::find_if(classes.begin(), classes.end(), [&](const std::vector<int>& layers) {
      return shape.types(layers.front()) == shape.types(layer);
    });
    if (same == classes.end()) {
      classes.push_back({layer});
    } else {
      same->push_back(layer);
    }
  }
  std::stable_sort(classes.begin(), classes.end(), [](const auto& a, const auto& b) { return a.size() > b.size(); });
  return classes;
}

std::unique_ptr<StepSolution> solve_step(const SolveProblem& problem, const SolveOptions& options, Phase phase,
                                         std::int64_t tokens, unsigned usable) {
  auto step = empty_step(problem, phase, tokens);
  const std::int64_t context = context_of(options, phase, tokens);
  const bool several = (usable & (usable - 1)) != 0;
  std::map<std::string, SpanOptions> known;
  for (LayerClass& layers : step->classes) {
    const int layer = layers.layers.front();
    const auto add = [&](const std::vector<BlockKind>& blocks, SpanForm form) {
      const auto [entry, is_new] = known.try_emplace(span_key(*problem.shape, blocks, form, layer));
      if (is_new) {
        const SpanTimes span(problem, blocks, form, layer, tokens, context);
        entry->second = enumerate_options(problem, span, phase, options, usable);
      }
      layers.spans.push_back(entry->second);
    };
    for (const BlockKind kind : kLayerKinds) add({kind}, SpanForm::kByColumns);
    if (!several) continue;
    for (const LongSpan& span : long_spans()) add(span.blocks, span.form);
  }
  const SpanTimes head(problem, {BlockKind::kHead}, SpanForm::kByColumns, 0, kHeadRows, kHeadRows);
  step->head = enumerate_options(problem, head, phase, options, usable);
  step->chain = best_chain(problem, step->classes, step->head);
  return step;
}

std::unique_ptr<StepSolution> follow_step(const SolveProblem& problem, const SolveOptions& options, Phase phase,
                                          std::int64_t tokens, const std::vector<std::vector<Share>>& features) {
  auto step = empty_step(problem, phase, tokens);
  const std::int64_t context = context_of(options, phase, tokens);
  for (LayerClass& layers : step->classes) {
    for (const BlockKind kind : kLayerKinds) {
      const SpanTimes span(problem, {kind}, SpanForm::kByColumns, layers.layers.front(), tokens, context);
      layers.spans.push_back(followed(problem, span, phase, features[static_cast<std::size_t>(kind)]));
    }
  }
  const SpanTimes head(problem, {BlockKind::kHead}, SpanForm::kByColumns, 0, kHeadRows, kHeadRows);
  step->head = followed(problem, head, phase, features[static_cast<std::size_t>(BlockKind::kHead)]);
  step->chain = best_chain(problem, step->classes, step->head);
  return step;
}

Placement placement_of(const SolveProblem& problem, const StepSolution& step) {
  Placement placement(problem);
  for (std::size_t c = 0; c < step.classes.size(); ++c) {
    for (const Choice& choice : step.chain.classes[c]) {
      placement.add(choice, form_of(choice), step.classes[c].layers, step.tokens);
    }
  }
  placement.add(step.chain.head, SpanForm::kByColumns, {0}, kHeadRows);
  return placement;
}

}  // namespace hetero
