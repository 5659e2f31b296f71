#include "tuner/search/space.h"

#include <charconv>
#include <limits>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

// How many combinations there are. Configurations are looked up by their number among them, so it must fit a word.
std::uint64_t combinations_of(const std::vector<Parameter>& parameters) {
  std::uint64_t product = 1;
  for (const Parameter& p : parameters) {
    if (p.values.empty()) throw input_error("parameter '" + p.name + "' has no values");
    if (p.values.size() > std::numeric_limits<std::uint16_t>::max()) {
      throw input_error("parameter '" + p.name + "' has more than 65535 values");
    }
    if (product > std::numeric_limits<std::uint64_t>::max() / p.values.size()) {
      throw input_error("the search space has too many parameters");
    }
    product *= p.values.size();
  }
  return product;
}

Error too_many() {
  return input_error("the search space has more than " + std::to_string(SearchSpace::kMostConfigs) + " configurations");
}

struct Printer {
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::int64_t v) const { return std::to_string(v); }
  std::string operator()(double v) const {
    char text[32];
    return std::string(text, std::to_chars(text, text + sizeof text, v).ptr);
  }
  std::string operator()(const std::string& v) const { return v; }
};

}  // namespace

std::string text_of(const ParameterValue& value) { return std::visit(Printer{}, value); }

SearchSpace::SearchSpace(std::vector<Parameter> parameters, std::vector<std::uint16_t> points)
    : parameters_(std::move(parameters)), points_(std::move(points)) {
  if (parameters_.empty() || points_.empty()) throw input_error("the search space has no configurations");
  combinations_of(parameters_);
  count_ = points_.size() / parameters_.size();
  if (count_ > kMostConfigs) throw too_many();
  by_key_.reserve(count_);
  for (ConfigId config = 0; config < count_; ++config) {
    if (!by_key_.emplace(key(point(config)), config).second) {
      throw input_error("the search space has a configuration twice: " + text(config));
    }
  }
}

SearchSpace SearchSpace::combinations(std::vector<Parameter> parameters,
                                      const std::function<bool(const std::vector<ParameterValue>&)>& feasible) {
  // Restrictions can leave few of very many combinations; more than this many would take minutes to look at.
  if (combinations_of(parameters) > std::uint64_t{kMostConfigs} * 16) throw too_many();
  std::vector<std::uint16_t> points;
  std::vector<std::uint16_t> at(parameters.size(), 0);
  std::vector<ParameterValue> values(parameters.size());
  for (bool more = !parameters.empty(); more;) {
    for (std::size_t p = 0; p < parameters.size(); ++p) values[p] = parameters[p].values[at[p]];
    if (!feasible || feasible(values)) points.insert(points.end(), at.begin(), at.end());
    std::size_t p = parameters.size();
    while (p > 0 && ++at[p - 1] == parameters[p - 1].values.size()) at[--p] = 0;
    more = p > 0;
  }
  return SearchSpace(std::move(parameters), std::move(points));
}

std::uint64_t SearchSpace::key(Point point) const {
  std::uint64_t key = 0;
  for (std::size_t p = 0; p < parameters_.size(); ++p) key = key * parameters_[p].values.size() + point[p];
  return key;
}

std::optional<ConfigId> SearchSpace::find(Point point) const {
  const auto found = by_key_.find(key(point));
  return found == by_key_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<ConfigId> SearchSpace::neighbours(ConfigId config) const {
  std::vector<ConfigId> found;
  std::vector<std::uint16_t> at(point(config).begin(), point(config).end());
  for (std::size_t p = 0; p < at.size(); ++p) {
    const std::uint16_t own = at[p];
    for (at[p] = 0; at[p] < parameters_[p].values.size(); ++at[p]) {
      if (at[p] == own) continue;
      if (const std::optional<ConfigId> other = find(at)) found.push_back(*other);
    }
    at[p] = own;
  }
  return found;
}

std::string SearchSpace::text(ConfigId config) const {
  std::string text;
  for (std::size_t p = 0; p < parameters_.size(); ++p) {
    text += (p == 0 ? "" : " ") + parameters_[p].name + "=" + text_of(value(config, p));
  }
  return text;
}

}  // namespace hetero
