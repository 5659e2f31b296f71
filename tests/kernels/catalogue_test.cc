// The catalogue as a list, and the choice among its rows on hardware that need not be there.
#include "kernels/catalogue.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"

namespace hetero {
namespace {

const OpDesc kNorm = {.kind = OpKind::kRmsNorm, .m = 1, .n = 576};
const OpDesc kMatmulOp = {.kind = OpKind::kMatmul, .m = 1, .n = 64, .k = 256, .w = DType::kQ4_K};

TEST(Catalogue, RowsAreWellFormed) {
  std::set<std::string> ids;
  for (const KernelVariant& row : catalogue()) {
    EXPECT_TRUE(ids.insert(row.id).second) << row.id << " twice";
    EXPECT_EQ(row.id.rfind(name_of(row.kind), 0), 0U) << row.id;
    EXPECT_NE(row.applicable, nullptr) << row.id;
    const bool graph = row.family == KernelFamily::kGraph;  // the device's compiler makes its code
    EXPECT_EQ(row.host == nullptr, row.family == KernelFamily::kOpenCl || graph) << row.id;
    EXPECT_EQ(row.cl != nullptr, row.family == KernelFamily::kOpenCl) << row.id;
    EXPECT_EQ(row.scope == ParamScope::kShape, graph) << row.id;
    for (const ParamSpec& param : row.params) {
      EXPECT_NE(std::count(param.values.begin(), param.values.end(), param.default_value), 0) << row.id << param.name;
    }
    if (row.host != nullptr && row.kind == OpKind::kMatmul) {
      EXPECT_NE(row.host->pack, nullptr) << row.id;
      EXPECT_NE(row.host->packed_bytes, nullptr) << row.id;
    }
    EXPECT_EQ(find_variant(row.id), &row);
  }
  EXPECT_EQ(find_variant("matmul.cpu.abacus"), nullptr);
}

TEST(Catalogue, EveryOpHasARowOfBothHostFamiliesOnAnyHardware) {
  for (int kind = 0; kind < 6; ++kind) {
    const OpDesc op = {.kind = static_cast<OpKind>(kind),
                       .m = 1,
                       .n = 64,
                       .k = 64,
                       .w = DType::kQ8_0,
                       .heads = 1,
                       .kv_heads = 1,
                       .head_dim = 64,
                       .context = 1};
    for (const KernelFamily family : {KernelFamily::kCpu, KernelFamily::kReference}) {
      EXPECT_EQ(choose(family, op, HardwareFacts{}, {.worst = ToleranceClass::kF32}).kind, op.kind);
    }
  }
}

TEST(Catalogue, ChoiceFollowsTheHardware) {
  HardwareFacts facts;
  const std::string portable = choose(KernelFamily::kCpu, kNorm, facts, {}).id;
  EXPECT_EQ(portable, "rms_norm.cpu.portable");
#if defined(__x86_64__)
  facts.avx2 = true;
  EXPECT_EQ(choose(KernelFamily::kCpu, kNorm, facts, {}).id, "rms_norm.cpu.avx2");
  facts.avx512 = true;
  EXPECT_EQ(choose(KernelFamily::kCpu, kNorm, facts, {}).id, "rms_norm.cpu.avx512");
#elif defined(__aarch64__)
  facts.neon = true;
  EXPECT_EQ(choose(KernelFamily::kCpu, kNorm, facts, {}).id, "rms_norm.cpu.neon");
#endif
}

TEST(Catalogue, GpusHaveRowsForEveryNumberOfRows) {
  HardwareFacts gpu;
  gpu.cl_max_work_group = 256;
  gpu.cl_local_bytes = 32 << 10;
  const auto chosen = [&](std::int64_t m, ToleranceClass worst = ToleranceClass::kQ8) {
    const OpDesc op{.kind = OpKind::kMatmul, .m = m, .n = 64, .k = 64, .w = DType::kQ4_0};
    return choose(KernelFamily::kOpenCl, op, gpu, {.worst = worst}).id;
  };
  EXPECT_EQ(chosen(1), "matmul.opencl.split");
  EXPECT_EQ(chosen(8), "matmul.opencl.split");
  EXPECT_EQ(chosen(9), "matmul.opencl.tile");
  gpu.cl_c3 = gpu.cl_integer_dot = true;
  EXPECT_EQ(chosen(9), "matmul.opencl.tile_q8");
  EXPECT_EQ(chosen(9, ToleranceClass::kF32), "matmul.opencl.tile");
  EXPECT_EQ(chosen(8), "matmul.opencl.split");
  gpu.cl_local_bytes = 16 << 10;
  EXPECT_EQ(chosen(300), "matmul.opencl.lane");
}

TEST(Catalogue, LessExactRowsArePassedOver) {
  const HardwareFacts all{.avx2 = true,
                          .avx512 = true,
                          .avx512_vnni = true,
                          .avx512_bf16 = true,
                          .neon = true,
                          .neon_dotprod = true,
                          .neon_i8mm = true};
  EXPECT_EQ(choose(KernelFamily::kCpu, kMatmulOp, all, {.worst = ToleranceClass::kF32}).tolerance,
            ToleranceClass::kF32);
}

TEST(Catalogue, HostKernelsHaveListedValuesOnly) {
  int with_params = 0;
  for (const KernelVariant& row : catalogue()) {
    if (row.family != KernelFamily::kCpu || row.params.empty()) continue;
    ++with_params;
    std::vector<std::int64_t> defaults;
    for (const ParamSpec& param : row.params) defaults.push_back(param.default_value);
    EXPECT_EQ(values_in_order(row, {}), defaults) << row.id;
    const ParamSpec& last = row.params.back();
    defaults.back() = last.values.front();
    EXPECT_EQ(values_in_order(row, {{last.name, last.values.front()}}), defaults) << row.id;
    try {
      values_in_order(row, {{last.name, -5}});
      FAIL() << row.id;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUsage);
      EXPECT_NE(std::string(error.what()).find(last.name + "=-5"), std::string::npos) << error.what();
    }
  }
  EXPECT_GT(with_params, 1);
}

TEST(Catalogue, ForcingARow) {
  const HardwareFacts none;
  EXPECT_EQ(choose(KernelFamily::kReference, kNorm, none, {.forced_id = "rms_norm.reference"}).id,
            "rms_norm.reference");
  // Ops of another kind and other families are not concerned.
  EXPECT_EQ(choose(KernelFamily::kCpu, kNorm, none, {.forced_id = "matmul.reference"}).id, "rms_norm.cpu.portable");
  try {
    choose(KernelFamily::kCpu, kNorm, none, {.forced_id = "rms_norm.cpu.abacus"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUsage);
  }
#if defined(__x86_64__)
  try {
    choose(KernelFamily::kCpu, kNorm, none, {.forced_id = "rms_norm.cpu.avx512"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    EXPECT_NE(std::string(error.what()).find("AVX-512"), std::string::npos);
  }
#endif
}

TEST(Catalogue, RefusalsAreListedWhenNothingFits) {
  const OpDesc huge = {.kind = OpKind::kAttention, .m = 1, .n = 512, .heads = 1, .kv_heads = 1, .head_dim = 512};
  try {
    choose(KernelFamily::kCpu, huge, {}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kEnvironment);
    EXPECT_NE(std::string(error.what()).find("attention.cpu.portable: heads of more than 256"), std::string::npos)
        << error.what();
  }
}

}  // namespace
}  // namespace hetero
