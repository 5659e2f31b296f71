// Boosted regression trees over the shape of an op: the logarithm of what its time is over a base. A document's part,
// evaluated here and by cost_model.h, grown by tuner/fit. Pure.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/op_desc.h"

namespace hetero {

// The features of an op: log2 of its rows, of its columns, of its depth (matmul: k, attention: context, else 1), of
// columns / depth (which way a weight lies), and of all three multiplied.
inline constexpr std::size_t kOpFeatures = 5;
std::array<double, kOpFeatures> features_of(const OpDesc& op);

// Below the threshold to the left. A leaf has feature -1 and a value; its children are not looked at.
struct TreeNode {
  int feature = -1;
  double threshold = 0;
  int left = 0, right = 0;  // indices into the tree, greater than the node's own
  double value = 0;
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};
using RegressionTree = std::vector<TreeNode>;  // the root is the first; never empty

// The sum of the trees' leaves.
double sum_of_leaves(const std::vector<RegressionTree>& trees, const std::array<double, kOpFeatures>& features);

}  // namespace hetero
