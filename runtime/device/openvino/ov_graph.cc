#include "runtime/device/openvino/ov_graph.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <memory>
#include <openvino/op/add.hpp>
#include <openvino/op/constant.hpp>
#include <openvino/op/convert.hpp>
#include <openvino/op/divide.hpp>
#include <openvino/op/gather.hpp>
#include <openvino/op/matmul.hpp>
#include <openvino/op/multiply.hpp>
#include <openvino/op/parameter.hpp>
#include <openvino/op/power.hpp>
#include <openvino/op/reduce_mean.hpp>
#include <openvino/op/reduce_sum.hpp>
#include <openvino/op/reshape.hpp>
#include <openvino/op/result.hpp>
#include <openvino/op/slice.hpp>
#include <openvino/op/sqrt.hpp>
#include <openvino/op/swish.hpp>
#include <openvino/op/transpose.hpp>
#include <utility>

#include "base/fingerprint.h"

namespace hetero {
namespace {

namespace ops = ov::op;
using Value = ov::Output<ov::Node>;

ov::Shape shape(std::initializer_list<std::int64_t> dims) {
  ov::Shape s;
  for (const std::int64_t d : dims) s.push_back(static_cast<std::size_t>(d));
  return s;
}

Value integers(const std::vector<std::int64_t>& values) {
  return ops::v0::Constant::create(ov::element::i64, {values.size()}, values);
}
Value number(float value) { return ops::v0::Constant::create(ov::element::f32, {}, std::vector<float>{value}); }
Value reshape(const Value& x, const std::vector<std::int64_t>& dims) {
  return std::make_shared<ops::v1::Reshape>(x, integers(dims), false);
}
Value convert(const Value& x, ov::element::Type type) { return std::make_shared<ops::v0::Convert>(x, type); }
Value times(const Value& a, const Value& b) { return std::make_shared<ops::v1::Multiply>(a, b); }
Value plus(const Value& a, const Value& b) { return std::make_shared<ops::v1::Add>(a, b); }

// A constant on memory that `owner` keeps.
Value constant_on(ov::element::Type type, const ov::Shape& dims, const void* data,
                  const std::shared_ptr<const OvWeight>& owner) {
  return std::make_shared<ops::v0::Constant>(type, dims, data, std::const_pointer_cast<OvWeight>(owner));
}

std::string text_of(const Region& r) {
  return std::to_string(r.tensor) + "[" + std::to_string(r.row0) + "+" + std::to_string(r.rows) + "," +
         std::to_string(r.col0) + "+" + std::to_string(r.cols) + "]";
}

// Tells any two floats apart.
std::string exact_text(float value) { return std::to_string(std::bit_cast<std::uint32_t>(value)); }

bool contains(const Region& outer, const Region& inner) {
  return outer.tensor == inner.tensor && outer.row0 <= inner.row0 &&
         inner.row0 + inner.rows <= outer.row0 + outer.rows && outer.col0 <= inner.col0 &&
         inner.col0 + inner.cols <= outer.col0 + outer.cols;
}

// One graph in the making.
class GraphBuilder {
 public:
  explicit GraphBuilder(const OvGraphOptions& options) : options_(options) {}

  bool empty() const { return values_.empty(); }

  // Whether the op's operands can be had here: each either as it was before the graph or from one value of it.
  bool takes(const Op& op) const {
    for (const Region& in : op.in) {
      if (in.valid() && !readable(in)) return false;
    }
    return std::all_of(values_.begin(), values_.end(),
                       [&](const auto& v) { return v.first == op.out || !v.first.overlaps(op.out); });
  }

