// See op_runner.h.
#include "tests/kernels/op_runner.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <sstream>

#include "base/aligned_buffer.h"
#include "base/rng.h"
#include "kernels/reference/reference_kernels.h"
#include "tests/compare.h"

namespace hetero::test {
namespace {

void fill(GuardedMatrix& matrix, Rng& rng) {
  for (std::int64_t r = 0; r < matrix.rows(); ++r) {
    for (std::int64_t c = 0; c < matrix.cols(); ++c) matrix.at(r, c) = static_cast<float>(rng.normal());
  }
}

// A random weight in its stored format, one of whose rectangles is the op's.
struct Weight {
  std::vector<std::byte> stored;
  WeightSlice slice;

  Weight(const OpDesc& op, bool inner, Rng& rng) {
    const std::int64_t block = info(op.w).block_elements;
    slice.n0 = inner ? 3 : 0;
    slice.k0 = inner ? block : 0;
    slice.n1 = slice.n0 + op.n;
    slice.k1 = slice.k0 + op.k;
    const std::int64_t n = slice.n1 + (inner ? 5 : 0);
    const std::int64_t k = slice.k1 + (inner ? 2 * block : 0);
    const std::int64_t bytes = row_bytes(op.w, k);
    stored.resize(static_cast<std::size_t>(n * bytes));
    std::vector<float> row(static_cast<std::size_t>(k));
    for (std::int64_t r = 0; r < n; ++r) {
      // Off centre, so that a wrong minimum shows.
      for (float& x : row) x = static_cast<float>(0.3 + rng.normal()) / std::sqrt(static_cast<float>(k));
      quantise_row(op.w, row.data(), stored.data() + r * bytes, k);
    }
    slice.weight = {stored.data(), op.w, n, k};
  }

