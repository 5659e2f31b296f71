// The guided strategy: a climb as in `local`, led by a Gaussian process over what was measured. Of the neighbours, the
// one from which most improvement is to be expected comes first (Jones, Schonlau and Welch 1998, "Efficient Global
// Optimization"), times how likely it is to be valid; where none promises anything, a jump to the most promising of
// many is next. The climb finds what the process cannot foresee. Chosen by result: docs/search.md.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

#include "tuner/search/gaussian_process.h"
#include "tuner/search/strategies.h"
#include "tuner/search/unvisited.h"

namespace hetero {
namespace {

constexpr std::size_t kInitial = 4;  // far from each other, before anything is believed
constexpr int kSpreadTries = 16;     // of which the farthest is taken
// What the process is conditioned on at most; when it is full, a third of it is forgotten.
constexpr std::size_t kMostTrained = 100;
// Length scales are adapted each time that so much more is known, until enough is.
constexpr double kAdaptGrowth = 1.25;
constexpr std::size_t kMostAdapted = 60;
// A neighbourhood is left when no neighbour is better with at least this probability.
constexpr double kGiveUp = 0.02;
// Where a jump may go: the best one with two or three parameters changed, and strangers.
constexpr std::size_t kMutants = 60, kStrangers = 20;
constexpr std::size_t kFewLeft = 100;  // of so few, each is looked at
// Slower than this many times the way from best to median counts as this slow: how bad the bad ones are is of no use.
constexpr double kWorstKept = 2;

// Of a normal belief below `best`.
double expected_improvement(const GaussianProcess::Belief& belief, double best) {
  const double z = (best - belief.mean) / belief.deviation;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  const double probability = std::erfc(-z / std::numbers::sqrt2) / 2;
  return belief.deviation * (z * probability + density);
}

class Guided final : public SearchStrategy {
 public:
  Guided(const SearchSpace& space, const StrategyOptions& options)
      : space_(space),
        options_(options),
        rng_(options.seed),
        unvisited_(space.size()),
        geometry_(space),
        process_(space, geometry_) {}

  std::optional<Proposal> next() override {
    if (unvisited_.empty()) return std::nullopt;
    proposed_ = choose();
    unvisited_.take(proposed_);
    return Proposal{proposed_, options_.repetitions};
  }

  void tell(const SearchResult& result) override {
    const bool begins = jumped_;
    jumped_ = false;
    if (!result.ok()) {
      invalid_.push_back(proposed_);
      if (begins) around_.clear();  // there is no climbing from here
      return;
    }
    const Measured m{proposed_, std::log(std::max(result.value, 1e-300))};
    valid_.push_back(m);
    trained_.push_back(m);
    if (m.target < best_.target) best_ = m;
    const std::size_t told = valid_.size() + invalid_.size();
    if (told < kInitial) return;
    if (told == kInitial || valid_.size() == 2) {
      climb_from(best_);
    } else if (begins || m.target < here_.target) {
      climb_from(m);
    }
  }

 private:
  struct Measured {
    ConfigId config = 0;
    double target =
        std::numeric_limits<double>::infinity();  // logarithm of the value: effects of parameters are factors
  };

  void climb_from(const Measured& m) {
    here_ = m;
    around_ = space_.neighbours(m.config);
  }

  ConfigId choose() {
    const std::size_t told = valid_.size() + invalid_.size();
    if (told == 0 && options_.first) return *options_.first;
    if (told < kInitial || valid_.size() < 2) return far_away();
    condition();
    std::erase_if(around_, [&](ConfigId config) { return !unvisited_.has(config); });
    if (!around_.empty()) {
      const auto [chance, config] = most_promising(around_, here_.target);
      if (chance >= kGiveUp) return config;
      around_.clear();
    }
    jumped_ = true;
    return most_promising(jumps(), best_.target).second;
  }

  // The one farthest from everything that was proposed, of a few at random.
  ConfigId far_away() {
    ConfigId farthest = 0;
    double least = 2;  // closeness is at most 1
    for (int i = 0; i < kSpreadTries; ++i) {
      const ConfigId config = unvisited_.peek(rng_);
      double closeness = 0;
      for (const Measured& m : valid_) closeness = std::max(closeness, process_.correlation(config, m.config));
      for (const ConfigId other : invalid_) closeness = std::max(closeness, process_.correlation(config, other));
      if (closeness < least) {
        least = closeness;
        farthest = config;
      }
    }
    return farthest;
  }

