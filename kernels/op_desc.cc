// Canonical texts of ops, and what an op costs at least. Pure functions.
#include "kernels/op_desc.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"

namespace hetero {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"matmul", "rms_norm", "rope", "attention", "swiglu", "add"};

// The integers that describe each kind, in the order of its text.
struct Field {
  std::string_view name;
  std::int64_t OpDesc::*value;
};
constexpr Field kM = {"m", &OpDesc::m};
constexpr Field kN = {"n", &OpDesc::n};
constexpr Field kK = {"k", &OpDesc::k};
constexpr Field kHeads = {"heads", &OpDesc::heads};
constexpr Field kKvHeads = {"kv", &OpDesc::kv_heads};
constexpr Field kDim = {"dim", &OpDesc::head_dim};
constexpr Field kContext = {"ctx", &OpDesc::context};

struct Fields {
  std::array<Field, 5> list;
  std::size_t count;
  const Field* begin() const { return list.data(); }
  const Field* end() const { return list.data() + count; }
};
Fields fields_of(OpKind kind) {
  switch (kind) {
    case OpKind::kMatmul:
      return {{kM, kN, kK}, 3};
    case OpKind::kRope:
      return {{kM, kN, kDim}, 3};
    case OpKind::kAttention:
      return {{kM, kHeads, kKvHeads, kDim, kContext}, 5};
    case OpKind::kRmsNorm:
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      break;
  }
  return {{kM, kN}, 2};
}

Error not_an_op(std::string_view text) {
  std::string what("no operation is described by '");
  what.append(text).append("'");
  return input_error(what, "a description looks like 'matmul m=1 n=4096 k=4096 w=q4_0 a=f32'");
}

// The next word of `rest`, which loses it.
std::string_view take_word(std::string_view& rest) {
  const std::size_t end = std::min(rest.find(' '), rest.size());
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return word;
}

// The text after "name=" in the next word; empty when the word is another.
std::string_view take_value(std::string_view& rest, std::string_view name) {
  const std::string_view word = take_word(rest);
  if (!word.starts_with(name) || word.size() <= name.size() || word[name.size()] != '=') return {};
  return word.substr(name.size() + 1);
}

// Cache rows that the last row of an attention sees; at least the rows of the op itself.
double context_rows(const OpDesc& op) { return static_cast<double>(std::max(op.context, op.m)); }

}  // namespace

std::string_view name_of(OpKind kind) { return kNames[static_cast<std::size_t>(kind)]; }

ShapeClass shape_class_of(const OpDesc& op) {
  if (op.m <= 1) return ShapeClass::kOneRow;
  return op.m <= kFewRows ? ShapeClass::kFewRows : ShapeClass::kManyRows;
}

double row_distance(std::int64_t a, std::int64_t b) {
  return std::abs(std::log(static_cast<double>(a) / static_cast<double>(b)));
}

std::string_view name_of(ShapeClass shape_class) {
  switch (shape_class) {
    case ShapeClass::kOneRow:
      return "one_row";
    case ShapeClass::kFewRows:
      return "few_rows";
    case ShapeClass::kManyRows:
      return "many_rows";
  }
  return "?";
}

std::string canonical_text(const OpDesc& op) {
  std::string text(name_of(op.kind));
  for (const Field& field : fields_of(op.kind)) {
    text.append(" ").append(field.name).append("=").append(std::to_string(op.*field.value));
  }
  if (op.kind == OpKind::kMatmul) text.append(" w=").append(info(op.w).name).append(" a=f32");
  return text;
}

OpDesc parse_op_desc(std::string_view text) {
  std::string_view rest = text;
  const auto* const name = std::find(kNames.begin(), kNames.end(), take_word(rest));
  if (name == kNames.end()) throw not_an_op(text);
  OpDesc op;
  op.kind = static_cast<OpKind>(name - kNames.begin());
  for (const Field& field : fields_of(op.kind)) {
    const std::string_view value = take_value(rest, field.name);
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), op.*field.value);
    if (error != std::errc() || end != value.data() + value.size()) throw not_an_op(text);
    const std::int64_t least = field.value == &OpDesc::context ? 0 : 1;
    if (op.*field.value < least) throw not_an_op(text);
  }
  if (op.kind == OpKind::kMatmul) {
    const auto type = dtype_from_name(take_value(rest, "w"));
    if (!type) throw not_an_op(text);
    op.w = *type;
  }
  if (op.kind == OpKind::kAttention) {
    if (op.heads > INT32_MAX || op.head_dim > INT32_MAX) throw not_an_op(text);  // their product must not overflow
    op.n = op.heads * op.head_dim;
  }
  // One spelling for each op: what is not exactly its canonical text is refused, whatever is odd about it.
  if (canonical_text(op) != text) throw not_an_op(text);
  return op;
}

double flops(const OpDesc& op) {
  const auto m = static_cast<double>(op.m);
  const auto n = static_cast<double>(op.n);
  switch (op.kind) {
    case OpKind::kMatmul:
      return 2 * m * n * static_cast<double>(op.k);
    case OpKind::kRmsNorm:
      return 4 * m * n;  // square and add, two multiplications
    case OpKind::kRope:
      return 3 * m * n;  // four multiplications and two additions a pair
    case OpKind::kAttention: {
      // Row i sees context - m + 1 + i rows.
      const double seen = m * (context_rows(op) - m) + m * (m + 1) / 2;
      return 4 * seen * static_cast<double>(op.heads) * static_cast<double>(op.head_dim);
    }
    case OpKind::kSwiGlu:
      return 5 * m * n;  // negate, exp, add, divide, multiply; exp counts one
    case OpKind::kAdd:
      return m * n;
  }
  return 0;
}

double streamed_bytes(const OpDesc& op) {
  switch (op.kind) {
    case OpKind::kMatmul: {
      const DTypeInfo& format = info(op.w);
      return static_cast<double>(op.n) * static_cast<double>(op.k) * static_cast<double>(format.block_bytes) /
             static_cast<double>(format.block_elements);
    }
    case OpKind::kRmsNorm:
      return 4 * static_cast<double>(op.n);
    case OpKind::kAttention:  // keys and values, float32
      return 8 * context_rows(op) * static_cast<double>(op.kv_heads) * static_cast<double>(op.head_dim);
    case OpKind::kRope:
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      break;
  }
  return 0;
}

}  // namespace hetero
