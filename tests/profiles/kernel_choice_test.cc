// Which recorded parameters a device is opened with.
#include "profiles/kernel_choice.h"

#include <gtest/gtest.h>

#include "kernels/catalogue.h"

namespace hetero {
namespace {

const KernelVariant& gemm() { return *find_variant("matmul.opencl.gemm"); }

const OpDesc kMany = {.kind = OpKind::kMatmul, .m = 64, .n = 32, .k = 32, .w = DType::kQ4_0};

// Another value than the default of its first parameter.
ParamValues changed() {
  ParamValues params = default_params(gemm());
  const ParamSpec& spec = gemm().params.front();
  params[spec.name] = spec.values.front() == spec.default_value ? spec.values.back() : spec.values.front();
  return params;
}

KernelChoice choice_for(const std::string& family, const ParamValues& params) {
  return {family, gemm().id, gemm().revision, canonical_text(kMany), params, 1, 2};
}

TEST(KernelChoice, HoldsForItsFamilyOnly) {
  const TunedKernels tuned = tuned_kernels({choice_for("mine", changed())});
  EXPECT_EQ(params_for(tuned, "mine", gemm(), kMany), changed());
  EXPECT_EQ(params_for(tuned, "yours", gemm(), kMany), default_params(gemm()));
}

TEST(KernelChoice, HoldsForItsShapeClassOnly) {
  KernelChoice few = choice_for("mine", changed());
  OpDesc op = kMany;
  op.m = kFewRows;
  few.subject = canonical_text(op);
  TunedKernels tuned = tuned_kernels({few});
  EXPECT_EQ(params_for(tuned, "mine", gemm(), kMany), default_params(gemm()));
  for (const std::int64_t m : {std::int64_t{2}, kFewRows}) {
    op.m = m;
    EXPECT_EQ(params_for(tuned, "mine", gemm(), op), changed()) << m;
  }
  for (const std::int64_t m : {std::int64_t{1}, kFewRows + 1}) {
    op.m = m;
    EXPECT_EQ(params_for(tuned, "mine", gemm(), op), default_params(gemm())) << m;
  }
  // Both at once, and of two for one class the later.
  tuned = tuned_kernels({choice_for("mine", changed()), few, choice_for("mine", default_params(gemm()))});
  EXPECT_EQ(params_for(tuned, "mine", gemm(), kMany), default_params(gemm()));
  op.m = kFewRows;
  EXPECT_EQ(params_for(tuned, "mine", gemm(), op), changed());
  EXPECT_NE(identity_of(tuned_kernels({few}), "mine"),
            identity_of(tuned_kernels({choice_for("mine", changed())}), "mine"));
}

TEST(KernelChoice, TheFamilysOwnComesBeforeEverybodys) {
  TunedKernels tuned;
  tuned[""][{gemm().id, ShapeClass::kManyRows}] = changed();
  EXPECT_EQ(params_for(tuned, "mine", gemm(), kMany), changed());
  tuned["mine"][{gemm().id, ShapeClass::kManyRows}] = default_params(gemm());
  EXPECT_EQ(params_for(tuned, "mine", gemm(), kMany), default_params(gemm()));
}

TEST(KernelChoice, WhatDoesNotFitTheCatalogueIsPassedOver) {
  KernelChoice other_revision = choice_for("mine", changed());
  other_revision.revision += 1;
  KernelChoice gone = choice_for("mine", changed());
  gone.variant = "matmul.opencl.abacus";
  KernelChoice unlisted = choice_for("mine", changed());
  unlisted.params.begin()->second = 12345;
  KernelChoice no_op = choice_for("mine", changed());
  no_op.subject = "matmul m=64";
  KernelChoice half = choice_for("mine", changed());
  half.params.erase(half.params.begin());
  EXPECT_TRUE(tuned_kernels({other_revision, gone, unlisted, half, no_op}).empty());
}

TEST(KernelChoice, SamplesOfOtherParametersAreNotMixed) {
  EXPECT_EQ(identity_of({}, "mine"), "");
  EXPECT_EQ(identity_of(tuned_kernels({choice_for("mine", default_params(gemm()))}), "mine"), "");
  const std::string identity = identity_of(tuned_kernels({choice_for("mine", changed())}), "mine");
  EXPECT_NE(identity, "");
  EXPECT_EQ(identity_of(tuned_kernels({choice_for("mine", changed())}), "yours"), "");
}

}  // namespace
}  // namespace hetero
