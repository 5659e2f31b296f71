// Search strategies as pure state machines: next() proposes a configuration, tell() answers with its result. They know
// no clock, device or file, and the same seed and answers give the same proposals, so that a search can be replayed
// from recorded results. Not thread-safe; the space outlives its strategies.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tuner/search/space.h"

namespace hetero {

// How an evaluation ended. All but the first are invalid: they cost an evaluation and have no value.
enum class SearchStatus : std::uint8_t { kOk, kCompileError, kDeviceLimit, kWrongResult, kTimeout, kCrash };
std::string_view name_of(SearchStatus status);  // "ok", "compile_error", ...

struct SearchResult {
  SearchStatus status = SearchStatus::kOk;
  double value = 0;  // lower is better, positive; meaningless unless kOk
  bool ok() const { return status == SearchStatus::kOk; }
};

struct Proposal {
  ConfigId config = 0;
  int repetitions = 1;  // how often to run it: fewer than StrategyOptions::repetitions is a first look
};

class SearchStrategy {
 public:
  virtual ~SearchStrategy() = default;
  // What to evaluate next; none when there is nothing left. Each proposal is answered by tell() before the next one.
  // A configuration is proposed once (successive_halving: once for each number of repetitions).
  virtual std::optional<Proposal> next() = 0;
  virtual void tell(const SearchResult& result) = 0;
};

struct StrategyOptions {
  std::uint64_t seed = 1;
  int repetitions = 1;            // of a full evaluation
  std::optional<ConfigId> first;  // evaluated first where one is known: the default of a kernel
};

// "exhaustive", "random", "successive_halving", "local", "guided".
std::vector<std::string> strategy_names();

// Throws usage_error for another name.
std::unique_ptr<SearchStrategy> make_strategy(std::string_view name, const SearchSpace& space,
                                              const StrategyOptions& options);

}  // namespace hetero