  void add(const Op& op) {
    text_ += canonical_text(op.desc);
    Value out;
    switch (op.desc.kind) {
      case OpKind::kMatmul:
        out = matmul(op);
        break;
      case OpKind::kRmsNorm:
        out = rms_norm(op);
        break;
      case OpKind::kRope:
        out = rope(op);
        break;
      case OpKind::kSwiGlu: {
        const Value gate = read(op.in[0]);
        const Value up = read(op.in[1]);
        out = times(std::make_shared<ops::v4::Swish>(gate), up);
        break;
      }
      case OpKind::kAdd: {
        const Value a = read(op.in[0]);
        out = plus(a, read(op.in[1]));
        break;
      }
      case OpKind::kAttention:
        break;  // refused by ov_applicable()
    }
    write(op.out, out);
    text_ += " -> " + text_of(op.out) + "\n";
  }

  OvGraph finish() {
    ov::ResultVector results;
    OvGraph graph;
    for (const auto& [region, value] : values_) {
      results.push_back(std::make_shared<ops::v0::Result>(value));
      graph.outputs.push_back(region);
    }
    graph.model = std::make_shared<ov::Model>(results, parameters_, "segment");
    graph.inputs = std::move(inputs_);
    graph.text = std::move(text_);
    graph.constants = std::move(constants_);
    return graph;
  }

 private:
  using Written = std::pair<Region, Value>;

  bool readable(const Region& region) const {
    return std::all_of(values_.begin(), values_.end(),
                       [&](const Written& v) { return !v.first.overlaps(region) || contains(v.first, region); });
  }

  Value parameter(OvInput input, const ov::Shape& dims) {
    parameters_.push_back(std::make_shared<ops::v0::Parameter>(ov::element::f32, dims));
    inputs_.push_back(std::move(input));
    return parameters_.back();
  }