  std::vector<float> dequantised() const {
    const std::int64_t bytes = row_bytes(slice.weight.type, slice.weight.k);
    const std::int64_t k = slice.k1 - slice.k0;
    std::vector<float> values(static_cast<std::size_t>((slice.n1 - slice.n0) * k));
    for (std::int64_t r = slice.n0; r < slice.n1; ++r) {
      dequantise_row(slice.weight.type, stored.data() + r * bytes + row_bytes(slice.weight.type, slice.k0),
                     values.data() + (r - slice.n0) * k, k);
    }
    return values;
  }
};

void run(const HostKernel& kernel, HostOp op, const Layout& layout) {
  AlignedBuffer workspace(kernel.workspace_bytes == nullptr ? 0 : kernel.workspace_bytes(op.desc));
  op.workspace = workspace.data();
  for (int phase = 0; phase < kernel.phases; ++phase) {
    for (int i = 0; i < layout.workers; ++i) {
      kernel.run(op, phase, layout.last_worker_first ? layout.workers - 1 - i : i, layout.workers);
    }
  }
}

void run_packed(const HostKernel& kernel, HostOp op, const WeightSlice& slice, const Layout& layout) {
  AlignedBuffer packed(kernel.packed_bytes(slice));
  kernel.pack(slice, packed.data());
  op.weights = packed.data();
  run(kernel, op, layout);
}

const HostKernel& reference_of(OpKind kind) {
  switch (kind) {
    case OpKind::kMatmul:
      return kReferenceMatmul;
    case OpKind::kRmsNorm:
      return kReferenceRmsNorm;
    case OpKind::kRope:
      return kReferenceRope;
    case OpKind::kAttention:
      return kReferenceAttention;
    case OpKind::kSwiGlu:
      return kReferenceSwiGlu;
    case OpKind::kAdd:
      break;
  }
  return kReferenceAdd;
}

std::string verdict(const GuardedMatrix& expected, const GuardedMatrix& actual, const Tolerance& tolerance) {
  const std::string damage = actual.damage();
  if (!damage.empty()) return damage;
  return compare(expected.matrix(), actual.matrix(), expected.rows(), expected.cols(), tolerance).message;
}

std::string judge_matmul(const KernelVariant& row, const OpDesc& desc, const Layout& layout, Rng& rng) {
  const Weight weight(desc, layout.slice, rng);
  GuardedMatrix in(desc.m, desc.k, layout.gap, layout.lead);
  GuardedMatrix residual(desc.m, desc.n, layout.gap + 2, layout.lead);
  GuardedMatrix out(desc.m, desc.n, layout.gap, layout.lead);
  GuardedMatrix expected(desc.m, desc.n);
  fill(in, rng);
  if (layout.residual) fill(residual, rng);
  HostOp op;
  op.desc = desc;
  op.in0 = std::as_const(in).matrix();
  if (layout.residual) op.in1 = std::as_const(residual).matrix();
  op.out = expected.matrix();
  run_packed(kReferenceMatmul, op, weight.slice, {});
  GuardedMatrix& target = layout.in_place ? residual : out;
  op.out = target.matrix();
  run_packed(*row.host, op, weight.slice, layout);
  const std::vector<float> values = weight.dequantised();
  return verdict(expected, target, matmul_tolerance(row.tolerance, op.in0, desc.m, values.data(), desc.n, desc.k));
}

// Each value of each parameter with the defaults of the others, then random ones of all.
std::vector<ParamValues> settings_of(const KernelVariant& row, Rng& rng) {
  constexpr int kRandom = 6;
  std::vector<ParamValues> settings;
  for (const ParamSpec& param : row.params) {
    for (const std::int64_t value : param.values) {
      settings.push_back(default_params(row));
      settings.back()[param.name] = value;
    }
  }
  for (int i = 0; i < kRandom; ++i) {
    settings.emplace_back();
    for (const ParamSpec& param : row.params)
      settings.back()[param.name] = param.values[rng.below(param.values.size())];
  }
  return settings;
}

std::string text_of(const ParamValues& params) {
  std::string text;
  for (const auto& [name, value] : params) text += (text.empty() ? "" : " ") + name + "=" + std::to_string(value);
  return text;
}

// Everything but matmul. Inputs that a kind does not use stay null.
std::string judge_other(const KernelVariant& row, const OpDesc& desc, const Layout& layout, Rng& rng) {
  const bool attention = desc.kind == OpKind::kAttention;
  const std::int64_t second_rows = attention ? desc.context : desc.m;
  const std::int64_t second_cols = attention ? desc.kv_heads * desc.head_dim : desc.n;
  GuardedMatrix in0(desc.m, desc.n, layout.gap, layout.lead);
  GuardedMatrix in1(second_rows, second_cols, layout.gap + 3, layout.lead);
  GuardedMatrix in2(second_rows, second_cols, layout.gap + 3, layout.lead + 1);
  GuardedMatrix vector(1, desc.n + desc.head_dim);
  GuardedMatrix out(desc.m, desc.n, layout.gap + 1, layout.lead);
  GuardedMatrix expected(desc.m, desc.n);
  fill(in0, rng);
  fill(in1, rng);
  fill(in2, rng);
  fill(vector, rng);

  HostOp op;
  op.desc = desc;
  op.in0 = std::as_const(in0).matrix();
  op.out = expected.matrix();
  switch (desc.kind) {
    case OpKind::kMatmul:
      return "not for this function";
    case OpKind::kRmsNorm:
      op.constants.eps = 1e-5F;
      op.vector = vector.data();
      break;
    case OpKind::kRope:
      op.constants.rope_base = 10000;
      op.constants.rope_dims = layout.residual ? std::max<std::int64_t>(2, desc.head_dim / 4 * 2) : desc.head_dim;
      op.constants.rope_style = layout.halves ? RopeStyle::kHalves : RopeStyle::kInterleaved;
      // A part that begins inside of the tensor; of a head only where pairs are neighbours.
      op.constants.column_offset = layout.slice ? 2 * desc.head_dim + (layout.halves ? 0 : 2) : 0;
      op.constants.row_offset = layout.row_offset;
      op.position = layout.position;
      if (layout.slice) {
        for (std::int64_t i = 0; i < desc.head_dim / 2; ++i) vector.at(0, i) = 1 + std::abs(vector.at(0, i));
        op.vector = vector.data();
      }
      break;
    case OpKind::kAttention:
      op.constants.attention_scale = 1 / std::sqrt(static_cast<float>(desc.head_dim));
      op.constants.row_offset = std::min(layout.row_offset, desc.context - desc.m);
      op.position = desc.context - desc.m - op.constants.row_offset;
      op.in1 = std::as_const(in1).matrix();
      op.in2 = std::as_const(in2).matrix();
      if (layout.slice) op.desc.context = 0;  // not known to the kernel
      break;
    case OpKind::kSwiGlu:
      for (std::int64_t c = 0; c < desc.n; ++c) in0.at(0, c) *= 40;  // far into both tails of the sigmoid
      [[fallthrough]];
    case OpKind::kAdd:
      op.in1 = std::as_const(in1).matrix();
      break;
  }
  const Tolerance tolerance = op_tolerance(row.tolerance, op);  // before in place destroys the input
  run(reference_of(desc.kind), op, {});
  GuardedMatrix& target = layout.in_place ? in0 : out;
  op.out = target.matrix();
  run(*row.host, op, layout);
  return verdict(expected, target, tolerance);
}

}  // namespace

std::string describe(const Layout& l) {
  std::ostringstream text;
  text << "workers=" << l.workers << " gap=" << l.gap << " lead=" << l.lead << " slice=" << l.slice
       << " residual=" << l.residual << " in_place=" << l.in_place << " halves=" << l.halves
       << " position=" << l.position << " row_offset=" << l.row_offset;
  return text.str();
}

std::vector<Layout> layouts_for(OpKind kind) {
  const Layout plain;
  const Layout divided{.workers = 3, .gap = 5, .lead = 1, .slice = true, .last_worker_first = true};
  switch (kind) {
    case OpKind::kMatmul: {
      Layout residual{.workers = 2, .gap = 3, .lead = 3, .residual = true};
      Layout aliased = divided;
      aliased.residual = aliased.in_place = true;
      return {plain, divided, residual, aliased};
    }
    case OpKind::kRope: {
      Layout far = divided;
      far.position = 1000;
      far.row_offset = 7;
      Layout halves{.workers = 2, .residual = true, .in_place = true, .halves = true, .position = 31};
      Layout halves_far = far;
      halves_far.halves = true;
      return {plain, far, halves, halves_far};
    }
    case OpKind::kAttention: {
      Layout offset = divided;
      offset.row_offset = 2;
      const Layout many{.workers = 16};
      return {plain, offset, many};
    }
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      return {plain, divided, {.workers = 2, .in_place = true}};
    case OpKind::kRmsNorm:
      break;
  }
  return {plain, divided};
}

std::string judge_params(const KernelVariant& row, const OpDesc& desc, const Layout& layout, std::uint64_t seed) {
  Rng rng(seed);
  const Weight weight(desc, layout.slice, rng);
  GuardedMatrix in(desc.m, desc.k, layout.gap, layout.lead);
  GuardedMatrix residual(desc.m, desc.n, layout.gap + 2, layout.lead);
  GuardedMatrix expected(desc.m, desc.n);
  fill(in, rng);
  fill(residual, rng);
  HostOp op;
  op.desc = desc;
  op.in0 = std::as_const(in).matrix();
  if (layout.residual) op.in1 = std::as_const(residual).matrix();
  op.out = expected.matrix();
  AlignedBuffer packed(row.host->packed_bytes(weight.slice));
  row.host->pack(weight.slice, packed.data());
  op.weights = packed.data();
  run(*row.host, op, {});
  for (const ParamValues& params : settings_of(row, rng)) {
    const std::vector<std::int64_t> values = values_in_order(row, params);
    GuardedMatrix out(desc.m, desc.n, layout.gap, layout.lead);
    op.params = values.data();
    op.out = out.matrix();
    run(*row.host, op, layout);
    std::string wrong = out.damage();
    for (std::int64_t r = 0; r < desc.m && wrong.empty(); ++r) {
      for (std::int64_t c = 0; c < desc.n && wrong.empty(); ++c) {
        if (std::bit_cast<std::uint32_t>(expected.at(r, c)) == std::bit_cast<std::uint32_t>(out.at(r, c))) continue;
        wrong = "row " + std::to_string(r) + " column " + std::to_string(c) + " is " + std::to_string(out.at(r, c)) +
                " instead of " + std::to_string(expected.at(r, c));
      }
    }
    if (!wrong.empty()) return text_of(params) + ": " + wrong;
  }
  return "";
}

std::string judge(const KernelVariant& row, const OpDesc& op, const Layout& layout, std::uint64_t seed) {
  Rng rng(seed);
  return op.kind == OpKind::kMatmul ? judge_matmul(row, op, layout, rng) : judge_other(row, op, layout, rng);
}

}  // namespace hetero::test
