// Successive halving (Jamieson and Talwalkar 2016) with the number of repetitions as fidelity: many configurations get
// a short look, the best third of them a longer one, the best third of those all repetitions; then new ones come in.
// Where a problem offers one repetition only there is nothing to halve, and this is random search.
#include <algorithm>
#include <limits>

#include "tuner/search/strategies.h"
#include "tuner/search/unvisited.h"

namespace hetero {
namespace {

constexpr int kKeep = 3;  // one in so many goes on
constexpr int kRungs = 3;

class SuccessiveHalving final : public SearchStrategy {
 public:
  SuccessiveHalving(const SearchSpace& space, const StrategyOptions& options)
      : options_(options), rng_(options.seed), unvisited_(space.size()) {
    int repetitions = options.repetitions;
    rungs_.push_back(repetitions);
    while (static_cast<int>(rungs_.size()) < kRungs && repetitions > 1) {
      repetitions = std::max(1, repetitions / kKeep);
      rungs_.insert(rungs_.begin(), repetitions);
    }
    for (std::size_t i = 0; i < rungs_.size(); ++i) most_ *= kKeep;
  }

  std::optional<Proposal> next() override {
    if (at_ == running_.size() && !advance()) return std::nullopt;
    return Proposal{running_[at_].config, rungs_[rung_]};
  }

  void tell(const SearchResult& result) override {
    running_[at_++].value = result.ok() ? result.value : std::numeric_limits<double>::infinity();
  }

 private:
  struct Runner {
    ConfigId config = 0;
    double value = 0;
  };

  // To the next rung with the best, or to the first one with new configurations.
  bool advance() {
    at_ = 0;
    if (!running_.empty() && rung_ + 1 < rungs_.size()) {
      ++rung_;
      std::stable_sort(running_.begin(), running_.end(),
                       [](const Runner& a, const Runner& b) { return a.value < b.value; });
      running_.resize((running_.size() + kKeep - 1) / kKeep);
      std::erase_if(running_, [](const Runner& r) { return r.value == std::numeric_limits<double>::infinity(); });
      if (!running_.empty()) return true;
    }
    rung_ = 0;
    running_.clear();
    while (!unvisited_.empty() && running_.size() < most_) {
      const ConfigId config = first_ && options_.first ? *options_.first : unvisited_.peek(rng_);
      first_ = false;
      unvisited_.take(config);
      running_.push_back({config, 0});
    }
    return !running_.empty();
  }

  StrategyOptions options_;
  Rng rng_;
  Unvisited unvisited_;
  std::vector<int> rungs_;  // repetitions, ascending
  std::size_t rung_ = 0;
  std::size_t most_ = 1;  // configurations of the first rung
  std::vector<Runner> running_;
  std::size_t at_ = 0;
  bool first_ = true;
};

}  // namespace

std::unique_ptr<SearchStrategy> make_successive_halving(const SearchSpace& space, const StrategyOptions& options) {
  return std::make_unique<SuccessiveHalving>(space, options);
}

}  // namespace hetero
