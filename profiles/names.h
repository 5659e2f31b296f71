// Internal to profiles: enums and the written names that documents and the database hold for them.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"

namespace hetero {

// Names in the enum's order. Written names are never reused; a new enumerator goes to the end.
template <typename Enum, std::size_t N>
struct NameTable {
  const char* what;  // "strategy": for errors
  std::array<std::string_view, N> names;

  std::string_view name(Enum value) const {
    const auto index = static_cast<std::size_t>(value);
    return index < N ? names[index] : std::string_view("?");
  }
  // Throws input_error that lists the names.
  Enum parse(std::string_view name) const {
    std::string known;
    for (std::size_t i = 0; i < N; ++i) {
      if (names[i] == name) return static_cast<Enum>(i);
      known += (i == 0 ? "" : ", ") + std::string(names[i]);
    }
    throw input_error("'" + std::string(name.substr(0, 80)) + "' is not a " + what, "the names are " + known);
  }
};

}  // namespace hetero
