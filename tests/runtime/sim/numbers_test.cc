// compute=reference: the numbers of a simulated or emulated device are those of the reference kernels, rounded to
// float16 at the boundaries of ops where the profile says so.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "base/rng.h"
#include "kernels/catalogue.h"
#include "tests/runtime/sim/sim_fixture.h"

namespace hetero {
namespace {

using namespace testing_sim;

constexpr std::int64_t kRows = 32, kWidth = 24, kHidden = 40;

float through_f16(float value) { return f16_to_f32(f32_to_f16(value)); }

// x -> norm -> matmul(hidden) -> swiglu with itself -> matmul(width) + x, as an arena, weights and one segment.
struct SmallBlock {
  Arena arena;
  TensorId x, normed, hidden, gated, y;
  std::vector<float> norm_weight, up, down;
  Segment segment;

  SmallBlock() {
    x = arena.add("x", kRows, kWidth);
    normed = arena.add("normed", kRows, kWidth);
    hidden = arena.add("hidden", kRows, kHidden);
    gated = arena.add("gated", kRows, kHidden);
    y = arena.add("y", kRows, kWidth);
    arena.allocate();
    Rng rng(7);
    const auto fill = [&rng](std::vector<float>& v, std::int64_t n) {
      v.resize(static_cast<std::size_t>(n));
      for (float& f : v) f = static_cast<float>(rng.normal());
    };
    fill(norm_weight, kWidth);
    fill(up, kHidden * kWidth);
    fill(down, kWidth * kHidden);
    float* in = matrix(x, kWidth);
    for (std::int64_t i = 0; i < kRows * kWidth; ++i) in[i] = static_cast<float>(rng.normal());

    Op norm;
    norm.desc = {OpKind::kRmsNorm, kRows, kWidth};
    norm.constants.eps = 1e-5F;
    norm.in[0] = whole(x, kWidth);
    norm.out = whole(normed, kWidth);
    norm.vector = view(norm_weight, 1, kWidth);
    Op swiglu;
    swiglu.desc = {OpKind::kSwiGlu, kRows, kHidden};
    swiglu.in[0] = swiglu.in[1] = whole(hidden, kHidden);
    swiglu.out = whole(gated, kHidden);
    segment = {"L0 ffn",
               {norm, matmul(normed, kNoTensor, hidden, up, kHidden, kWidth), swiglu,
                matmul(gated, x, y, down, kWidth, kHidden)},
               {},
               {}};
  }

  float* matrix(TensorId id, std::int64_t cols) { return arena.matrix(whole(id, cols), 0).data; }
  std::vector<float> values(TensorId id, std::int64_t cols) {
    const float* data = matrix(id, cols);
    return {data, data + kRows * cols};
  }

