// Which recorded parameters a device is opened with.
#include "profiles/kernel_choice.h"

#include <gtest/gtest.h>

#include "kernels/catalogue.h"

namespace hetero {
namespace {

const KernelVariant& gemm() { return *find_variant("matmul.opencl.gemm"); }

// Another value than the default of its first parameter.
ParamValues changed() {
  ParamValues params = default_params(gemm());
  const ParamSpec& spec = gemm().params.front();
  params[spec.name] = spec.values.front() == spec.default_value ? spec.values.back() : spec.values.front();
  return params;
}

KernelChoice choice_for(const std::string& family, const ParamValues& params) {
  return {family, gemm().id, gemm().revision, "matmul m=64", params, 1, 2};
}

TEST(KernelChoice, HoldsForItsFamilyOnly) {
  const TunedKernels tuned = tuned_kernels({choice_for("mine", changed())});
  EXPECT_EQ(params_for(tuned, "mine", gemm()), changed());
  EXPECT_EQ(params_for(tuned, "yours", gemm()), default_params(gemm()));
}

TEST(KernelChoice, TheFamilysOwnComesBeforeEverybodys) {
  TunedKernels tuned;
  tuned[""][gemm().id] = changed();
  EXPECT_EQ(params_for(tuned, "mine", gemm()), changed());
  tuned["mine"][gemm().id] = default_params(gemm());
  EXPECT_EQ(params_for(tuned, "mine", gemm()), default_params(gemm()));
}

TEST(KernelChoice, WhatDoesNotFitTheCatalogueIsPassedOver) {
  KernelChoice other_revision = choice_for("mine", changed());
  other_revision.revision += 1;
  KernelChoice gone = choice_for("mine", changed());
  gone.variant = "matmul.opencl.abacus";
  KernelChoice unlisted = choice_for("mine", changed());
  unlisted.params.begin()->second = 12345;
  KernelChoice half = choice_for("mine", changed());
  half.params.erase(half.params.begin());
  EXPECT_TRUE(tuned_kernels({other_revision, gone, unlisted, half}).empty());
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
