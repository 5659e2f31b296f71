// What a strategy has not proposed yet: taken by name or at random, each in constant time. Not thread-safe.
#pragma once

#include <numeric>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "tuner/search/space.h"

namespace hetero {

class Unvisited {
 public:
  explicit Unvisited(std::size_t count) : order_(count), place_(count) {
    std::iota(order_.begin(), order_.end(), ConfigId{0});
    std::iota(place_.begin(), place_.end(), std::size_t{0});
  }

  bool empty() const { return order_.empty(); }
  std::size_t size() const { return order_.size(); }
  bool has(ConfigId config) const { return place_[config] < order_.size() && order_[place_[config]] == config; }
  // In no particular order, but the same one for the same history.
  const std::vector<ConfigId>& all() const { return order_; }

  // Precondition: !empty().
  ConfigId peek(Rng& rng) const { return order_[rng.below(order_.size())]; }
  // Precondition: has(config).
  void take(ConfigId config) {
    const std::size_t place = place_[config];
    std::swap(order_[place], order_.back());
    place_[order_[place]] = place;
    order_.pop_back();
    place_[config] = place_.size();
  }

 private:
  std::vector<ConfigId> order_;
  std::vector<std::size_t> place_;
};

template <typename T>
void shuffle(std::vector<T>& items, Rng& rng) {
  for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[rng.below(i)]);
}

}  // namespace hetero
