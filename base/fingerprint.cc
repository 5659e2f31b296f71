#include "base/fingerprint.h"

#include <cstdio>

namespace hetero {

std::uint64_t fingerprint_of(const void* data, std::size_t bytes, std::uint64_t seed) {
  const auto* p = static_cast<const unsigned char*>(data);
  std::uint64_t hash = seed;
  for (std::size_t i = 0; i < bytes; ++i) hash = (hash ^ p[i]) * 0x100000001b3ULL;
  return hash;
}

std::string fingerprint_text(std::string_view text) {
  char buffer[17];
  std::snprintf(buffer, sizeof buffer, "%016llx",
                static_cast<unsigned long long>(fingerprint_of(text.data(), text.size())));
  return buffer;
}

}  // namespace hetero
