// A short stable identity of some text or bytes: the key under which compiled programs, plans and samples are
// found again. FNV-1a, 64 bits; not cryptographic.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hetero {

std::uint64_t fingerprint_of(const void* data, std::size_t bytes, std::uint64_t seed = 0xcbf29ce484222325ULL);

// Sixteen lower-case hex digits.
std::string fingerprint_text(std::string_view text);

}  // namespace hetero
