#include "runtime/device/sim/reference_segment.h"

#include <algorithm>

#include "kernels/catalogue.h"

namespace hetero {
namespace {

float through_f16(float value) { return f16_to_f32(f32_to_f16(value)); }

void round_in_place(HostMatrix matrix, std::int64_t rows, std::int64_t cols) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float* row = matrix.data + r * matrix.stride;
    std::transform(row, row + cols, row, through_f16);
  }
}

}  // namespace

ReferenceSegment::ReferenceSegment(const Segment& segment, Arena& arena, SimPrecision precision)
    : arena_(arena), precision_(precision) {
  std::size_t workspace = 0;
  for (const Op& op : segment.ops) {
    const HostKernel* kernel = choose(KernelFamily::kReference, op.desc, {}, {}).host;
    if (kernel->workspace_bytes != nullptr) workspace = std::max(workspace, kernel->workspace_bytes(op.desc));
    steps_.push_back(
        {kernel, op.desc, op.constants, op.in, op.out, op.weight, reinterpret_cast<const float*>(op.vector.data)});
  }
  workspace_ = AlignedBuffer(workspace);
}

void ReferenceSegment::run(const Bindings& bindings) {
  for (const Step& step : steps_) {
    const HostOp op = bind(step, bindings.position);
    if (precision_ == SimPrecision::kFloat16) {
      run_rounded(step, op);
    } else {
      run_kernel(step, op);
    }
  }
}

HostOp ReferenceSegment::bind(const Step& step, std::int64_t position) {
  const auto view = [](HostMatrix matrix) { return ConstHostMatrix{matrix.data, matrix.stride}; };
  HostOp op;
  op.desc = step.desc;
  op.constants = step.constants;
  if (step.in[0].valid()) op.in0 = view(arena_.matrix(step.in[0], position));
  if (step.desc.kind == OpKind::kAttention) {
    op.in1 = view(arena_.from_first_row(step.in[1]));
    op.in2 = view(arena_.from_first_row(step.in[2]));
  } else if (step.in[1].valid()) {
    op.in1 = view(arena_.matrix(step.in[1], position));
  }
  op.out = arena_.matrix(step.out, position);
  if (step.desc.kind == OpKind::kMatmul) op.weights = reinterpret_cast<const std::byte*>(&step.weight);
  op.vector = step.vector;
  op.position = position;
  op.workspace = workspace_.data();
  return op;
}

void ReferenceSegment::run_rounded(const Step& step, HostOp op) {
  const OpDesc& desc = step.desc;
  if (desc.kind != OpKind::kMatmul) {
    run_kernel(step, op);
    if (desc.kind != OpKind::kAdd) round_in_place(op.out, desc.m, desc.n);
    return;
  }
  rounded_in_.resize(static_cast<std::size_t>(desc.m * desc.k));
  for (std::int64_t r = 0; r < desc.m; ++r) {
    const float* row = op.in0.data + r * op.in0.stride;
    std::transform(row, row + desc.k, rounded_in_.data() + r * desc.k, through_f16);
  }
  product_.resize(static_cast<std::size_t>(desc.m * desc.n));
  const HostMatrix out = op.out;
  const ConstHostMatrix residual = op.in1;
  op.in0 = {rounded_in_.data(), desc.k};
  op.in1 = {};
  op.out = {product_.data(), desc.n};
  run_kernel(step, op);
  for (std::int64_t r = 0; r < desc.m; ++r) {
    for (std::int64_t c = 0; c < desc.n; ++c) {
      const float product = through_f16(product_[static_cast<std::size_t>(r * desc.n + c)]);
      const float base = residual.data != nullptr ? residual.data[r * residual.stride + c] : 0.0F;
      out.data[r * out.stride + c] = product + base;
    }
  }
}

void ReferenceSegment::run_kernel(const Step& step, const HostOp& op) {
  for (int phase = 0; phase < step.kernel->phases; ++phase) step.kernel->run(op, phase, 0, 1);
}

}  // namespace hetero
