// The reference against values worked out by hand or by the plainest loop: it judges all others, so that nothing but
// these judges it.
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "kernels/reference/reference_kernels.h"

namespace hetero {
namespace {

using Floats = std::vector<float>;

ConstHostMatrix view(const Floats& values, std::int64_t stride) { return {values.data(), stride}; }
void run(const HostKernel& kernel, const HostOp& op) { kernel.run(op, 0, 0, 1); }

TEST(Reference, MatmulIsRowTimesRow) {
  const Floats weight = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};  // [3, 5]
  const Floats in = {1, 0, -1, 2, 1, 1, 1, 1};                                // [2, 4]
  const Floats residual = {100, 200, 300, 400};                               // [2, 2]
  const WeightSlice slice = {{reinterpret_cast<const std::byte*>(weight.data()), DType::kF32, 3, 5}, 1, 3, 1, 5};
  Floats out(4);
  HostOp op;
  op.desc = {.kind = OpKind::kMatmul, .m = 2, .n = 2, .k = 4};
  op.in0 = view(in, 4);
  op.in1 = view(residual, 2);
  op.out = {out.data(), 2};
  op.weights = reinterpret_cast<const std::byte*>(&slice);
  run(kReferenceMatmul, op);
  // Row 1 of the weight from column 1: 7 8 9 10; row 2: 12 13 14 15.
  EXPECT_EQ(out, (Floats{100 + 7 - 9 + 20, 200 + 12 - 14 + 30, 300 + 34, 400 + 54}));
}

TEST(Reference, MatmulSumsInDouble) {
  const Floats weight = {1e8F, 1, -1e8F, 1};
  const Floats in = {1, 1, 1, 1};
  const WeightSlice slice = {{reinterpret_cast<const std::byte*>(weight.data()), DType::kF32, 1, 4}, 0, 1, 0, 4};
  Floats out(1);
  HostOp op;
  op.desc = {.kind = OpKind::kMatmul, .m = 1, .n = 1, .k = 4};
  op.in0 = view(in, 4);
  op.out = {out.data(), 1};
  op.weights = reinterpret_cast<const std::byte*>(&slice);
  run(kReferenceMatmul, op);
  EXPECT_EQ(out[0], 2);
}

TEST(Reference, RmsNorm) {
  const Floats in = {3, 4, 0, 0};
  const Floats weight = {1, 2, 3, 4};
  Floats out(4);
  HostOp op;
  op.desc = {.kind = OpKind::kRmsNorm, .m = 1, .n = 4};
  op.constants.eps = 0.25F;  // mean square 6.25 + 0.25
  op.in0 = view(in, 4);
  op.out = {out.data(), 4};
  op.vector = weight.data();
  run(kReferenceRmsNorm, op);
  EXPECT_FLOAT_EQ(out[0], static_cast<float>(3 / std::sqrt(6.5)));
  EXPECT_FLOAT_EQ(out[1], static_cast<float>(8 / std::sqrt(6.5)));
  EXPECT_EQ(out[2], 0);
}

// Quarter turns: the base is chosen so that pair 1 turns by a whole fraction of pair 0's angle.
TEST(Reference, RopeTurnsPairs) {
  const Floats in = {1, 2, 3, 4, 5, 6};  // one head of 6 of which 4 are rotated
  const auto quarter = static_cast<float>(std::numbers::pi / 2);
  const Floats factor = {1 / quarter,
                         0.01F / quarter / 0.02F};  // pair 0: a quarter turn a position; pair 1: half of it x 2
  const auto rotated = [&](RopeStyle style, std::int64_t position) {
    Floats out(6);
    HostOp op;
    op.desc = {.kind = OpKind::kRope, .m = 1, .n = 6, .head_dim = 6};
    op.constants = {.rope_base = 10000, .rope_dims = 4, .rope_style = style, .row_offset = 1};
    op.in0 = view(in, 6);
    op.out = {out.data(), 6};
    op.vector = factor.data();
    op.position = position - 1;
    run(kReferenceRope, op);
    return out;
  };
  const double small = 0.02 * std::numbers::pi / 2;  // base^(-2/4) = 0.01, over factor 0.5 / quarter
  const Floats inter = rotated(RopeStyle::kInterleaved, 1);
  EXPECT_NEAR(inter[0], -2, 1e-6);  // (1, 2) by a quarter: (-2, 1)
  EXPECT_NEAR(inter[1], 1, 1e-6);
  EXPECT_NEAR(inter[2], 3 * std::cos(small) - 4 * std::sin(small), 1e-6);
  EXPECT_NEAR(inter[3], 3 * std::sin(small) + 4 * std::cos(small), 1e-6);
  EXPECT_EQ(inter[4], 5);
  EXPECT_EQ(inter[5], 6);
  const Floats halves = rotated(RopeStyle::kHalves, 2);  // pairs (1, 3) by a half, (2, 4) by 2 small
  EXPECT_NEAR(halves[0], -1, 1e-6);
  EXPECT_NEAR(halves[2], -3, 1e-6);
  EXPECT_NEAR(halves[1], 2 * std::cos(2 * small) - 4 * std::sin(2 * small), 1e-6);
  EXPECT_NEAR(halves[3], 2 * std::sin(2 * small) + 4 * std::cos(2 * small), 1e-6);
  EXPECT_EQ(halves[5], 6);
}

// Two query heads on one kv head of two dims, two rows after one that is in the cache already.
TEST(Reference, AttentionIsCausalAndGrouped) {
  const Floats query = {1, 0, 0, 1, 2, 0, 0, 0};  // [2 rows, 2 heads x 2]
  const Floats keys = {1, 1, 2, -1, 0, 3};        // [3, 2]
  const Floats values = {1, 10, 2, 20, 3, 30};
  Floats out(8);
  HostOp op;
  op.desc = {.kind = OpKind::kAttention, .m = 2, .n = 4, .heads = 2, .kv_heads = 1, .head_dim = 2, .context = 3};
  op.constants.attention_scale = 0.5F;
  op.in0 = view(query, 4);
  op.in1 = view(keys, 2);
  op.in2 = view(values, 2);
  op.out = {out.data(), 4};
  op.position = 1;
  run(kReferenceAttention, op);
  const auto mean = [](std::vector<double> scores) {  // of values 1, 2, 3
    double total = 0;
    double sum = 0;
    for (std::size_t j = 0; j < scores.size(); ++j) {
      total += std::exp(scores[j]);
      sum += std::exp(scores[j]) * static_cast<double>(j + 1);
    }
    return static_cast<float>(sum / total);
  };
  EXPECT_FLOAT_EQ(out[0], mean({0.5, 1}));  // row 0, head 0: q (1, 0), sees two keys
  EXPECT_FLOAT_EQ(out[1], 10 * mean({0.5, 1}));
  EXPECT_FLOAT_EQ(out[2], mean({0.5, -0.5}));  // row 0, head 1: q (0, 1)
  EXPECT_FLOAT_EQ(out[4], mean({1, 2, 0}));    // row 1, head 0: q (2, 0), sees three
  EXPECT_FLOAT_EQ(out[6], 2);                  // row 1, head 1: q 0, the plain mean
}

TEST(Reference, SwiGluAndAdd) {
  const Floats gate = {0, 1, -1, 100, -1000};
  const Floats up = {5, 2, 2, 2, 2};
  Floats out(5);
  HostOp op;
  op.desc = {.kind = OpKind::kSwiGlu, .m = 1, .n = 5};
  op.in0 = view(gate, 5);
  op.in1 = view(up, 5);
  op.out = {out.data(), 5};
  run(kReferenceSwiGlu, op);
  EXPECT_EQ(out[0], 0);
  EXPECT_FLOAT_EQ(out[1], static_cast<float>(2 / (1 + std::exp(-1.0))));
  EXPECT_FLOAT_EQ(out[2], static_cast<float>(-2 / (1 + std::exp(1.0))));
  EXPECT_FLOAT_EQ(out[3], 200);
  EXPECT_EQ(out[4], 0);  // not NaN
  op.desc.kind = OpKind::kAdd;
  run(kReferenceAdd, op);
  EXPECT_EQ(out, (Floats{5, 3, 1, 102, -998}));
}

}  // namespace
}  // namespace hetero
