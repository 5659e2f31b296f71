// Which parameters samples that took turns speak for, and for which ops.
#include "profiles/shape_choice.h"

#include <gtest/gtest.h>

#include "kernels/graph_rows.h"

namespace hetero {
namespace {

constexpr OperandOrder kActivations = OperandOrder::kActivationsFirst;
constexpr OperandOrder kWeights = OperandOrder::kWeightsFirst;

OpDesc matmul(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {.kind = OpKind::kMatmul, .m = m, .n = n, .k = k, .w = DType::kQ4_0};
}

class ShapeChoices : public ::testing::Test {
 protected:
  void time(const OpDesc& op, OperandOrder order, std::initializer_list<double> all_ns) {
    for (const double ns : all_ns) {
      Sample s;
      s.kind = SampleKind::kVariant;
      s.exact_fingerprint = "here";
      s.subject = canonical_text(op);
      s.variant = variant_name(&graph_matmul());
      s.params = params_of(order);
      s.device_ns = ns;
      samples_.push_back(std::move(s));
    }
  }
  void time(const OpDesc& op, double activations_ns, double weights_ns) {
    time(op, kActivations, {activations_ns});
    time(op, kWeights, {weights_ns});
  }
  // "activations", "weights", or "" where nothing is known.
  std::string first(const OpDesc& op, const std::string& fingerprint = "here") const {
    const std::vector<ShapeChoice> choices = shape_choices(samples_);
    const ShapeChoice* const choice = choice_for(choices, fingerprint, graph_matmul(), op);
    return choice == nullptr ? "" : std::string(name_of(order_of(choice->timed.front().params)));
  }

  std::vector<Sample> samples_;
};

TEST_F(ShapeChoices, TheFasterOneByTheMedian) {
  time(matmul(256, 512, 64), kActivations, {100, 110, 9000});
  time(matmul(256, 512, 64), kWeights, {20, 50, 500});
  time(matmul(256, 64, 512), 100, 300);
  EXPECT_EQ(first(matmul(256, 512, 64)), "weights");
  EXPECT_EQ(first(matmul(256, 64, 512)), "activations");
  const std::vector<ShapeChoice> choices = shape_choices(samples_);
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0].timed[0].ns, 50);
  EXPECT_EQ(choices[0].timed[1].ns, 110);
  EXPECT_EQ(choices[0].timed[1].samples, 3);
}

TEST_F(ShapeChoices, TheDefaultStaysWhereNoiseMayDecide) {
  time(matmul(1, 512, 64), 100, 98);
  EXPECT_EQ(first(matmul(1, 512, 64)), "activations");
  time(matmul(1, 64, 512), 100, 96);
  EXPECT_EQ(first(matmul(1, 64, 512)), "weights");
}

TEST_F(ShapeChoices, RowsBetweenThoseMeasuredFollowTheNearest) {
  time(matmul(1, 512, 64), 100, 300);
  time(matmul(256, 512, 64), 300, 100);
  EXPECT_EQ(first(matmul(8, 512, 64)), "activations");
  EXPECT_EQ(first(matmul(32, 512, 64)), "weights");
  EXPECT_EQ(first(matmul(1024, 512, 64)), "weights");
}

TEST_F(ShapeChoices, ASliceFollowsTheNarrowestWeightThatItMayBeOf) {
  time(matmul(1, 512, 64), 300, 100);
  time(matmul(1, 1024, 64), 100, 300);
  EXPECT_EQ(first(matmul(1, 128, 64)), "weights");
  EXPECT_EQ(first(matmul(1, 640, 64)), "activations");
  EXPECT_EQ(first(matmul(1, 2048, 64)), "") << "wider than everything";
  EXPECT_EQ(first(matmul(1, 128, 32)), "") << "another depth";
  OpDesc other = matmul(1, 512, 64);
  other.w = DType::kQ8_0;
  EXPECT_EQ(first(other), "") << "another format";
}

TEST_F(ShapeChoices, OneAloneIsNoChoiceAndNeitherIsWhatElseWasMeasured) {
  time(matmul(1, 512, 64), kWeights, {100});
  EXPECT_EQ(first(matmul(1, 512, 64)), "");
  time(matmul(1, 512, 64), kActivations, {300});
  EXPECT_EQ(first(matmul(1, 512, 64)), "weights");
  EXPECT_EQ(first(matmul(1, 512, 64), "another driver"), "");
  for (Sample& s : samples_) s.kind = SampleKind::kOp;
  EXPECT_EQ(first(matmul(1, 512, 64)), "") << "a cold weight";
  for (Sample& s : samples_) s.kind = SampleKind::kVariant;
  samples_.front().variant = "matmul.graph#99";
  EXPECT_EQ(first(matmul(1, 512, 64)), "") << "another revision";
  samples_.front().variant = "matmul.opencl.gemm#1";
  EXPECT_EQ(first(matmul(1, 512, 64)), "") << "a row that is not chosen by shape";
}

TEST_F(ShapeChoices, SettledWhenClearOrTimedOftenEnough) {
  const OpDesc op = matmul(1, 512, 64);
  const auto is_settled = [&] { return settled(shape_choices(samples_).front(), 4); };
  time(op, 100, 500);
  EXPECT_FALSE(is_settled()) << "one sample may be an accident";
  time(op, 100, 500);
  EXPECT_TRUE(is_settled());
  samples_.clear();
  for (int i = 0; i < 3; ++i) time(op, 100, 110);
  EXPECT_FALSE(is_settled());
  time(op, 100, 110);
  EXPECT_TRUE(is_settled());
}

}  // namespace
}  // namespace hetero
