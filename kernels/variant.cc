// Names and defaults of kernel variants.
#include "kernels/variant.h"

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

std::string variant_name(const KernelVariant* variant) {
  return variant == nullptr ? "" : variant->id + "#" + std::to_string(variant->revision);
}

}  // namespace hetero
