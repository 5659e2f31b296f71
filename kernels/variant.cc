// Names and defaults of kernel variants.
#include "kernels/variant.h"

#include <algorithm>

#include "base/error.h"

namespace hetero {

std::string_view name_of(ToleranceClass tolerance) {
  switch (tolerance) {
    case ToleranceClass::kF32:
      return "f32";
    case ToleranceClass::kF16:
      return "f16";
    case ToleranceClass::kQ8:
      return "q8";
  }
  return "?";
}

std::string_view name_of(KernelFamily family) {
  switch (family) {
    case KernelFamily::kCpu:
      return "cpu";
    case KernelFamily::kOpenCl:
      return "opencl";
    case KernelFamily::kGraph:
      return "graph";
    case KernelFamily::kReference:
      return "reference";
  }
  return "?";
}

ParamValues default_params(const KernelVariant& variant) {
  ParamValues values;
  for (const ParamSpec& param : variant.params) values[param.name] = param.default_value;
  return values;
}

bool ParamSpec::matters_to(ShapeClass shape_class) const {
  return classes.empty() || std::find(classes.begin(), classes.end(), shape_class) != classes.end();
}

std::vector<std::int64_t> values_in_order(const KernelVariant& variant, const ParamValues& values) {
  std::vector<std::int64_t> ordered;
  for (const ParamSpec& param : variant.params) {
    const auto found = values.find(param.name);
    ordered.push_back(found == values.end() ? param.default_value : found->second);
    if (std::find(param.values.begin(), param.values.end(), ordered.back()) != param.values.end()) continue;
    std::string known;
    for (const std::int64_t value : param.values) known += (known.empty() ? "" : ", ") + std::to_string(value);
    throw usage_error("kernel variant '" + variant.id + "' has no " + param.name + "=" + std::to_string(ordered.back()),
                      "use one of " + known);
  }
  return ordered;
}

std::string variant_name(const KernelVariant* variant) {
  return variant == nullptr ? "" : variant->id + "#" + std::to_string(variant->revision);
}

}  // namespace hetero
