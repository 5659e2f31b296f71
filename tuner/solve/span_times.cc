#include "tuner/solve/span_times.h"

#include <algorithm>
#include <numeric>

namespace hetero {
namespace {

// Boundaries of features suit every device at once: the schedule cuts a tensor once for all.
std::int64_t common_alignment(const SolveProblem& problem) {
  std::int64_t align = 1;
  for (const SolveDevice& device : problem.devices) {
    align = std::lcm(align, std::max<std::int64_t>(1, device.feature_align));
  }
  return align;
}

bool has_curve(const DeviceProfile& profile, const OpDesc& op) {
  if (op.kind == OpKind::kMatmul) {
    return std::any_of(profile.matmul.begin(), profile.matmul.end(), [&](const MatmulCurve& c) { return c.w == op.w; });
  }
  return std::any_of(profile.ops.begin(), profile.ops.end(), [&](const OpCurve& c) { return c.kind == op.kind; });
}

}  // namespace

std::int64_t boundary(const SpanOp& op, double fraction) { return split_columns(0, fraction, op.cols, op.align).c1; }

SpanTimes::SpanTimes(const SolveProblem& problem, std::vector<BlockKind> blocks, SpanForm form, int layer,
                     std::int64_t rows, std::int64_t context)
    : problem_(problem), blocks_(std::move(blocks)), form_(form), rows_(rows), context_(context) {
  const ModelShape& shape = *problem.shape;
  const std::int64_t align = common_alignment(problem);
  for (const BlockKind block : blocks_) {
    for (const OpDesc& desc : block_ops(shape, block, layer, 1, 1)) {
      SpanOp op{block, desc, Divided::kColumns, desc.n, align};
      if (desc.kind == OpKind::kRmsNorm || desc.kind == OpKind::kAdd) {
        op.divided = Divided::kNot;
      } else if (desc.kind == OpKind::kAttention) {
        op.divided = Divided::kGroups;
        op.cols = desc.kv_heads;
        op.align = 1;
      } else if (form == SpanForm::kPaired) {
        const bool attention = block <= BlockKind::kAttentionOut;
        if (block == BlockKind::kAttentionOut || block == BlockKind::kFfnOut) {
          op.divided = Divided::kReduction;
          op.cols = desc.k;
        }
        op.align = attention ? op.cols / shape.kv_heads : std::lcm(align, info(shape.types(layer).down).block_elements);
      } else if (block == BlockKind::kAttentionIn && blocks_.size() > 1) {
        op.align = op.cols / shape.kv_heads;  // cut where attention is cut
      } else if (block == BlockKind::kAttentionIn && shape.architecture != "llama") {
        op.align = std::lcm(align, shape.head_dim);  // rope by halves turns whole heads; llama's turns neighbours
      }
      ops_.push_back(op);
    }
  }
}

std::vector<double> SpanTimes::feature_points(int grid) const {
  // The main dimension is the first divided op's: query heads, gate, the output's rows.
  const auto main =
      std::find_if(ops_.begin(), ops_.end(), [](const SpanOp& op) { return op.divided != Divided::kNot; });
  std::vector<double> points = {0.0};
  const std::int64_t units = main->cols / main->align;
  const std::int64_t steps = std::min<std::int64_t>(units, grid);
  std::int64_t previous = 0;
  // A slice along k must be whole blocks of the weight's format; columns of attention's inputs, whole alignment units.
  const std::int64_t align = common_alignment(problem_);
  const auto sliceable = [&](double fraction) {
    return std::all_of(ops_.begin(), ops_.end(), [&](const SpanOp& op) {
      const std::int64_t unit = op.divided == Divided::kReduction ? info(op.desc.w).block_elements
                                : op.divided == Divided::kColumns && form_ != SpanForm::kPaired ? align
                                                                                                : 1;
      return op.divided == Divided::kNot || boundary(op, fraction) % unit == 0;
    });
  };
  for (std::int64_t i = 1; i < steps; ++i) {
    const std::int64_t unit = (i * units + steps / 2) / steps;
    if (unit == previous || unit >= units) continue;
    previous = unit;
    const double fraction = static_cast<double>(unit * main->align) / static_cast<double>(main->cols);
    if (sliceable(fraction)) points.push_back(fraction);
  }
  points.push_back(1.0);
  return points;
}

double SpanTimes::op_time(int device, std::size_t index, std::int64_t m, std::int64_t context,
                          std::int64_t cols) const {
  const SpanOp& op = ops_[index];
  if (!has_curve(problem_.costs->profile(problem_.id(device)), op.desc)) return kImpossible;
  OpDesc desc = op.desc;
  desc.m = m;
  std::int64_t of_n = 0;
  switch (op.divided) {
    case Divided::kNot:
      break;
    case Divided::kColumns:
      desc.n = cols;
      of_n = op.desc.n;
      break;
    case Divided::kGroups:
      desc.kv_heads = cols;
      desc.heads = cols * (op.desc.heads / op.desc.kv_heads);
      desc.n = desc.heads * desc.head_dim;
      break;
    case Divided::kReduction:
      desc.k = cols;
      return problem_.costs->op(problem_.id(device), desc, 0, op.desc.k).median_ns;
  }
  if (desc.kind == OpKind::kAttention) desc.context = context;
  return problem_.costs->op(problem_.id(device), desc, desc.kind == OpKind::kMatmul ? of_n : 0).median_ns;
}

SpanTimes::BlockTime SpanTimes::block_part(int device, BlockKind block, const std::vector<Part>& parts, double f0,
                                           double f1) const {
  BlockTime result;
  for (const Part& part : parts) {
    for (std::size_t i = 0; i < ops_.size(); ++i) {
      const SpanOp& op = ops_[i];
      if (op.block != block) continue;
      const bool whole = op.divided == Divided::kNot;
      const std::int64_t cols = whole ? op.cols : boundary(op, f1) - boundary(op, f0);
      if (cols <= 0) continue;
      result.ns += op_time(device, i, part.padded_rows, context_of(part), cols);
      if (!whole) result.useful = true;
    }
  }
  if (!result.useful) result.ns = 0;  // a norm alone is not run
  return result;
}

double SpanTimes::block_time(int device, BlockKind block, const std::vector<Part>& parts, double f0, double f1) const {
  return block_part(device, block, parts, f0, f1).ns;
}

double SpanTimes::time(int device, const std::vector<Part>& parts, double f0, double f1) const {
  double total = 0;
  bool useful = false;
  for (const BlockKind block : blocks_) {
    const BlockTime part = block_part(device, block, parts, f0, f1);
    total += part.ns;
    useful = useful || part.useful;
  }
  return useful ? total : kImpossible;
}

double SpanTimes::sums_time(int device, const std::vector<Part>& parts, int devices) const {
  if (form_ != SpanForm::kPaired) return 0;
  OpDesc add;
  add.kind = OpKind::kAdd;
  add.n = problem_.shape->width;
  if (!has_curve(problem_.costs->profile(problem_.id(device)), add)) return kImpossible;
  double total = 0;
  for (const Part& part : parts) {
    add.m = part.padded_rows;
    total += devices * problem_.costs->op(problem_.id(device), add).median_ns;
  }
  return total;
}

FeatureTable::FeatureTable(const SpanTimes& span, std::vector<double> points, std::int64_t row0, std::int64_t rows)
    : span_(span), points_(std::move(points)) {
  for (int d = 0; d < span.problem_.device_count(); ++d) {
    parts_.push_back(row_parts(d, *span.problem_.fact_pointers[static_cast<std::size_t>(d)], row0, rows));
  }
  for (const SpanOp& op : span.ops_) {
    std::vector<std::int64_t>& ends = boundaries_.emplace_back();
    for (const double point : points_) ends.push_back(boundary(op, point));
    for (std::size_t p = 2; p < ends.size(); ++p) uniform_ = uniform_ && ends[p] - ends[p - 1] == ends[1] - ends[0];
  }
  totals_.assign(parts_.size() * points_.size() * points_.size(), -1.0);
  op_times_.resize(parts_.size() * span.ops_.size());
  for (std::size_t i = 0; i < op_times_.size(); ++i) {
    const SpanOp& op = span.ops_[i % span.ops_.size()];
    op_times_[i].assign(static_cast<std::size_t>(2 * (op.cols / op.align) + 2), -1.0);
  }
}

double FeatureTable::sum(int device, int i, int j) {
  const std::vector<SpanOp>& ops = span_.ops_;
  double total = 0;
  double of_block = 0;
  bool useful = false;  // in this block
  bool any = false;     // in the span
  for (std::size_t o = 0; o < ops.size(); ++o) {
    const SpanOp& op = ops[o];
    const bool whole = op.divided == Divided::kNot;
    const std::int64_t cols =
        whole ? op.cols : boundaries_[o][static_cast<std::size_t>(j)] - boundaries_[o][static_cast<std::size_t>(i)];
    if (cols > 0) {
      // A width is whole units, or ends at the ragged end of the dimension: then with one and the same remainder.
      const std::int64_t entry = 2 * (cols / op.align) + (cols % op.align != 0 ? 1 : 0);
      double& time = op_times_[static_cast<std::size_t>(device) * ops.size() + o][static_cast<std::size_t>(entry)];
      if (time < 0) {
        time = 0;
        for (const Part& part : parts_[static_cast<std::size_t>(device)]) {
          time += span_.op_time(device, o, part.padded_rows, span_.context_of(part), cols);
        }
      }
      of_block += time;
      if (!whole) useful = true;
    }
    if (o + 1 == ops.size() || ops[o + 1].block != op.block) {
      if (useful) total += of_block;
      any = any || useful;
      of_block = 0;
      useful = false;
    }
  }
  return any ? total : kImpossible;
}

}  // namespace hetero
