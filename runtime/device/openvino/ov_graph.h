// From a segment to OpenVINO models of fixed shapes: every op of the project but attention, whose length follows the
// sequence. Knows the arena's regions, not its memory; compiles and runs nothing. No state; safe from any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <openvino/core/model.hpp>
#include <string>
#include <vector>

#include "kernels/graph_rows.h"
#include "runtime/device/openvino/ov_weights.h"
#include "runtime/device/segment.h"

namespace hetero {

// Which rotations an input of a graph holds: for row r and column c of a period, the factor of x[c] (cosine, 1 where
// nothing is rotated) and that of its partner (sine with its sign, or 0). Two equal tables are one.
struct RopeTable {
  OpConstants constants;           // base, dims, style, row_offset, and column_offset where the period is not a head
  const float* factors = nullptr;  // [rope_dims / 2] or null
  std::int64_t rows = 0;
  std::int64_t head_dim = 0;
  std::int64_t period =
      0;  // columns after which the table repeats: a head, or all columns of a part that begins within

  std::string text() const;
  // The column whose value is rotated into column c; c itself where nothing is.
  std::int64_t partner(std::int64_t c) const;
  // cosines and sines: [rows, period] each, as of sequence position `position` of the step's row 0.
  void fill(std::int64_t position, float* cosines, float* sines) const;
};

// What a graph's input is bound to.
struct OvInput {
  enum class Kind : std::uint8_t { kRegion, kCosines, kSines };
  Kind kind = Kind::kRegion;
  Region region;
  RopeTable table;
};

struct OvGraph {
  std::shared_ptr<ov::Model> model;
  std::vector<OvInput> inputs;  // in the model's order
  std::vector<Region> outputs;  // in the model's order; disjoint
  std::string text;             // equal texts with equal constants are equal graphs
  std::vector<std::shared_ptr<const OvWeight>> constants;

  std::uint64_t weight_bytes() const;
};

struct OvGraphOptions {
  // Arithmetic of the weights' decompression: f32, or f16 for devices that compute in it.
  bool half_decompression = false;
  // Gives the constants of a slice; what it returns is shared with the model.
  std::function<std::shared_ptr<const OvWeight>(const WeightSlice&)> weight;
  // Of a matmul's operands; none: activations first.
  std::function<OperandOrder(const Op&)> order = nullptr;
};

// No, and why, for what has no place in such graphs.
Applicability ov_applicable(const Segment& segment);

// The ops in order, as few graphs as possible: a new one begins only where an op reads a region that the graph so far
// has written in part. Every region that the segment leaves behind is an output. Precondition: ov_applicable().yes.
std::vector<OvGraph> ov_graphs(const Segment& segment, const OvGraphOptions& options);

}  // namespace hetero
