// Local search with restarts: from a configuration to the first neighbour that is better, neighbours in random order;
// where none is, on from the best one so far with some parameters changed. What was visited is never visited again.
#include <algorithm>
#include <limits>

#include "tuner/search/strategies.h"
#include "tuner/search/unvisited.h"

namespace hetero {
namespace {

// Random starts before the first climb: one bad start would cost its whole neighbourhood.
constexpr int kStarts = 5;
constexpr int kTriesToJump = 20;

class LocalSearch final : public SearchStrategy {
 public:
  LocalSearch(const SearchSpace& space, const StrategyOptions& options)
      : space_(space), options_(options), rng_(options.seed), unvisited_(space.size()) {}

  std::optional<Proposal> next() override {
    if (unvisited_.empty()) return std::nullopt;
    proposed_ = choose();
    unvisited_.take(proposed_);
    return Proposal{proposed_, options_.repetitions};
  }

  void tell(const SearchResult& result) override {
    const double value = result.ok() ? result.value : std::numeric_limits<double>::infinity();
    if (value < best_value_) {
      best_ = proposed_;
      best_value_ = value;
    }
    ++told_;
    if (told_ == kStarts) {
      begin_at(best_, best_value_);
    } else if (told_ > kStarts && (jumped_ || value < here_value_)) {
      begin_at(proposed_, value);
    }
    jumped_ = false;
  }

 private:
  void begin_at(ConfigId config, double value) {
    here_value_ = value;
    around_ = space_.neighbours(config);
    shuffle(around_, rng_);
  }

  ConfigId choose() {
    if (told_ == 0 && options_.first) return *options_.first;
    if (told_ < kStarts) return unvisited_.peek(rng_);
    while (!around_.empty()) {
      const ConfigId config = around_.back();
      around_.pop_back();
      if (unvisited_.has(config)) return config;
    }
    jumped_ = true;
    return jump();
  }

  // The best one with two or three parameters changed; anything when such are hard to find.
  ConfigId jump() {
    const std::size_t count = space_.parameters().size();
    for (int i = 0; i < kTriesToJump; ++i) {
      std::vector<std::uint16_t> at(space_.point(best_).begin(), space_.point(best_).end());
      const std::uint64_t changes = 2 + rng_.below(2);
      for (std::uint64_t c = 0; c < changes; ++c) {
        const std::size_t p = rng_.below(count);
        at[p] = static_cast<std::uint16_t>(rng_.below(space_.parameters()[p].values.size()));
      }
      const std::optional<ConfigId> found = space_.find(at);
      if (found && unvisited_.has(*found)) return *found;
    }
    return unvisited_.peek(rng_);
  }

  const SearchSpace& space_;
  StrategyOptions options_;
  Rng rng_;
  Unvisited unvisited_;
  ConfigId proposed_ = 0;
  ConfigId best_ = 0;
  double best_value_ = std::numeric_limits<double>::infinity();
  double here_value_ = std::numeric_limits<double>::infinity();
  std::vector<ConfigId> around_;  // neighbours that were not looked at
  int told_ = 0;
  bool jumped_ = false;
};

}  // namespace

std::unique_ptr<SearchStrategy> make_local(const SearchSpace& space, const StrategyOptions& options) {
  return std::make_unique<LocalSearch>(space, options);
}

}  // namespace hetero