 private:
  static Region whole(TensorId id, std::int64_t cols) { return {id, 0, kRows, 0, cols}; }
  static WeightView view(const std::vector<float>& w, std::int64_t n, std::int64_t k) {
    return {reinterpret_cast<const std::byte*>(w.data()), DType::kF32, n, k};
  }
  static Op matmul(TensorId in, TensorId residual, TensorId out, const std::vector<float>& w, std::int64_t n,
                   std::int64_t k) {
    Op op;
    op.desc.m = kRows;
    op.desc.n = n;
    op.desc.k = k;
    op.in[0] = whole(in, k);
    if (residual != kNoTensor) op.in[1] = whole(residual, n);
    op.out = whole(out, n);
    op.weight = {view(w, n, k), 0, n, 0, k};
    return op;
  }
};

enum class Rounding { kNone, kHalf };

// The same by hand: the reference kernels on plain arrays, with the rounding that the header promises.
struct Expected {
  std::vector<float> normed, hidden, gated, y;
};
Expected expected(SmallBlock& block, Rounding rounding) {
  const std::vector<float> x = block.values(block.x, kWidth);
  const auto rounded = [rounding](std::vector<float> v) {
    if (rounding == Rounding::kHalf) {
      for (float& f : v) f = through_f16(f);
    }
    return v;
  };
  const auto run = [](HostOp op) {
    const HostKernel* kernel = choose(KernelFamily::kReference, op.desc, {}, {}).host;
    for (int phase = 0; phase < kernel->phases; ++phase) kernel->run(op, phase, 0, 1);
  };
  const auto matmul = [&](const std::vector<float>& in, const WeightSlice& slice) {
    std::vector<float> out(static_cast<std::size_t>(kRows * slice.n1));
    HostOp op;
    op.desc.m = kRows;
    op.desc.n = slice.n1;
    op.desc.k = slice.k1;
    op.in0 = {in.data(), slice.k1};
    op.out = {out.data(), slice.n1};
    op.weights = reinterpret_cast<const std::byte*>(&slice);
    run(op);
    return out;
  };
  Expected e;
  e.normed.resize(x.size());
  HostOp norm;
  norm.desc = block.segment.ops[0].desc;
  norm.constants = block.segment.ops[0].constants;
  norm.in0 = {x.data(), kWidth};
  norm.out = {e.normed.data(), kWidth};
  norm.vector = block.norm_weight.data();
  run(norm);
  e.normed = rounded(e.normed);
  e.hidden = rounded(matmul(e.normed, block.segment.ops[1].weight));
  e.gated.resize(e.hidden.size());
  HostOp swiglu;
  swiglu.desc = block.segment.ops[2].desc;
  swiglu.in0 = swiglu.in1 = {e.hidden.data(), kHidden};
  swiglu.out = {e.gated.data(), kHidden};
  run(swiglu);
  e.gated = rounded(e.gated);
  e.y = rounded(matmul(e.gated, block.segment.ops[3].weight));
  for (std::size_t i = 0; i < x.size(); ++i) e.y[i] += x[i];  // the residual stream stays float32
  return e;
}

SystemProfile small_npu(Rounding rounding) {
  SystemProfile system = static_npu();
  system.devices[0].half_precision = rounding == Rounding::kHalf;
  return system;
}

void run_on(Timeline& timeline, SmallBlock& block, Rounding rounding, const std::string& options) {
  const SystemFile file(small_npu(rounding));
  const auto npu = file.open("npu" + options, timeline);
  npu->attach(block.arena);
  ASSERT_TRUE(npu->supports(block.segment).yes);
  const auto prepared = npu->prepare(block.segment);
  const auto ticket = npu->submit(*prepared, {});
  wait_for(timeline, *ticket);
  ticket->interval();  // throws if computing failed
}

void expect_near(const std::vector<float>& got, const std::vector<float>& want, double ulps) {
  ASSERT_EQ(got.size(), want.size());
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(got[i], want[i], ulps * 6e-8 * (1 + std::abs(static_cast<double>(want[i])))) << i;
  }
}

TEST(SimNumbers, AreTheReferencesOnAVirtualTimeline) {
  SmallBlock block;
  const Expected want = expected(block, Rounding::kNone);
  VirtualTimeline timeline;
  run_on(timeline, block, Rounding::kNone, "?compute=reference");
  EXPECT_EQ(block.values(block.normed, kWidth), want.normed);
  EXPECT_EQ(block.values(block.hidden, kHidden), want.hidden);
  EXPECT_EQ(block.values(block.gated, kHidden), want.gated);
  // The kernel may add the residual before it rounds its sum to float32.
  expect_near(block.values(block.y, kWidth), want.y, 4);
}

TEST(SimNumbers, AreTheReferencesOnTheRealTimeline) {
  SmallBlock block;
  const Expected want = expected(block, Rounding::kHalf);
  RealTimeline timeline;
  run_on(timeline, block, Rounding::kHalf, "?compute=reference");
  EXPECT_EQ(block.values(block.y, kWidth), want.y);
}

TEST(SimNumbers, AreRoundedToFloat16BetweenOps) {
  SmallBlock block;
  const Expected want = expected(block, Rounding::kHalf);
  VirtualTimeline timeline;
  run_on(timeline, block, Rounding::kHalf, "?compute=reference");
  EXPECT_EQ(block.values(block.normed, kWidth), want.normed);
  EXPECT_EQ(block.values(block.hidden, kHidden), want.hidden);
  EXPECT_EQ(block.values(block.gated, kHidden), want.gated);
  EXPECT_EQ(block.values(block.y, kWidth), want.y);
  EXPECT_NE(want.y, expected(block, Rounding::kNone).y);  // the rounding is no formality
}

TEST(SimNumbers, WhatAMatmulReadsIsRounded) {
  SmallBlock block;
  // Not representable in float16; the first op of the segment is a matmul on it.
  block.segment.ops = {block.segment.ops[1]};
  float* in = block.matrix(block.normed, kWidth);
  for (std::int64_t i = 0; i < kRows * kWidth; ++i) in[i] = 1.0F + 0x1.0p-12F;
  VirtualTimeline timeline;
  run_on(timeline, block, Rounding::kHalf, "?compute=reference");
  const std::vector<float> got = block.values(block.hidden, kHidden);
  for (std::int64_t i = 0; i < kRows * kWidth; ++i) ASSERT_EQ(in[i], 1.0F + 0x1.0p-12F);  // in its own copy
  for (std::int64_t i = 0; i < kRows * kWidth; ++i) in[i] = 1.0F;
  run_on(timeline, block, Rounding::kHalf, "?compute=reference");
  EXPECT_EQ(got, block.values(block.hidden, kHidden));
}

TEST(SimNumbers, AddsAResidualInPlace) {
  SmallBlock block;
  const Expected want = expected(block, Rounding::kHalf);
  block.segment.ops[3].out = block.segment.ops[3].in[1];
  VirtualTimeline timeline;
  run_on(timeline, block, Rounding::kHalf, "?compute=reference");
  EXPECT_EQ(block.values(block.x, kWidth), want.y);
}

TEST(SimNumbers, AttentionReadsTheCacheFromItsFirstRow) {
  constexpr std::int64_t kDim = 4, kContext = 8, kPosition = 5;
  Arena arena;
  const TensorId q = arena.add("q", 1, kDim);
  const TensorId k = arena.add("k", kContext, kDim, RowOrigin::kSequence);
  const TensorId v = arena.add("v", kContext, kDim, RowOrigin::kSequence);
  const TensorId out = arena.add("out", 1, kDim);
  arena.allocate();
  Rng rng(3);
  for (const auto& [id, rows] : std::vector<std::pair<TensorId, std::int64_t>>{{q, 1}, {k, kContext}, {v, kContext}}) {
    float* data = arena.matrix({id, 0, rows, 0, kDim}, 0).data;
    for (std::int64_t i = 0; i < rows * kDim; ++i) data[i] = through_f16(static_cast<float>(rng.normal()));
  }
  Op op;
  op.desc.kind = OpKind::kAttention;
  op.desc.n = kDim;
  op.desc.heads = op.desc.kv_heads = 1;
  op.desc.head_dim = kDim;
  op.constants.attention_scale = 0.5F;
  op.in = {Region{q, 0, 1, 0, kDim}, Region{k, 0, 1, 0, kDim}, Region{v, 0, 1, 0, kDim}};
  op.out = {out, 0, 1, 0, kDim};

  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu?compute=reference", timeline);
  npu->attach(arena);
  const auto prepared = npu->prepare({"attention", {op}, {}, {}});
  const auto ticket = npu->submit(*prepared, {kPosition});
  wait_for(timeline, *ticket);

  // Softmax over the rows 0 .. kPosition, in double.
  const float* query = arena.matrix(op.in[0], 0).data;
  const float* keys = arena.from_first_row(op.in[1]).data;
  const float* values = arena.from_first_row(op.in[2]).data;
  double total = 0;
  std::vector<double> sum(kDim);
  for (std::int64_t row = 0; row <= kPosition; ++row) {
    double dot = 0;
    for (std::int64_t c = 0; c < kDim; ++c) dot += static_cast<double>(query[c]) * keys[row * kDim + c];
    const double weight = std::exp(0.5 * dot);
    total += weight;
    for (std::int64_t c = 0; c < kDim; ++c) sum[static_cast<std::size_t>(c)] += weight * values[row * kDim + c];
  }
  const float* got = arena.matrix(op.out, 0).data;
  for (std::int64_t c = 0; c < kDim; ++c) {
    const double want = sum[static_cast<std::size_t>(c)] / total;
    EXPECT_NEAR(got[c], want, std::abs(want) * 0x1.0p-10) << c;  // float16 has 11 bits
    EXPECT_EQ(got[c], through_f16(got[c])) << c;
  }
}

TEST(SimNumbers, ComputeNoneLeavesMemoryAsItIs) {
  SmallBlock block;
  VirtualTimeline timeline;
  run_on(timeline, block, Rounding::kHalf, "");
  EXPECT_EQ(block.values(block.y, kWidth), std::vector<float>(static_cast<std::size_t>(kRows * kWidth), 0.0F));
}

}  // namespace
}  // namespace hetero
