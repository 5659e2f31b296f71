// A text file compiled into the program (kernel sources, schema, shipped profiles).
#pragma once

#include <string_view>

namespace hetero {

struct EmbeddedFile {
  std::string_view name;  // base name: "matmul.cl"
  std::string_view text;
};

}  // namespace hetero
