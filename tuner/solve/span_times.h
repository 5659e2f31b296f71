// How long each device takes for a rectangle (rows x features) of one block, or of several consecutive blocks that are
// divided alike. Pure evaluation of the cost model over the ops; decides nothing.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiles/cost_model.h"
#include "profiles/model_shape.h"
#include "runtime/exec/partition.h"
#include "tuner/solve/minimax.h"
#include "tuner/solve/solve.h"

namespace hetero {

// What every part of the solver reads: the problem, with the devices in their fixed order (the lead first).
struct SolveProblem {
  const ModelShape* shape = nullptr;
  const CostModel* costs = nullptr;
  std::vector<SolveDevice> devices;
  std::vector<DeviceFacts> facts;  // for runtime/exec/partition.h: ids, sizes and alignment only
  std::vector<const DeviceFacts*> fact_pointers;

  int device_count() const { return static_cast<int>(devices.size()); }
  const std::string& id(int device) const { return devices[static_cast<std::size_t>(device)].id; }
};

// How an op's work shrinks with the features of its span.
enum class Divided : std::uint8_t {
  kNot,       // norm: every device computes all columns
  kColumns,   // matmul by weight rows, rope, swiglu
  kGroups,    // attention: whole groups of query heads with their KV head
  kReduction  // the second matmul of a paired span: columns of the weight, partial sums
};

struct SpanOp {
  BlockKind block = BlockKind::kAttentionIn;
  OpDesc desc;  // undivided, one row
  Divided divided = Divided::kNot;
  std::int64_t cols = 0;   // extent of the divided dimension
  std::int64_t align = 1;  // its boundaries are multiples of this (the end excepted)
};

// Whether a span's last matmul is divided along its reduction.
enum class SpanForm : std::uint8_t { kByColumns, kPaired };

// Boundary c of `fraction` on the divided dimension of `op`: what split_columns() makes of it.
std::int64_t boundary(const SpanOp& op, double fraction);

class SpanTimes {
 public:
  // `layer` gives the weight formats. `rows`: rows of the step; `context`: cache rows that the last of them sees.
  // kPaired: `blocks` are attention_in, attention, attention_out or ffn_in, ffn_out.
  SpanTimes(const SolveProblem& problem, std::vector<BlockKind> blocks, SpanForm form, int layer, std::int64_t rows,
            std::int64_t context);

  const std::vector<BlockKind>& blocks() const { return blocks_; }
  const std::vector<SpanOp>& ops() const { return ops_; }
  std::int64_t rows() const { return rows_; }
  SpanForm form() const { return form_; }
  // Fractions at which features may be cut: 0, ..., 1, at most grid + 1 of them, on the alignment of the main
  // dimension.
  std::vector<double> feature_points(int grid) const;

  // Time alone on the machine of `parts` rows x features [f0, f1), all on one device. kImpossible: the profile has no
  // curve for an op, or nothing but a norm would be left. No launch, no join, no slowdown.
  double time(int device, const std::vector<Part>& parts, double f0, double f1) const;
  double block_time(int device, BlockKind block, const std::vector<Part>& parts, double f0, double f1) const;
  // What a device spends on adding the partial sums of `devices` devices to the residual; 0 unless paired.
  double sums_time(int device, const std::vector<Part>& parts, int devices) const;

 private:
  friend class FeatureTable;
  struct BlockTime {
    double ns = 0;
    bool useful = false;
  };
  BlockTime block_part(int device, BlockKind block, const std::vector<Part>& parts, double f0, double f1) const;
  // One op on `cols` columns of its divided dimension.
  double op_time(int device, std::size_t op, std::int64_t m, std::int64_t context, std::int64_t cols) const;
  std::int64_t context_of(const Part& part) const { return context_ - rows_ + part.row0 + part.padded_rows; }

  const SolveProblem& problem_;
  std::vector<BlockKind> blocks_;
  SpanForm form_;
  std::int64_t rows_;
  std::int64_t context_;
  std::vector<SpanOp> ops_;
};

// Times of every device on features [points[i], points[j]) of fixed rows.
class FeatureTable {
 public:
  FeatureTable(const SpanTimes& span, std::vector<double> points, std::int64_t row0, std::int64_t rows);
  const std::vector<double>& points() const { return points_; }
  int last() const { return static_cast<int>(points_.size()) - 1; }
  double operator()(int device, int i, int j) {
    const std::size_t count = points_.size();
    const int begin = uniform_ ? 0 : i;
    const int end = uniform_ ? j - i : j;
    double& total = totals_[(static_cast<std::size_t>(device) * count + static_cast<std::size_t>(begin)) * count +
                            static_cast<std::size_t>(end)];
    if (total < 0) total = sum(device, i, j);
    return total;
  }
  int launches(int device) const { return static_cast<int>(parts_[static_cast<std::size_t>(device)].size()); }
  const std::vector<Part>& parts(int device) const { return parts_[static_cast<std::size_t>(device)]; }

 private:
  double sum(int device, int i, int j);

  const SpanTimes& span_;
  std::vector<double> points_;
  std::vector<std::vector<Part>> parts_;               // [device]
  std::vector<std::vector<std::int64_t>> boundaries_;  // [op][point]
  std::vector<std::vector<double>> op_times_;          // [device * ops + op][width]; < 0: not yet
  // Every set of devices asks again. Between points that lie equally far apart for every op, only the width counts.
  std::vector<double> totals_;  // [device][i][j]; < 0: not yet
  bool uniform_ = true;
};

}  // namespace hetero
