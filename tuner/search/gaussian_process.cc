#include "tuner/search/gaussian_process.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

namespace hetero {
namespace {

// Two thirds of the range of a parameter, at first. A prior (normal in the logarithm, one octave and a half wide) keeps
// few samples from finding patterns in noise.
constexpr double kFirstInverseLength = 1.4;
constexpr double kPriorOctaves = 1.5;
constexpr double kShortest = 16, kLongest = 1.0 / 16;  // inverse lengths
constexpr double kFirstNoise = 1e-2, kLeastNoise = 1e-4, kMostNoise = 0.5;

// How much of the variance is sums of effects of single parameters (Duvenaud, Nickisch and Rasmussen 2011), which few
// samples suffice to learn; the rest is free.
constexpr double kAdditive = 0.3;

// Matern kernel, smoothness 3/2: times of kernels have ridges and steps, so nothing smoother.
double matern(double squared) {
  const double r = std::sqrt(3 * squared);
  return (1 + r) * std::exp(-r);
}

double dot(const std::vector<double>& a, const std::vector<double>& b, std::size_t count) {
  return std::inner_product(a.begin(), a.begin() + static_cast<std::ptrdiff_t>(count), b.begin(), 0.0);
}

}  // namespace

SearchGeometry::SearchGeometry(const SearchSpace& space) {
  for (const Parameter& p : space.parameters()) {
    const bool ordered = std::none_of(p.values.begin(), p.values.end(), [](const ParameterValue& v) {
      return std::holds_alternative<std::string>(v) || std::holds_alternative<bool>(v);
    });
    scale_.push_back(ordered && p.values.size() > 1 ? 1.0 / static_cast<double>(p.values.size() - 1) : 0);
  }
}

GaussianProcess::GaussianProcess(const SearchSpace& space, const SearchGeometry& geometry)
    : space_(space),
      geometry_(geometry),
      inverse_length_(geometry.dimensions(), kFirstInverseLength),
      noise_(kFirstNoise) {}

double GaussianProcess::correlation(ConfigId a, ConfigId b) const {
  const SearchSpace::Point pa = space_.point(a);
  const SearchSpace::Point pb = space_.point(b);
  double squared = 0;
  double each = 0;
  const std::size_t count = inverse_length_.size();
  for (std::size_t p = 0; p < count; ++p) {
    const double d = geometry_.distance(pa, pb, p) * inverse_length_[p];
    squared += d * d;
    each += d == 0 ? 1 : matern(d * d);
  }
  return kAdditive * each / static_cast<double>(count) + (1 - kAdditive) * matern(squared);
}

void GaussianProcess::condition(std::vector<ConfigId> configs, std::vector<double> targets) {
  // Rows of the factor depend on the configurations before them only: those of a common beginning stay.
  const std::size_t common = static_cast<std::size_t>(
      std::mismatch(configs_.begin(), configs_.end(), configs.begin(), configs.end()).first - configs_.begin());
  configs_ = std::move(configs);
  targets_ = std::move(targets);
  mean_ = std::accumulate(targets_.begin(), targets_.end(), 0.0) / static_cast<double>(targets_.size());
  factorise(common);
}

double GaussianProcess::factorise(std::size_t known) {
  const std::size_t n = configs_.size();
  factor_.resize(n);
  weights_.resize(n);
  double log_determinant = 0;
  double quadratic = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double>& row = factor_[i];
    if (i >= known) {
      row.resize(i + 1);
      double pivot = 1 + noise_;
      for (std::size_t j = 0; j < i; ++j) {
        row[j] = (correlation(configs_[i], configs_[j]) - dot(row, factor_[j], j)) / factor_[j][j];
        pivot -= row[j] * row[j];
      }
      row[i] = std::sqrt(std::max(pivot, kLeastNoise / 10));
    }
    weights_[i] = (targets_[i] - mean_ - dot(row, weights_, i)) / row[i];
    log_determinant += 2 * std::log(row[i]);
    quadratic += weights_[i] * weights_[i];
  }
  // The signal's variance at its likeliest; the floor is for targets that are all alike.
  variance_ = std::max(quadratic / static_cast<double>(n), 1e-12);
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t j = i + 1; j < n; ++j) weights_[i] -= factor_[j][i] * weights_[j];
    weights_[i] /= factor_[i][i];
  }
  double prior = 0;
  for (const double inverse : inverse_length_) {
    const double octaves = std::log2(inverse / kFirstInverseLength) / kPriorOctaves;
    prior -= octaves * octaves / 2;
  }
  return prior - (static_cast<double>(n) * std::log(variance_) + log_determinant) / 2;
}

void GaussianProcess::adapt() {
  double best = factorise(0);
  const auto try_both = [&](double& parameter, double step, double least, double most) {
    const double before = parameter;
    double chosen = before;
    for (const double candidate : {before * step, before / step}) {
      if (candidate < least || candidate > most) continue;
      parameter = candidate;
      if (const double likelihood = factorise(0); likelihood > best) {
        best = likelihood;
        chosen = candidate;
      }
    }
    parameter = chosen;
  };
  for (double& inverse : inverse_length_) try_both(inverse, 2, kLongest, kShortest);
  try_both(noise_, 4, kLeastNoise, kMostNoise);
  factorise(0);
}

GaussianProcess::Belief GaussianProcess::at(ConfigId config) const {
  const std::size_t n = configs_.size();
  scratch_.resize(n);
  Belief belief{mean_, 0};
  double explained = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double k = correlation(config, configs_[i]);
    belief.mean += k * weights_[i];
    scratch_[i] = (k - dot(factor_[i], scratch_, i)) / factor_[i][i];
    explained += scratch_[i] * scratch_[i];
  }
  belief.deviation = std::sqrt(variance_ * std::max(1 - explained, 1e-9));
  return belief;
}

}  // namespace hetero