  Value read(const Region& region) {
    text_ += " " + text_of(region);
    for (const auto& [whole, value] : values_) {
      if (!whole.overlaps(region)) continue;
      if (whole == region) return value;
      const std::int64_t row = region.row0 - whole.row0;
      const std::int64_t col = region.col0 - whole.col0;
      return std::make_shared<ops::v8::Slice>(value, integers({row, col}),
                                              integers({row + region.rows, col + region.cols}), integers({1, 1}),
                                              integers({0, 1}));
    }
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i].kind == OvInput::Kind::kRegion && inputs_[i].region == region) return parameters_[i];
    }
    return parameter({OvInput::Kind::kRegion, region, {}}, shape({region.rows, region.cols}));
  }

  void write(const Region& region, const Value& value) {
    for (Written& v : values_) {
      if (v.first == region) {
        v.second = value;
        return;
      }
    }
    values_.emplace_back(region, value);
  }

  Value matmul(const Op& op) {
    const std::shared_ptr<const OvWeight> w = options_.weight(op.weight);
    constants_.push_back(w);
    const Value x = read(op.in[0]);
    const OperandOrder order = options_.order ? options_.order(op) : OperandOrder::kActivationsFirst;
    if (order == OperandOrder::kWeightsFirst) text_ += " weights first";
    Value out = product(order, x, weight_values(w));
    if (!w->offsets.empty()) {
      const Value offsets = constant_on(ov::element::f32, shape({w->n, w->k / w->group}), w->offsets.data(), w);
      out = plus(out, product(order, group_sums(x, op.desc.m, *w), offsets));
    }
    if (op.in[1].valid()) out = plus(out, read(op.in[1]));
    return out;
  }

  static Value product(OperandOrder order, const Value& x, const Value& w) {
    if (order == OperandOrder::kActivationsFirst) return std::make_shared<ops::v0::MatMul>(x, w, false, true);
    return std::make_shared<ops::v1::Transpose>(std::make_shared<ops::v0::MatMul>(w, x, false, true), integers({1, 0}));
  }

  // The pattern by which plugins know compressed weights: constant -> convert -> multiply by the scale of a group ->
  // [n, k]. There is no zero point to subtract: the codes are signed.
  Value weight_values(const std::shared_ptr<const OvWeight>& w) const {
    if (!w->grouped()) {
      const ov::element::Type stored = w->plain == DType::kF32   ? ov::element::f32
                                       : w->plain == DType::kF16 ? ov::element::f16
                                                                 : ov::element::bf16;
      const Value values = constant_on(stored, shape({w->n, w->k}), w->data.data(), w);
      return w->plain == DType::kF32 ? values : convert(values, ov::element::f32);
    }
    const std::int64_t groups = w->k / w->group;
    const Value codes = constant_on(w->bits == 4 ? ov::element::i4 : ov::element::i8, shape({w->n, groups, w->group}),
                                    w->data.data(), w);
    const ov::Shape scale_shape = shape({w->n, groups, 1});
    if (!options_.half_decompression) {
      const Value scales = constant_on(ov::element::f32, scale_shape, w->scales.data(), w);
      return reshape(times(convert(codes, ov::element::f32), scales), {w->n, w->k});
    }
    const Value scales = ops::v0::Constant::create(ov::element::f16, scale_shape, w->scales);
    return convert(reshape(times(convert(codes, ov::element::f16), scales), {w->n, w->k}), ov::element::f32);
  }

  // Sums of x over each group of columns; one node however many matmuls read it (q, k and v).
  Value group_sums(const Value& x, std::int64_t m, const OvWeight& w) {
    Value& sums = group_sums_[{x, w.group}];
    if (sums.get_node() == nullptr) {
      sums = std::make_shared<ops::v1::ReduceSum>(reshape(x, {m, w.k / w.group, w.group}), integers({2}), false);
    }
    return sums;
  }

  Value rms_norm(const Op& op) {
    const Value x = read(op.in[0]);
    const Value mean =
        std::make_shared<ops::v1::ReduceMean>(std::make_shared<ops::v1::Power>(x, number(2)), integers({-1}), true);
    const Value root = std::make_shared<ops::v0::Sqrt>(plus(mean, number(op.constants.eps)));
    const Value normed = times(x, std::make_shared<ops::v1::Divide>(number(1), root));
    const auto* weight = reinterpret_cast<const float*>(op.vector.data);
    text_ += " eps " + exact_text(op.constants.eps) + " weight " +
             std::to_string(fingerprint_of(weight, static_cast<std::size_t>(op.desc.n) * sizeof(float)));
    return times(normed, ops::v0::Constant::create(ov::element::f32, shape({1, op.desc.n}),
                                                   std::vector<float>(weight, weight + op.desc.n)));
  }

  Value rope(const Op& op) {
    RopeTable table;
    table.constants = op.constants;
    table.factors = reinterpret_cast<const float*>(op.vector.data);
    table.rows = op.desc.m;
    table.head_dim = op.desc.head_dim;
    const bool whole_heads = op.constants.column_offset % op.desc.head_dim == 0 && op.desc.n % op.desc.head_dim == 0;
    table.period = whole_heads ? op.desc.head_dim : op.desc.n;
    if (whole_heads) table.constants.column_offset = 0;

    const Value x = reshape(read(op.in[0]), {op.desc.m, op.desc.n / table.period, table.period});
    std::vector<std::int64_t> partners;
    for (std::int64_t c = 0; c < table.period; ++c) partners.push_back(table.partner(c));
    const Value other = std::make_shared<ops::v8::Gather>(
        x, integers(partners), ops::v0::Constant::create(ov::element::i64, {}, std::vector<std::int64_t>{2}));
    const Value cosines = rotation(OvInput::Kind::kCosines, table);
    const Value sines = rotation(OvInput::Kind::kSines, table);
    text_ += " " + table.text();
    return reshape(plus(times(x, cosines), times(other, sines)), {op.desc.m, op.desc.n});
  }

  Value rotation(OvInput::Kind kind, const RopeTable& table) {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i].kind == kind && inputs_[i].table.text() == table.text()) return parameters_[i];
    }
    return parameter({kind, {}, table}, shape({table.rows, 1, table.period}));
  }

  const OvGraphOptions& options_;
  ov::ParameterVector parameters_;
  std::vector<OvInput> inputs_;
  std::vector<Written> values_;  // disjoint
  std::map<std::pair<Value, std::int64_t>, Value> group_sums_;
  std::string text_;
  std::vector<std::shared_ptr<const OvWeight>> constants_;
};

}  // namespace

