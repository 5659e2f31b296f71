// Every row of the OpenCL family against the reference, through the Device interface.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/runtime/opencl/cl_op_case.h"

namespace hetero::test {
namespace {

using Residual = ClCase::Residual;

std::vector<ClCase> matmul_cases() {
  std::vector<ClCase> cases;
  const auto add = [&](std::int64_t m, std::int64_t n, std::int64_t k, DType w, std::int64_t n0, std::int64_t k0,
                       Residual residual, std::int64_t column) {
    const OpDesc desc{OpKind::kMatmul, m, n, k, w};
    cases.push_back({desc, {}, 0, n0, k0, residual, column, false});
  };
  for (const DType w : {DType::kF32, DType::kF16, DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                        DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K}) {
    const std::int64_t block = info(w).block_elements;
    const std::int64_t k = block == 256 ? 768 : 576;
    add(1, 97, k, w, 0, 0, Residual::kNone, 0);
    add(3, 33, block == 1 ? 37 : k, w, 5, 0, Residual::kAliased, 1);
    add(7, 40, k, w, 0, 0, Residual::kNone, 0);
    add(13, 61, block == 1 ? 37 : k, w, 16, block, Residual::kSeparate, 2);
  }
  add(1, 1, 32, DType::kQ4_0, 0, 0, Residual::kNone, 0);
  add(1, 7, 1, DType::kF32, 0, 0, Residual::kNone, 0);
  add(2, 192, 2080, DType::kQ4_1, 0, 32, Residual::kNone, 0);    // more than one chunk, and a part of one
  add(67, 192, 576, DType::kQ4_1, 0, 0, Residual::kAliased, 0);  // more than one block of rows
  add(129, 31, 160, DType::kQ8_0, 0, 0, Residual::kNone, 0);
  return cases;
}

std::vector<ClCase> other_cases(OpKind kind) {
  std::vector<ClCase> cases;
  for (const std::int64_t m : {1, 2, 17}) {
    if (kind == OpKind::kRope) {
      for (const RopeStyle style : {RopeStyle::kInterleaved, RopeStyle::kHalves}) {
        OpConstants constants;
        constants.rope_base = 10000;
        constants.rope_style = style;
        constants.rope_dims = 64;
        constants.row_offset = m == 2 ? 5 : 0;
        OpDesc desc{kind, m, 192, 0};
        desc.head_dim = 64;
        cases.push_back({desc, constants, 100, 0, 0, Residual::kNone, 0, m == 17});
        constants.rope_dims = 48;  // some columns are not rotated
        constants.column_offset = style == RopeStyle::kInterleaved ? 34 : 128;
        desc.n = style == RopeStyle::kInterleaved ? 66 : 128;
        cases.push_back({desc, constants, 3, 0, 0, Residual::kNone, 2, false});
      }
    } else if (kind == OpKind::kAttention) {
      for (const std::int64_t position : {0, 15, 200}) {
        for (const std::int64_t dim : {64, 40, 7}) {
          OpConstants constants;
          constants.attention_scale = 1.0F / std::sqrt(static_cast<float>(dim));
          OpDesc desc{kind, m, 6 * dim, 0};
          desc.heads = 6;
          desc.kv_heads = 2;
          desc.head_dim = dim;
          cases.push_back({desc, constants, position, 0, 0, Residual::kNone, 1, false});
        }
      }
    } else {
      for (const std::int64_t n : {1, 31, 576, 1543}) {
        OpConstants constants;
        constants.eps = 1e-5F;
        cases.push_back({{kind, m, n, 0}, constants, 0, 0, 0, Residual::kNone, 1, false});
      }
    }
  }
  return cases;
}

// Whether the row is for CPU devices with VNNI only.
bool needs_vnni(const KernelVariant& variant) {
  HardwareFacts facts;
  facts.cl_is_cpu = true;
  facts.cl_max_work_group = 4096;
  const OpDesc op{OpKind::kMatmul, 64, 64, 64, DType::kQ4_0};
  const bool without = variant.applicable(op, facts).yes;
  facts.avx512_vnni = true;
  return !without && variant.applicable(op, facts).yes;
}

class OpenClRow : public testing::TestWithParam<std::string> {};

TEST_P(OpenClRow, AgreesWithTheReference) {
  const std::string id = cl_test_device();
  if (id.empty()) GTEST_SKIP() << "no OpenCL CPU device here (install pocl-opencl-icd)";
  const KernelVariant& variant = *find_variant(GetParam());
  RealTimeline timeline;
  const auto probe = open_cl(id, timeline, variant.id);
  int ran = 0;
  for (const ClCase& c : variant.kind == OpKind::kMatmul ? matmul_cases() : other_cases(variant.kind)) {
    if (probe->kernel_for(c.desc).row != &variant) continue;
    ++ran;
    // A device keeps weights by their address, which must stay theirs while it lives: so a device for each case.
    const auto device = open_cl(id, timeline, variant.id);
    EXPECT_EQ(run_case(*device, timeline, c, variant.tolerance), "")
        << "repeat: test_opencl --gtest_filter='*" << variant.id << "'";
  }
  if (ran == 0 && needs_vnni(variant)) GTEST_SKIP() << "not for this processor or driver";
  EXPECT_GT(ran, 0);
}

std::vector<std::string> opencl_ids() {
  std::vector<std::string> ids;
  for (const KernelVariant& row : opencl_rows()) ids.push_back(row.id);
  return ids;
}
INSTANTIATE_TEST_SUITE_P(Catalogue, OpenClRow, testing::ValuesIn(opencl_ids()), [](const auto& row) {
  std::string name = row.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

// Parameters change the path through a kernel, never its answer.
TEST(OpenClParameters, EveryValueAgreesWithTheReference) {
  const std::string id = cl_test_device();
  if (id.empty()) GTEST_SKIP() << "no OpenCL CPU device here (install pocl-opencl-icd)";
  RealTimeline timeline;
  const OpDesc gemv{OpKind::kMatmul, 1, 97, 2080, DType::kQ4_1};
  const OpDesc gemm{OpKind::kMatmul, 67, 97, 352, DType::kQ4_1};
  const OpDesc few_rows{OpKind::kMatmul, 7, 97, 352, DType::kQ4_1};
  for (const KernelVariant& row : opencl_rows()) {
    if (row.kind != OpKind::kMatmul) continue;
    int ran = 0;
    for (const ParamSpec& spec : row.params) {
      for (const std::int64_t value : spec.values) {
        ParamValues params = default_params(row);
        if (params[spec.name] == value) continue;
        params[spec.name] = value;
        const auto device = open_cl(id, timeline, row.id, "", params);
        for (const OpDesc& desc : {gemm, few_rows, gemv}) {
          if (device->kernel_for(desc).row == nullptr) continue;
          const ClCase c{desc, {}, 0, 0, 0, Residual::kNone, 0, false};
          EXPECT_EQ(run_case(*device, timeline, c, row.tolerance), "") << row.id << " " << spec.name << "=" << value;
          ++ran;
          break;
        }
      }
    }
    EXPECT_TRUE(ran > 0 || needs_vnni(row)) << row.id << " ran nothing";
  }
}

// Codes of 8 bits have no way to say "not a number", and a block of zeros has no scale.
TEST(OpenClQuantisedActivations, KeepZeroAndNotANumber) {
  const std::string id = cl_test_device();
  if (id.empty()) GTEST_SKIP() << "no OpenCL CPU device here (install pocl-opencl-icd)";
  RealTimeline timeline;
  constexpr std::int64_t kColumns = 96, kFeatures = 32;
  std::vector<float> ones(kColumns, 1.0F);
  std::vector<std::byte> weights(static_cast<std::size_t>(kFeatures * row_bytes(DType::kQ4_0, kColumns)));
  for (std::int64_t n = 0; n < kFeatures; ++n) {
    quantise_row(DType::kQ4_0, ones.data(), weights.data() + n * row_bytes(DType::kQ4_0, kColumns), kColumns);
  }
  for (const auto& [row, m] : {std::pair<const char*, std::int64_t>{"matmul.opencl.gemv_q8", 1},
                               {"matmul.opencl.gemm_q8", 5},
                               {"matmul.opencl.tile_q8", 12}}) {
    Arena arena;
    const TensorId x = arena.add("x", m, kColumns), y = arena.add("y", m, kFeatures);
    arena.allocate();  // zeros
    const auto device = open_cl(id, timeline, row);
    device->attach(arena);
    Op op;
    op.desc = {OpKind::kMatmul, m, kFeatures, kColumns, DType::kQ4_0};
    op.in[0] = {x, 0, m, 0, kColumns};
    op.out = {y, 0, m, 0, kFeatures};
    op.weight = {{weights.data(), DType::kQ4_0, kFeatures, kColumns}, 0, kFeatures, 0, kColumns};
    Segment segment;
    segment.ops = {op};
    const auto prepared = device->prepare(segment);
    float* in = arena.matrix(op.in[0], 0).data;
    const float* out = arena.matrix(op.out, 0).data;
    const auto last_row = [&] {
      std::fill_n(arena.matrix(op.out, 0).data, m * kFeatures, 7.0F);
      finish(timeline, *device->submit(*prepared, {0}));
      return std::vector<float>(out + (m - 1) * kFeatures, out + m * kFeatures);
    };
    EXPECT_EQ(last_row(), std::vector<float>(kFeatures, 0.0F));
    for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
      in[(m - 1) * kColumns + 40] = bad;
      for (const float v : last_row()) EXPECT_FALSE(std::isfinite(v)) << "m=" << m << " x=" << bad;
    }
    EXPECT_EQ(out[0] == 0.0F, m > 1) << "only the bad row may differ";
  }
}

}  // namespace
}  // namespace hetero::test
