// Every row of the CPU and reference families x shapes x layouts, against the reference. A failure prints the command
// that repeats it.
#include <gtest/gtest.h>

#include <array>
#include <cctype>
#include <ostream>

#include "kernels/catalogue.h"
#include "kernels/cpu/cpu_facts.h"
#include "tests/kernels/op_runner.h"

namespace hetero::test {
namespace {

constexpr std::uint64_t kSeed = 20251121;

constexpr DType kAllTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ4_0, DType::kQ4_1, DType::kQ5_0,
                               DType::kQ5_1, DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

struct Case {
  const KernelVariant* row;
  OpDesc op;
};

OpDesc matmul(std::int64_t m, std::int64_t n, std::int64_t k, DType w) {
  return {.kind = OpKind::kMatmul, .m = m, .n = n, .k = k, .w = w};
}

// Ones, primes and tails of every tile size, k in blocks of the format; then SmolLM2's own shapes.
std::vector<OpDesc> matmul_shapes() {
  std::vector<OpDesc> shapes;
  for (const DType w : kAllTypes) {
    const std::int64_t block = info(w).block_elements;
    for (const auto& [m, n, blocks] : {std::array<std::int64_t, 3>{1, 1, 1},
                                       {1, 67, 3},
                                       {2, 16, 2},
                                       {3, 31, 5},
                                       {4, 48, 1},
                                       {7, 17, 3},
                                       {8, 130, 2},
                                       {13, 64, 4},
                                       {37, 33, 3},
                                       {65, 40, 1}}) {
      shapes.push_back(matmul(m, n, blocks * block, w));
    }
    shapes.push_back(matmul(1, 576, 1536, w));
    shapes.push_back(matmul(48, 192, 1536, w));
  }
  shapes.push_back(matmul(1, 1536, 576, DType::kQ4_1));
  shapes.push_back(matmul(256, 576, 576, DType::kQ4_1));
  shapes.push_back(matmul(1, 4099, 576, DType::kQ8_0));
  for (const DType w : {DType::kF32, DType::kF16, DType::kBF16}) shapes.push_back(matmul(5, 19, 577, w));
  return shapes;
}

std::vector<OpDesc> attention_shapes() {
  std::vector<OpDesc> shapes;
  const auto add = [&](std::int64_t m, std::int64_t heads, std::int64_t kv, std::int64_t dim, std::int64_t context) {
    shapes.push_back({.kind = OpKind::kAttention,
                      .m = m,
                      .n = heads * dim,
                      .heads = heads,
                      .kv_heads = kv,
                      .head_dim = dim,
                      .context = context});
  };
  add(1, 1, 1, 1, 1);
  add(1, 1, 1, 8, 1);
  add(1, 9, 3, 64, 1);
  add(1, 9, 3, 64, 257);
  add(1, 32, 8, 64, 1000);
  add(2, 5, 1, 17, 67);
  add(5, 4, 2, 80, 8);
  add(7, 3, 1, 31, 137);
  add(16, 2, 1, 256, 116);
  add(33, 9, 3, 64, 33);
  add(70, 8, 8, 32, 131);
  add(130, 6, 2, 128, 135);
  add(256, 9, 3, 64, 256);
  return shapes;
}

std::vector<OpDesc> row_shapes(OpKind kind) {
  std::vector<OpDesc> shapes;
  for (const auto& [m, n] : {std::array<std::int64_t, 2>{1, 1},
                             {1, 15},
                             {1, 16},
                             {1, 17},
                             {3, 67},
                             {5, 131},
                             {1, 576},
                             {1, 1536},
                             {64, 576},
                             {33, 1536}}) {
    shapes.push_back({.kind = kind, .m = m, .n = n});
  }
  return shapes;
}

std::vector<OpDesc> rope_shapes() {
  std::vector<OpDesc> shapes;
  for (const auto& [m, n, dim] : {std::array<std::int64_t, 3>{1, 2, 2},
                                  {1, 64, 64},
                                  {1, 576, 64},
                                  {2, 120, 40},
                                  {5, 22, 22},
                                  {3, 384, 128},
                                  {64, 576, 64},
                                  {17, 192, 64},
                                  {4, 512, 256}}) {
    shapes.push_back({.kind = OpKind::kRope, .m = m, .n = n, .head_dim = dim});
  }
  return shapes;
}

std::vector<OpDesc> shapes_of(OpKind kind) {
  switch (kind) {
    case OpKind::kMatmul:
      return matmul_shapes();
    case OpKind::kAttention:
      return attention_shapes();
    case OpKind::kRope:
      return rope_shapes();
    case OpKind::kRmsNorm:
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      break;
  }
  return row_shapes(kind);
}

// What a row refuses on a processor that has everything, it never runs: no case. What it refuses here is skipped.
std::vector<Case> all_cases() {
  const HardwareFacts everything = {.avx2 = true,
                                    .avx512 = true,
                                    .avx512_vnni = true,
                                    .avx512_bf16 = true,
                                    .neon = true,
                                    .neon_dotprod = true,
                                    .neon_i8mm = true};
  std::vector<Case> cases;
  for (const KernelVariant& row : catalogue()) {
    if (row.host == nullptr) continue;  // opencl has a runner of its own
    for (const OpDesc& op : shapes_of(row.kind)) {
      if (row.applicable(op, everything).yes) cases.push_back({&row, op});
    }
  }
  return cases;
}

std::string name_of_case(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.row->id + "__" + canonical_text(info.param.op);
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

// What GoogleTest prints as the parameter.
void PrintTo(const Case& c, std::ostream* out) { *out << c.row->id << " " << canonical_text(c.op); }

class CatalogueCase : public ::testing::TestWithParam<Case> {};

TEST_P(CatalogueCase, MatchesReference) {
  const auto& [row, op] = GetParam();
  const Applicability can = row->applicable(op, detect_cpu_facts());
  if (!can.yes) GTEST_SKIP() << row->id << ": " << can.why_not;
  for (const Layout& layout : layouts_for(op.kind)) {
    const std::string wrong = judge(*row, op, layout, kSeed);
    EXPECT_EQ(wrong, "") << row->id << " on '" << canonical_text(op) << "', " << describe(layout) << ", seed " << kSeed
                         << "\nrepeat: test_kernels --gtest_filter='"
                         << ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() << "."
                         << ::testing::UnitTest::GetInstance()->current_test_info()->name() << "'";
  }
}

TEST_P(CatalogueCase, ParametersChangeNoBit) {
  const auto& [row, op] = GetParam();
  if (row->params.empty()) GTEST_SKIP() << row->id << " has no parameters";
  const Applicability can = row->applicable(op, detect_cpu_facts());
  if (!can.yes) GTEST_SKIP() << row->id << ": " << can.why_not;
  for (const Layout& layout : layouts_for(op.kind)) {
    if (layout.residual) continue;  // what is added at the end is the other test's
    EXPECT_EQ(judge_params(*row, op, layout, kSeed), "")
        << row->id << " on '" << canonical_text(op) << "', " << describe(layout) << ", seed " << kSeed
        << "\nrepeat: test_kernels --gtest_filter='"
        << ::testing::UnitTest::GetInstance()->current_test_info()->test_suite_name() << "."
        << ::testing::UnitTest::GetInstance()->current_test_info()->name() << "'";
  }
}

INSTANTIATE_TEST_SUITE_P(All, CatalogueCase, ::testing::ValuesIn(all_cases()), name_of_case);

}  // namespace

}  // namespace hetero::test
