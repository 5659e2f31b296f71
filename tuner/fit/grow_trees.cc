#include "tuner/fit/grow_trees.h"

#include <algorithm>
#include <numeric>
#include <span>

namespace hetero {
namespace {

// A device has some dozen to a hundred timings of one kind of op. On the matmuls of two models on an AVX-512 server's
// core and PoCL, depth 2 or 4, or twice as many trees, moved the mean held-out error by a tenth at most, either way.
constexpr int kTrees = 80;
constexpr int kDepth = 3;
constexpr double kLearningRate = 0.15;
constexpr std::size_t kLeastInLeaf = 2;
// Splits that explain less than this of the squares are noise of the arithmetic.
constexpr double kLeastGain = 1e-12;

class Grower {
 public:
  explicit Grower(const std::vector<TreeRow>& rows) : rows_(rows) {}

  // One tree for these residuals.
  RegressionTree tree(const std::vector<double>& residuals) {
    residuals_ = &residuals;
    tree_.clear();
    std::vector<std::size_t> all(rows_.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    grow(all, 0);
    return std::move(tree_);
  }

 private:
  struct Split {
    double gain = kLeastGain;
    int feature = -1;
    double threshold = 0;
  };

  double feature(std::size_t row, int f) const { return rows_[row].features[static_cast<std::size_t>(f)]; }
  double residual(std::size_t row) const { return (*residuals_)[row]; }

  // The gain in squares of cutting at a value is sl^2/nl + sr^2/nr - s^2/n.
  Split best_split(std::span<std::size_t> members) const {
    Split best;
    double total = 0;
    for (const std::size_t row : members) total += residual(row);
    const double count = static_cast<double>(members.size());
    for (int f = 0; f < static_cast<int>(kOpFeatures); ++f) {
      std::stable_sort(members.begin(), members.end(),
                       [&](std::size_t a, std::size_t b) { return feature(a, f) < feature(b, f); });
      double left = 0;
      for (std::size_t i = 0; i + 1 < members.size(); ++i) {
        left += residual(members[i]);
        const double here = feature(members[i], f);
        const double next = feature(members[i + 1], f);
        if (here == next || i + 1 < kLeastInLeaf || members.size() - i - 1 < kLeastInLeaf) continue;
        const double below = static_cast<double>(i + 1);
        const double right = total - left;
        const double gain = left * left / below + right * right / (count - below) - total * total / count;
        if (gain > best.gain) best = {gain, f, (here + next) / 2};
      }
    }
    return best;
  }

  int grow(std::span<std::size_t> members, int depth) {
    const std::size_t self = tree_.size();
    tree_.emplace_back();
    const Split split = depth < kDepth ? best_split(members) : Split{};
    if (split.feature < 0) {
      double sum = 0;
      for (const std::size_t row : members) sum += residual(row);
      tree_[self].value = kLearningRate * sum / static_cast<double>(members.size());
      return static_cast<int>(self);
    }
    const auto middle = std::stable_partition(
        members.begin(), members.end(), [&](std::size_t row) { return feature(row, split.feature) < split.threshold; });
    const auto below = static_cast<std::size_t>(middle - members.begin());
    const int left = grow(members.first(below), depth + 1);
    const int right = grow(members.subspan(below), depth + 1);
    tree_[self] = {split.feature, split.threshold, left, right, 0};
    return static_cast<int>(self);
  }

  const std::vector<TreeRow>& rows_;
  const std::vector<double>* residuals_ = nullptr;
  RegressionTree tree_;
};

}  // namespace

BoostedTrees grow_trees(const std::vector<TreeRow>& rows) {
  BoostedTrees grown;
  std::vector<double> residuals;
  for (const TreeRow& row : rows) grown.base += row.target / static_cast<double>(rows.size());
  for (const TreeRow& row : rows) residuals.push_back(row.target - grown.base);
  Grower grower(rows);
  for (int i = 0; i < kTrees; ++i) {
    RegressionTree tree = grower.tree(residuals);
    if (tree.size() == 1) break;  // nothing is left to split
    for (std::size_t r = 0; r < rows.size(); ++r) residuals[r] -= sum_of_leaves({tree}, rows[r].features);
    grown.trees.push_back(std::move(tree));
  }
  return grown;
}

}  // namespace hetero
