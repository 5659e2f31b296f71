// Every op that openvino devices take, against the reference, through the Device interface: the cases that the other
// devices pass.
#include <gtest/gtest.h>

#include "runtime/device/openvino/openvino_provider.h"
#include "tests/runtime/opencl/cl_op_case.h"
#include "tests/runtime/openvino/openvino_rig.h"

namespace hetero::test {
namespace {

using Residual = ClCase::Residual;

std::vector<ClCase> matmul_cases(DType w) {
  std::vector<ClCase> cases;
  const auto add = [&](std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t n0, std::int64_t k0,
                       Residual residual, std::int64_t column) {
    cases.push_back({{OpKind::kMatmul, m, n, k, w}, {}, 0, n0, k0, residual, column, false});
  };
  const std::int64_t block = info(w).block_elements;
  const std::int64_t k = block == 256 ? 768 : 576;
  add(1, 97, k, 0, 0, Residual::kNone, 0);
  add(3, 33, block == 1 ? 37 : k, 5, 0, Residual::kAliased, 1);
  add(13, 61, k, 16, block, Residual::kSeparate, 2);
  add(67, 192, k, 0, 0, Residual::kAliased, 0);
  return cases;
}

std::vector<ClCase> other_cases() {
  std::vector<ClCase> cases;
  for (const std::int64_t m : {1, 2, 17}) {
    for (const OpKind kind : {OpKind::kRmsNorm, OpKind::kSwiGlu, OpKind::kAdd}) {
      for (const std::int64_t n : {1, 31, 576, 1543}) {
        OpConstants constants;
        constants.eps = 1e-5F;
        cases.push_back({{kind, m, n, 0}, constants, 0, 0, 0, Residual::kNone, 1, false});
      }
    }
    for (const RopeStyle style : {RopeStyle::kInterleaved, RopeStyle::kHalves}) {
      OpConstants constants;
      constants.rope_base = 10000;
      constants.rope_style = style;
      constants.rope_dims = 64;
      constants.row_offset = m == 2 ? 5 : 0;
      OpDesc desc{OpKind::kRope, m, 192, 0};
      desc.head_dim = 64;
      cases.push_back({desc, constants, 100, 0, 0, Residual::kNone, 0, m == 17});
      constants.rope_dims = 48;  // some columns are not rotated
      constants.column_offset = style == RopeStyle::kInterleaved ? 34 : 128;
      desc.n = style == RopeStyle::kInterleaved ? 66 : 128;
      cases.push_back({desc, constants, 3, 0, 0, Residual::kNone, 2, false});
    }
  }
  return cases;
}

class EveryWeight : public testing::TestWithParam<DType> {};

TEST_P(EveryWeight, AgreesWithTheReference) {
  RealTimeline timeline;
  const bool quantised = info(GetParam()).block_elements > 1;
  for (const ToleranceClass precision : {ToleranceClass::kF32, ToleranceClass::kQ8}) {
    if (precision == ToleranceClass::kQ8 && !quantised) continue;  // the same arithmetic
    for (const ClCase& c : matmul_cases(GetParam())) {
      // A device keeps weights by their address, which must stay theirs while it lives: so a device for each case.
      const std::string options = "precision=" + std::string(name_of(precision)) + "&sizes=1.3.13.67";
      const auto device = open_openvino(timeline, options);
      EXPECT_EQ(run_case(*device, timeline, c, precision), "") << options;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Gguf, EveryWeight,
                         testing::Values(DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1,
                                         DType::kQ5_0, DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K,
                                         DType::kQ6_K),
                         [](const auto& tested) { return std::string(hetero::info(tested.param).name); });

TEST(OpenVinoOps, OthersAgreeWithTheReference) {
  RealTimeline timeline;
  const auto device = open_openvino(timeline, "precision=f32&sizes=1.2.17");
  for (const ClCase& c : other_cases()) {
    EXPECT_EQ(run_case(*device, timeline, c, ToleranceClass::kF32), "") << canonical_text(c.desc);
  }
}

}  // namespace
}  // namespace hetero::test