std::uint64_t OvGraph::weight_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& weight : constants) bytes += weight->bytes();
  return bytes;
}

std::string RopeTable::text() const {
  const auto& c = constants;
  const std::size_t bytes = factors == nullptr ? 0 : static_cast<std::size_t>(c.rope_dims / 2) * sizeof(float);
  return "rope base " + exact_text(c.rope_base) + " dims " + std::to_string(c.rope_dims) + " style " +
         std::to_string(static_cast<int>(c.rope_style)) + " row " + std::to_string(c.row_offset) + " column " +
         std::to_string(c.column_offset) + " factors " + std::to_string(fingerprint_of(factors, bytes)) + " rows " +
         std::to_string(rows) + " head " + std::to_string(head_dim) + " period " + std::to_string(period);
}

std::int64_t RopeTable::partner(std::int64_t c) const {
  const std::int64_t dims = constants.rope_dims;
  const std::int64_t in_head = (constants.column_offset + c) % head_dim;
  if (in_head >= dims) return c;
  if (constants.rope_style == RopeStyle::kInterleaved) return in_head % 2 == 0 ? c + 1 : c - 1;
  return in_head < dims / 2 ? c + dims / 2 : c - dims / 2;
}

void RopeTable::fill(std::int64_t position, float* cosines, float* sines) const {
  const std::int64_t dims = constants.rope_dims;
  const bool halves = constants.rope_style == RopeStyle::kHalves;
  for (std::int64_t c = 0; c < period; ++c) {
    const std::int64_t in_head = (constants.column_offset + c) % head_dim;
    const bool rotated = in_head < dims;
    const bool first = partner(c) > c;
    const std::int64_t pair = !halves ? in_head / 2 : first ? in_head : in_head - dims / 2;
    double frequency = 0;
    if (rotated) {
      frequency = std::pow(static_cast<double>(constants.rope_base),
                           -2.0 * static_cast<double>(pair) / static_cast<double>(dims));
      if (factors != nullptr) frequency /= static_cast<double>(factors[pair]);
    }
    for (std::int64_t r = 0; r < rows; ++r) {
      const double angle = static_cast<double>(position + constants.row_offset + r) * frequency;
      const auto at = static_cast<std::size_t>(r * period + c);
      cosines[at] = static_cast<float>(std::cos(angle));
      sines[at] = static_cast<float>(first ? -std::sin(angle) : std::sin(angle));
    }
  }
}

Applicability ov_applicable(const Segment& segment) {
  for (const Op& op : segment.ops) {
    if (op.desc.kind == OpKind::kAttention) {
      return Applicability::no("attention grows with the sequence, and graphs here have fixed shapes");
    }
    if (op.desc.m != segment.ops.front().desc.m) {
      return Applicability::no("a static graph has one number of rows, and here " +
                               canonical_text(segment.ops.front().desc) + " stands beside " + canonical_text(op.desc));
    }
  }
  return {};
}

std::vector<OvGraph> ov_graphs(const Segment& segment, const OvGraphOptions& options) {
  std::vector<OvGraph> graphs;
  auto builder = std::make_unique<GraphBuilder>(options);
  for (const Op& op : segment.ops) {
    if (!builder->takes(op)) {
      graphs.push_back(builder->finish());
      builder = std::make_unique<GraphBuilder>(options);
    }
    builder->add(op);
  }
  if (!builder->empty()) graphs.push_back(builder->finish());
  return graphs;
}

}  // namespace hetero
