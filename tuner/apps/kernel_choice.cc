#include "tuner/apps/kernel_choice.h"

#include <algorithm>
#include <cstdio>

#include "tuner/measure/measure.h"

namespace hetero {
namespace {

constexpr int kPairs = 3;

std::string words(const ParamValues& params) {
  std::string text;
  for (const auto& [name, value] : params) text += " " + name + "=" + std::to_string(value);
  return text;
}

}  // namespace

std::vector<SearchTask> search_tasks(const ModelShape& shape, const Device& device,
                                     const std::vector<KernelChoice>& known) {
  std::vector<SearchTask> tasks;
  const auto done = [&](const KernelVariant& variant, ShapeClass shape_class) {
    const auto task = [&](const SearchTask& t) { return t.variant == &variant && shape_class_of(t.op) == shape_class; };
    const auto choice = [&](const KernelChoice& c) {
      return c.family_fingerprint == device.facts().family_fingerprint && c.variant == variant.id &&
             c.revision == variant.revision && c.shape_class() == shape_class;
    };
    return std::any_of(tasks.begin(), tasks.end(), task) || std::any_of(known.begin(), known.end(), choice);
  };
  for (const Subject& subject : subjects_for(shape, {&device.facts()}, {})) {
    if (subject.kind != SampleKind::kOp) continue;
    const OpDesc op = parse_op_desc(subject.subject);
    const KernelVariant* const variant = device.kernel_for(op).row;
    if (variant == nullptr || variant->scope != ParamScope::kDevice) continue;
    const ShapeClass shape_class = shape_class_of(op);
    const bool tunable = std::any_of(variant->params.begin(), variant->params.end(),
                                     [&](const ParamSpec& param) { return param.matters_to(shape_class); });
    if (!tunable || done(*variant, shape_class)) continue;
    tasks.push_back({op, variant});
  }
  return tasks;
}

std::optional<KernelChoice> decide(const KernelSearch& search, const OpDesc& op, const KernelVariant& variant,
                                   const std::string& family_fingerprint) {
  const RecordedRow* const best = search.best();
  const RecordedRow* const standard = search.standard();
  if (best == nullptr || standard == nullptr) return std::nullopt;
  KernelChoice choice;
  choice.family_fingerprint = family_fingerprint;
  choice.variant = variant.id;
  choice.revision = variant.revision;
  choice.subject = canonical_text(op);
  choice.params = search.params_of(standard->config);
  choice.best_ns = choice.default_ns = standard->result.value * 1e6;
  if (best == standard) return choice;
  const std::optional<KernelSearch::Duel> duel = search.duel(best->config, standard->config, kPairs);
  if (!duel) return std::nullopt;
  choice.best_ns = choice.default_ns = duel->b_ns;
  if (duel->a_ns <= kWorthChanging * duel->b_ns) {
    choice.params = search.params_of(best->config);
    choice.best_ns = duel->a_ns;
  }
  return choice;
}

std::string words(const KernelChoice& choice) {
  std::string text = choice.variant;
  if (const std::optional<ShapeClass> shape_class = choice.shape_class()) {
    text += " " + std::string(name_of(*shape_class));
  }
  text += ":" + words(choice.params);
  char ratio[64];
  std::snprintf(ratio, sizeof ratio, ", %.2fx of the default's time", choice.best_ns / choice.default_ns);
  return text + (choice.best_ns < choice.default_ns ? ratio : " (the default)");
}

std::string words(const ShapeChoice& choice) {
  std::string text = choice.variant + ", " + canonical_text(choice.op) + ":" + words(choice.timed.front().params);
  for (std::size_t i = 1; i < choice.timed.size(); ++i) {
    char ratio[64];
    std::snprintf(ratio, sizeof ratio, ", %.2fx of", choice.timed.front().ns / choice.timed[i].ns);
    text += ratio + words(choice.timed[i].params) + "'s time";
  }
  return text;
}

}  // namespace hetero
