#include "profiles/boosted_trees.h"

#include <algorithm>
#include <cmath>

namespace hetero {

std::array<double, kOpFeatures> features_of(const OpDesc& op) {
  const auto log_of = [](std::int64_t value) {
    return std::log2(static_cast<double>(std::max<std::int64_t>(1, value)));
  };
  const double rows = log_of(op.m);
  const double columns = log_of(op.n);
  const double depth = op.kind == OpKind::kMatmul      ? log_of(op.k)
                       : op.kind == OpKind::kAttention ? log_of(std::max(op.context, op.m))
                                                       : 0.0;
  return {rows, columns, depth, columns - depth, rows + columns + depth};
}

double sum_of_leaves(const std::vector<RegressionTree>& trees, const std::array<double, kOpFeatures>& features) {
  double sum = 0;
  for (const RegressionTree& tree : trees) {
    const TreeNode* node = &tree.front();
    while (node->feature >= 0) {
      const bool left = features[static_cast<std::size_t>(node->feature)] < node->threshold;
      node = &tree[static_cast<std::size_t>(left ? node->left : node->right)];
    }
    sum += node->value;
  }
  return sum;
}

}  // namespace hetero
