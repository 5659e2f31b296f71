// The size of the last-level cache: what a set of weights must exceed to be cold.
#pragma once

#include <cstdint>

namespace hetero {

// Bytes of the largest cache that hwloc knows; 64 MiB where it knows none (no phone, laptop or board has more).
std::uint64_t last_level_cache_bytes();

}  // namespace hetero
