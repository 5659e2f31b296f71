// Internal to tuner/search: the strategies by name, each in a file of its own. What they do stands there.
#pragma once

#include <memory>

#include "tuner/search/strategy.h"

namespace hetero {

std::unique_ptr<SearchStrategy> make_exhaustive(const SearchSpace& space, const StrategyOptions& options);
std::unique_ptr<SearchStrategy> make_random(const SearchSpace& space, const StrategyOptions& options);
std::unique_ptr<SearchStrategy> make_successive_halving(const SearchSpace& space, const StrategyOptions& options);
std::unique_ptr<SearchStrategy> make_local(const SearchSpace& space, const StrategyOptions& options);
std::unique_ptr<SearchStrategy> make_guided(const SearchSpace& space, const StrategyOptions& options);

}  // namespace hetero
