// Databases put together, and made smaller. Both work on files that nobody else writes meanwhile.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hetero {

struct MergeCounts {
  std::int64_t runs = 0, samples = 0, documents = 0;  // of the result
};

// Writes the union of `inputs` to `output`, a file that is not there yet. The union is one of sets: a run is known by
// its circumstances and its uid, a row by its run, what it says, and how many rows before it say the same. So merging
// is associative, commutative and idempotent, and what is in force is the same whoever merges: runs stand in the order
// in which they began. Inputs may be of older versions; they are not changed. Throws usage_error, input_error,
// environment_error; then there is no output.
MergeCounts merge_databases(const std::vector<std::string>& inputs, const std::string& output);

struct PruneCounts {
  std::int64_t samples = 0, documents = 0, runs = 0;  // that no longer serve
};
enum class PruneMode : std::uint8_t { kCount, kRemove };

// What no longer serves: samples and profiles of devices as they no longer are (on each host, a device's latest
// fingerprint is the device), documents that newer ones have replaced, and then runs that nothing is left of.
PruneCounts prune_database(const std::string& path, PruneMode mode);

}  // namespace hetero
