// Which parts of which weights each device must hold for a plan, and what that takes in memory. A part that two buckets
// need on one device is held once; prefill and decode share as far as their ranges overlap.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "tuner/solve/chain.h"

namespace hetero {

class Placement {
 public:
  explicit Placement(const SolveProblem& problem) : problem_(problem) {}

  // One choice for `layers` (of equal types), in a step of `rows` rows.
  void add(const Choice& choice, SpanForm form, const std::vector<int>& layers, std::int64_t rows);
  void add(const Placement& other);

  // [device] packed bytes, in the storage format of the file.
  std::vector<std::uint64_t> bytes() const;
  bool fits() const;
  bool uses(int device) const;  // it runs something, be it without weights

 private:
  enum class Axis : std::uint8_t { kRows, kReduction };  // of the weight: slices along k are packed apart from rows
  // device, block, op within the block, axis, representative layer
  using Key = std::tuple<int, BlockKind, std::size_t, Axis, int>;
  struct Ranges {
    OpDesc weight;
    std::int64_t layers = 1;
    std::vector<std::pair<std::int64_t, std::int64_t>> list;  // disjoint, ascending
  };
  static void insert(Ranges& ranges, std::int64_t begin, std::int64_t end);

  const SolveProblem& problem_;
  std::map<Key, Ranges> held_;
  std::set<int> used_;
};

}  // namespace hetero
