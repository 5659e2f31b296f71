// Regression with a Gaussian process over the configurations of a space: what the guided strategy believes about those
// that it has not measured. Rasmussen and Williams, "Gaussian Processes for Machine Learning" (2006): prediction 2.25
// and 2.26, marginal likelihood 5.8, Matern kernel 4.17. Pure arithmetic, no randomness. Not thread-safe.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "tuner/search/space.h"

namespace hetero {

// Where a configuration lies: the rank of each value among its parameter's, scaled to [0, 1]. Ranks rather than values,
// since tuning parameters are spaced by eye (16, 32, 64). Values without an order are 1 apart from each other.
class SearchGeometry {
 public:
  explicit SearchGeometry(const SearchSpace& space);
  std::size_t dimensions() const { return scale_.size(); }
  double distance(SearchSpace::Point a, SearchSpace::Point b, std::size_t p) const {
    if (a[p] == b[p]) return 0;
    if (scale_[p] == 0) return 1;
    return kStep + (1 - kStep) * (a[p] > b[p] ? a[p] - b[p] : b[p] - a[p]) * scale_[p];
  }

 private:
  // Any change is this far at least: what comes next in rank need not be alike (a power of two and its neighbour).
  static constexpr double kStep = 0.4;

  std::vector<double> scale_;  // of one rank; 0: no order
};

class GaussianProcess {
 public:
  GaussianProcess(const SearchSpace& space, const SearchGeometry& geometry);

  struct Belief {
    double mean = 0;
    double deviation = 0;
  };

  // Conditions on targets[i] at configs[i]: O(n^2) for each configuration beyond those that the list has in common with
  // the one before, from its beginning. Precondition: as many of both, at least one.
  void condition(std::vector<ConfigId> configs, std::vector<double> targets);
  // Moves length scales and noise to where the targets of the last condition() are likelier, one step in each
  // direction: O(parameters * n^3). Conditions anew.
  void adapt();

  // O(n^2). Precondition: condition() was called.
  Belief at(ConfigId config) const;
  // Of two configurations, in [0, 1].
  double correlation(ConfigId a, ConfigId b) const;

 private:
  // Cholesky factor and weights for the present length scales, `known` rows of the factor being right already. Returns
  // the logarithm of the marginal likelihood and of the prior of the length scales.
  double factorise(std::size_t known);

  const SearchSpace& space_;
  const SearchGeometry& geometry_;
  std::vector<double> inverse_length_;  // of each parameter
  double noise_;                        // variance, relative to the signal's
  std::vector<ConfigId> configs_;
  std::vector<double> targets_;
  double mean_ = 0;
  double variance_ = 1;                      // of the signal
  std::vector<std::vector<double>> factor_;  // rows of the lower triangle
  std::vector<double> weights_;              // inverse covariance times centred targets
  mutable std::vector<double> scratch_;
};

}  // namespace hetero
