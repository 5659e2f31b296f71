// Which architectures can be built from a GGUF file. One line here and one file beside it per architecture.
#pragma once

#include <string>

#include "runtime/model/gguf.h"
#include "runtime/model/graph.h"

namespace hetero {

// Dispatches on general.architecture. Throws input_error naming what is supported, or what is missing or inconsistent.
Graph build_graph(const GgufFile& file);

Graph build_llama_graph(const GgufFile& file);

}  // namespace hetero
