// A search space: named parameters with finitely many values each, and the list of configurations that are feasible.
// Knows nothing of kernels, devices or times. Thread rule: immutable after construction.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

namespace hetero {

using ParameterValue = std::variant<bool, std::int64_t, double, std::string>;
std::string text_of(const ParameterValue& value);  // "true", "16", "0.5", "row"

struct Parameter {
  std::string name;
  std::vector<ParameterValue> values;  // distinct, ascending
};

// Index into the feasible configurations of a space.
using ConfigId = std::uint32_t;

class SearchSpace {
 public:
  // A configuration as one index into Parameter::values for each parameter.
  using Point = std::span<const std::uint16_t>;

  SearchSpace() = default;
  // The configurations that are listed: `points` holds one index a parameter, configuration after configuration.
  // Throws input_error when a configuration stands there twice, there is none, or there are more than kMostConfigs.
  // Precondition: every index is within its parameter's values.
  SearchSpace(std::vector<Parameter> parameters, std::vector<std::uint16_t> points);

  // Every combination for which `feasible` is true (empty: all of them), the last parameter varying fastest.
  // Restrictions are evaluated here, once: strategies only ever see what is feasible. Throws like the constructor.
  static SearchSpace combinations(std::vector<Parameter> parameters,
                                  const std::function<bool(const std::vector<ParameterValue>&)>& feasible = {});

  static constexpr std::size_t kMostConfigs = 1 << 22;

  std::size_t size() const { return count_; }
  const std::vector<Parameter>& parameters() const { return parameters_; }
  Point point(ConfigId config) const { return Point(points_).subspan(config * parameters_.size(), parameters_.size()); }
  const ParameterValue& value(ConfigId config, std::size_t parameter) const {
    return parameters_[parameter].values[point(config)[parameter]];
  }
  std::optional<ConfigId> find(Point point) const;

  // Every configuration that differs from this one in a single parameter, in a fixed order.
  std::vector<ConfigId> neighbours(ConfigId config) const;

  // "tile=4 panels=32"
  std::string text(ConfigId config) const;

 private:
  std::uint64_t key(Point point) const;

  std::vector<Parameter> parameters_;
  std::vector<std::uint16_t> points_;
  std::size_t count_ = 0;
  std::unordered_map<std::uint64_t, ConfigId> by_key_;
};

}  // namespace hetero
