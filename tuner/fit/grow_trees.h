// Grows boosted regression trees (profiles/boosted_trees.h) by least squares. Deterministic and pure.
#pragma once

#include <array>
#include <vector>

#include "profiles/boosted_trees.h"

namespace hetero {

struct TreeRow {
  std::array<double, kOpFeatures> features;
  double target = 0;
};

struct BoostedTrees {
  double base = 0;  // the mean of the targets
  std::vector<RegressionTree> trees;
};

// Precondition: at least one row.
BoostedTrees grow_trees(const std::vector<TreeRow>& rows);

}  // namespace hetero
