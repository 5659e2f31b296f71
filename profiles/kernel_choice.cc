#include "profiles/kernel_choice.h"

#include <algorithm>

#include "base/error.h"
#include "kernels/catalogue.h"

namespace hetero {
namespace {

bool fits(const KernelChoice& choice) {
  const KernelVariant* const variant = find_variant(choice.variant);
  if (variant == nullptr || variant->revision != choice.revision || variant->params.size() != choice.params.size()) {
    return false;
  }
  return std::all_of(variant->params.begin(), variant->params.end(), [&](const ParamSpec& spec) {
    const auto found = choice.params.find(spec.name);
    return found != choice.params.end() &&
           std::find(spec.values.begin(), spec.values.end(), found->second) != spec.values.end();
  });
}

const std::map<TunedFor, ParamValues>* of_family(const TunedKernels& tuned, const std::string& family_fingerprint) {
  const auto found = tuned.find(family_fingerprint);
  return found == tuned.end() ? nullptr : &found->second;
}

}  // namespace

std::optional<ShapeClass> KernelChoice::shape_class() const {
  try {
    return shape_class_of(parse_op_desc(subject));
  } catch (const Error&) {
    return std::nullopt;
  }
}

TunedKernels tuned_kernels(const std::vector<KernelChoice>& choices) {
  TunedKernels tuned;
  for (const KernelChoice& choice : choices) {
    const std::optional<ShapeClass> shape_class = choice.shape_class();
    if (shape_class && fits(choice)) tuned[choice.family_fingerprint][{choice.variant, *shape_class}] = choice.params;
  }
  return tuned;
}

ParamValues params_for(const TunedKernels& tuned, const std::string& family_fingerprint, const KernelVariant& variant,
                       const OpDesc& op) {
  for (const std::string& family : {family_fingerprint, std::string()}) {
    const auto* const choices = of_family(tuned, family);
    if (choices == nullptr) continue;
    const auto found = choices->find({variant.id, shape_class_of(op)});
    if (found != choices->end()) return found->second;
  }
  return default_params(variant);
}

std::string identity_of(const TunedKernels& tuned, const std::string& family_fingerprint) {
  std::string text;
  const auto* const choices = of_family(tuned, family_fingerprint);
  if (choices == nullptr) return text;
  for (const auto& [use, params] : *choices) {
    const KernelVariant* const row = find_variant(use.first);
    if (row == nullptr || params == default_params(*row)) continue;
    text += use.first + " " + std::string(name_of(use.second));
    for (const auto& [name, value] : params) text += " " + name + "=" + std::to_string(value);
    text += ";";
  }
  return text;
}

}  // namespace hetero
