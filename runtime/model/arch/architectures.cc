// The list of architectures; see architectures.h.
#include "runtime/model/arch/architectures.h"

#include <array>
#include <string_view>

#include "base/error.h"
#include "runtime/model/gguf_reader.h"

namespace hetero {
namespace {

struct Architecture {
  std::string_view name;
  Graph (*build)(const GgufFile&);
};

constexpr std::array kArchitectures = {
    Architecture{"llama", build_llama_graph},
};

}  // namespace

Graph build_graph(const GgufFile& file) {
  const std::string* name = file.text("general.architecture");
  if (name == nullptr) throw input_error("the file does not name an architecture", "it is not a language model");
  std::string supported;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == *name) return architecture.build(file);
    supported += (supported.empty() ? "" : ", ") + std::string(architecture.name);
  }
  throw input_error("the architecture " + shown(*name) + " is not supported", "use a model of one of: " + supported);
}

}  // namespace hetero
