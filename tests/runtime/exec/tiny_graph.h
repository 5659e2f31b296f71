// A small decoder with random weights, and random plans for it.
#pragma once

#include <vector>

#include "base/rng.h"
#include "profiles/plan.h"
#include "runtime/model/decoder_graph.h"

namespace hetero {

// Owns the weights that its graph refers to.
class TinyGraph {
 public:
  // Three layers with all weights of one format.
  TinyGraph(DType type, std::uint64_t seed);
  // Of any shape whose layers are alike.
  TinyGraph(const ModelShape& shape, std::uint64_t seed);
  const Graph& graph() const { return graph_; }
  const ModelShape& shape() const { return shape_; }

 private:
  WeightView matrix(std::int64_t n, std::int64_t k, DType type, Rng& rng);

  ModelShape shape_;
  std::vector<std::vector<std::byte>> storage_;
  Graph graph_;
};

// Strategies and shares drawn at random for every block and layer, as silly as they come, but valid.
Plan random_plan(const ModelShape& shape, const std::vector<std::string>& devices, Rng& rng);

}  // namespace hetero