  void condition() {
    if (trained_.size() > kMostTrained) {
      // The best ones, and of the rest a few at random.
      std::stable_sort(trained_.begin(), trained_.end(),
                       [](const Measured& a, const Measured& b) { return a.target < b.target; });
      for (std::size_t i = kMostTrained / 3; i < 2 * kMostTrained / 3; ++i) {
        std::swap(trained_[i], trained_[i + rng_.below(trained_.size() - i)]);
      }
      trained_.resize(2 * kMostTrained / 3);
    }
    std::vector<ConfigId> configs;
    std::vector<double> targets;
    for (const Measured& m : trained_) {
      configs.push_back(m.config);
      targets.push_back(m.target);
    }
    std::vector<double> sorted = targets;
    std::nth_element(sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() / 2), sorted.end());
    const double worst = best_.target + kWorstKept * std::max(sorted[sorted.size() / 2] - best_.target, 1e-6);
    for (double& target : targets) target = std::min(target, worst);
    process_.condition(std::move(configs), std::move(targets));
    if (trained_.size() <= kMostAdapted && static_cast<double>(trained_.size()) >= next_adapt_) {
      process_.adapt();
      next_adapt_ = static_cast<double>(trained_.size()) * kAdaptGrowth;
    }
  }

  // The best with two or three parameters changed, and a few others at random.
  std::vector<ConfigId> jumps() {
    if (unvisited_.size() <= kFewLeft) return unvisited_.all();
    std::vector<ConfigId> found;
    for (std::size_t i = 0; i < kStrangers; ++i) found.push_back(unvisited_.peek(rng_));
    for (std::size_t i = 0; i < kMutants; ++i) {
      std::vector<std::uint16_t> at(space_.point(best_.config).begin(), space_.point(best_.config).end());
      for (std::uint64_t changes = 2 + rng_.below(2); changes > 0; --changes) {
        const std::size_t p = rng_.below(at.size());
        at[p] = static_cast<std::uint16_t>(rng_.below(space_.parameters()[p].values.size()));
      }
      const std::optional<ConfigId> config = space_.find(at);
      if (config && unvisited_.has(*config)) found.push_back(*config);
    }
    return found;
  }

  // Valid neighbours speak for it, invalid ones against; without any it is as likely as all.
  double likely_valid(ConfigId config) const {
    if (invalid_.empty()) return 1;
    double valid = 0;
    double invalid = 0;
    for (const Measured& m : trained_) valid += process_.correlation(config, m.config);
    for (const ConfigId other : invalid_) invalid += process_.correlation(config, other);
    const double share =
        static_cast<double>(valid_.size() + 1) / static_cast<double>(valid_.size() + invalid_.size() + 1);
    return (valid + share) / (valid + invalid + 1);
  }

  // With the chance that any of them is better than `target`.
  std::pair<double, ConfigId> most_promising(const std::vector<ConfigId>& from, double target) {
    double chance = 0;
    double most = -1;
    ConfigId chosen = from.front();
    for (const ConfigId config : from) {
      const GaussianProcess::Belief belief = process_.at(config);
      const double valid = likely_valid(config);
      const double gain = expected_improvement(belief, target) * valid;
      chance = std::max(chance, valid * std::erfc((belief.mean - target) / belief.deviation / std::numbers::sqrt2) / 2);
      if (gain > most) {
        most = gain;
        chosen = config;
      }
    }
    return {chance, chosen};
  }

  const SearchSpace& space_;
  StrategyOptions options_;
  Rng rng_;
  Unvisited unvisited_;
  SearchGeometry geometry_;
  GaussianProcess process_;
  ConfigId proposed_ = 0;
  std::vector<Measured> valid_;
  std::vector<ConfigId> invalid_;
  std::vector<Measured> trained_;  // those of valid_ that the process knows
  Measured best_, here_;           // of all; where the climb is
  std::vector<ConfigId> around_;   // neighbours of here_ that were not looked at
  bool jumped_ = false;
  double next_adapt_ = 6;
};

}  // namespace

std::unique_ptr<SearchStrategy> make_guided(const SearchSpace& space, const StrategyOptions& options) {
  return std::make_unique<Guided>(space, options);
}

}  // namespace hetero
