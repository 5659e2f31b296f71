// The names of strategies and results, and the strategies that learn nothing: exhaustive and random.
#include "tuner/search/strategy.h"

#include "base/error.h"
#include "tuner/search/strategies.h"
#include "tuner/search/unvisited.h"

namespace hetero {
namespace {

class Exhaustive final : public SearchStrategy {
 public:
  Exhaustive(const SearchSpace& space, const StrategyOptions& options) : space_(space), options_(options) {}
  std::optional<Proposal> next() override {
    if (next_ == space_.size()) return std::nullopt;
    return Proposal{next_++, options_.repetitions};
  }
  void tell(const SearchResult&) override {}

 private:
  const SearchSpace& space_;
  StrategyOptions options_;
  ConfigId next_ = 0;
};

class Random final : public SearchStrategy {
 public:
  Random(const SearchSpace& space, const StrategyOptions& options)
      : options_(options), rng_(options.seed), unvisited_(space.size()) {}
  std::optional<Proposal> next() override {
    if (unvisited_.empty()) return std::nullopt;
    const ConfigId config = first_ && options_.first ? *options_.first : unvisited_.peek(rng_);
    first_ = false;
    unvisited_.take(config);
    return Proposal{config, options_.repetitions};
  }
  void tell(const SearchResult&) override {}

 private:
  StrategyOptions options_;
  Rng rng_;
  Unvisited unvisited_;
  bool first_ = true;
};

using Maker = std::unique_ptr<SearchStrategy> (*)(const SearchSpace&, const StrategyOptions&);
struct Entry {
  const char* name;
  Maker make;
};
constexpr Entry kStrategies[] = {{"exhaustive", make_exhaustive},
                                 {"random", make_random},
                                 {"successive_halving", make_successive_halving},
                                 {"local", make_local},
                                 {"guided", make_guided}};

}  // namespace

std::string_view name_of(SearchStatus status) {
  switch (status) {
    case SearchStatus::kOk:
      return "ok";
    case SearchStatus::kCompileError:
      return "compile_error";
    case SearchStatus::kDeviceLimit:
      return "device_limit";
    case SearchStatus::kWrongResult:
      return "wrong_result";
    case SearchStatus::kTimeout:
      return "timeout";
    case SearchStatus::kCrash:
      return "crash";
  }
  return "?";
}

std::unique_ptr<SearchStrategy> make_exhaustive(const SearchSpace& space, const StrategyOptions& options) {
  return std::make_unique<Exhaustive>(space, options);
}

std::unique_ptr<SearchStrategy> make_random(const SearchSpace& space, const StrategyOptions& options) {
  return std::make_unique<Random>(space, options);
}

std::vector<std::string> strategy_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kStrategies) names.emplace_back(entry.name);
  return names;
}

std::unique_ptr<SearchStrategy> make_strategy(std::string_view name, const SearchSpace& space,
                                              const StrategyOptions& options) {
  std::string known;
  for (const Entry& entry : kStrategies) {
    if (name == entry.name) return entry.make(space, options);
    known += (known.empty() ? "" : ", ") + std::string(entry.name);
  }
  throw usage_error("there is no strategy '" + std::string(name) + "'", "there are " + known);
}

}  // namespace hetero
