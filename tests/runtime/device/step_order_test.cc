// Which phases and meetings the ops of a segment need on a team of threads.
#include "runtime/device/cpu/step_order.h"

#include <gtest/gtest.h>

#include "kernels/catalogue.h"
#include "kernels/cpu/cpu_facts.h"
#include "kernels/cpu/matmul_rows.h"
#include "kernels/work_split.h"

namespace hetero {
namespace {

constexpr StepOrder kAtOnce = {0, false}, kAfterAll = {0, true}, kShared = {1, false}, kSharedAfterAll = {1, true};

// The kernels that a processor with nothing has: a matmul of two phases, the others of one.
class StepOrderTest : public testing::Test {
 protected:
  static Region region(TensorId tensor, std::int64_t col0 = 0, std::int64_t cols = 64) {
    return {.tensor = tensor, .row0 = 0, .rows = 3, .col0 = col0, .cols = cols};
  }
  void matmul(const Region& in, const Region& out, DType w = DType::kQ4_0, const Region& residual = {}) {
    OpDesc desc = {.kind = OpKind::kMatmul, .m = in.rows, .n = out.cols, .k = in.cols, .w = w};
    add({.desc = desc, .constants = {}, .in = {in, residual, {}}, .out = out, .weight = {}, .vector = {}});
  }
  void op(OpKind kind, std::array<Region, 3> in, const Region& out) {
    OpDesc desc = {.kind = kind, .m = out.rows, .n = out.cols, .head_dim = 64};
    add({.desc = desc, .constants = {}, .in = in, .out = out, .weight = {}, .vector = {}});
  }
  std::vector<StepOrder> order() const { return order_steps(ops_, kernels_); }

 private:
  void add(Op added) {
    kernels_.push_back(choose(KernelFamily::kCpu, added.desc, {}, {}).host);
    ops_.push_back(std::move(added));
  }
  std::vector<Op> ops_;
  std::vector<const HostKernel*> kernels_;
};

TEST_F(StepOrderTest, MatmulsOfOneInputWriteItOnce) {
  op(OpKind::kRmsNorm, {region(0)}, region(1));
  matmul(region(1), region(2));  // reads by pieces what was written by pieces
  matmul(region(1), region(3));  // k, v: other outputs
  matmul(region(1), region(4));
  op(OpKind::kRope, {region(2)}, region(2));  // reads what is being written
  op(OpKind::kRope, {region(3)}, region(3));  // met just before
  op(OpKind::kAttention, {region(2), region(3), region(4)}, region(5));
  matmul(region(5), region(0), DType::kQ4_0, region(0));  // another input
  EXPECT_EQ(order(),
            (std::vector<StepOrder>{kAtOnce, kAtOnce, kShared, kShared, kAfterAll, kAtOnce, kAfterAll, kAfterAll}));
}

TEST_F(StepOrderTest, MeetsWhereTheReaderHasOtherPiecesThanTheWriter) {
  op(OpKind::kSwiGlu, {region(3), region(4)}, region(5));
  matmul(region(6), region(7), DType::kQ4_0, region(5));  // a residual is read by features
  op(OpKind::kSwiGlu, {region(7), region(7)}, region(8));
  matmul(region(8, 0, 32), region(2));  // half of the columns: they are divided otherwise
  op(OpKind::kSwiGlu, {region(2), region(2)}, region(9));
  op(OpKind::kRmsNorm, {region(9)}, region(10));  // reads whole rows
  matmul(region(10), region(11));
  EXPECT_EQ(order(), (std::vector<StepOrder>{kAtOnce, kAfterAll, kAfterAll, kAfterAll, kAfterAll, kAfterAll, kAtOnce}));
}

TEST_F(StepOrderTest, SharesOfOneMatmulAreWrittenOnce) {
  matmul(region(0), region(1, 0, 32));
  matmul(region(0), region(1, 32, 32));
  EXPECT_EQ(order(), (std::vector<StepOrder>{kAtOnce, kShared}));
}

TEST_F(StepOrderTest, WritesTheWorkspaceAnewWhereItWouldDiffer) {
  matmul(region(0), region(1));
  matmul(region(0), region(2), DType::kQ4_1);         // with sums of activations for the min
  matmul(region(0, 0, 32), region(3), DType::kQ4_1);  // other columns
  matmul(region(4, 0, 32), region(5), DType::kQ4_1);  // another tensor
  matmul(region(4, 0, 32), region(6), DType::kQ5_1);  // another weight, the same activations
  EXPECT_EQ(order(), (std::vector<StepOrder>{kAtOnce, kAfterAll, kAfterAll, kAfterAll, kShared}));
}

TEST_F(StepOrderTest, InputThatChangedIsReadAgain) {
  matmul(region(0), region(1));
  op(OpKind::kAdd, {region(0), region(2)}, region(0));
  matmul(region(0), region(3));
  matmul(region(0), region(0));  // overwrites its own input
  matmul(region(0), region(4));
  EXPECT_EQ(order(), (std::vector<StepOrder>{kAtOnce, kAfterAll, kAtOnce, kSharedAfterAll, kAfterAll}));
}

TEST_F(StepOrderTest, MeetsBeforeWhatOthersStillReadOrWrite) {
  matmul(region(0), region(1));
  matmul(region(0), region(2), DType::kQ4_0, region(1));  // the residual is being written
  matmul(region(0), region(1));                           // being read as a residual
  matmul(region(0), region(1, 32, 64));                   // being written
  EXPECT_EQ(order(), (std::vector<StepOrder>{kAtOnce, kSharedAfterAll, kSharedAfterAll, kSharedAfterAll}));
}

// A row's op on data that differs from one element to the next, as one of several workers would run it.
class Pieces : public testing::TestWithParam<std::int64_t> {
 protected:
  static constexpr std::int64_t kColumns = 600;  // whole pieces and one that ends early
  static constexpr int kWorkers = 3;

  // Calls see(element, whether it is of the worker's pieces).
  template <typename See>
  void for_each_element(int worker, See see) const {
    std::vector<bool> mine(static_cast<std::size_t>(GetParam() * kColumns));
    for_each_row(piece_of(GetParam(), kColumns, worker, kWorkers),
                 [&](std::int64_t row, std::int64_t c0, std::int64_t c1) {
                   for (std::int64_t c = c0; c < c1; ++c) mine[static_cast<std::size_t>(row * kColumns + c)] = true;
                 });
    for (std::size_t i = 0; i < mine.size(); ++i) see(i, mine[i]);
  }
  std::vector<float> matrix(int seed) const {
    std::vector<float> values(static_cast<std::size_t>(GetParam() * kColumns));
    for (std::size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>((static_cast<int>(i) + seed) * 37 % 101 - 50);
    return values;
  }
};

TEST_P(Pieces, AreAllThatWritersWrite) {
  constexpr float kUntouched = 12345;
  const std::vector<float> in0 = matrix(1), in1 = matrix(2), vector(kColumns, 1.0F);
  int writers = 0;
  for (const KernelVariant& row : cpu_rows()) {
    const OpDesc desc = {.kind = row.kind, .m = GetParam(), .n = kColumns};
    if (!row.host->writes_pieces || !row.applicable(desc, detect_cpu_facts()).yes) continue;
    ++writers;
    for (int worker = 0; worker < kWorkers; ++worker) {
      std::vector<float> out(in0.size(), kUntouched);
      HostOp op;
      op.desc = desc;
      op.in0 = {in0.data(), kColumns};
      op.in1 = {in1.data(), kColumns};
      op.vector = vector.data();
      op.out = {out.data(), kColumns};
      row.host->run(op, 0, worker, kWorkers);
      for_each_element(worker, [&](std::size_t i, bool mine) {
        EXPECT_EQ(out[i] != kUntouched, mine) << row.id << " element " << i << " worker " << worker;
      });
    }
  }
  EXPECT_GE(writers, 3);
}

TEST_P(Pieces, AreAllThatReadersRead) {
  const std::vector<float> in = matrix(1);
  int readers = 0;
  for (const KernelVariant& row : cpu_matmul_rows()) {
    const OpDesc desc = {.kind = OpKind::kMatmul, .m = GetParam(), .n = 16, .k = kColumns, .w = DType::kQ8_0};
    OpDesc whole = desc;  // applicable() asks for whole blocks of weights
    whole.k = 608;
    if (!row.host->reads_pieces || !row.applicable(whole, detect_cpu_facts()).yes) continue;
    ++readers;
    for (int worker = 0; worker < kWorkers; ++worker) {
      const auto workspace_of = [&](const std::vector<float>& activations) {
        std::vector<std::byte> workspace(row.host->workspace_bytes(desc));
        HostOp op;
        op.desc = desc;
        op.in0 = {activations.data(), kColumns};
        op.workspace = workspace.data();
        row.host->run(op, 0, worker, kWorkers);
        return workspace;
      };
      std::vector<float> poisoned = in;
      for_each_element(worker, [&](std::size_t i, bool mine) {
        if (!mine) poisoned[i] = -1e6F;
      });
      EXPECT_EQ(workspace_of(in), workspace_of(poisoned)) << row.id << " worker " << worker;
    }
  }
  EXPECT_GE(readers, 1);
}

INSTANTIATE_TEST_SUITE_P(Rows, Pieces, testing::Values(1, 2, 3, 7, 40));

// What equal keys promise, of every kernel: after the first op's phase 0 the second may begin with phase 1.
TEST(WorkspaceKey, EqualKeysMeanEqualWorkspaces) {
  const std::vector<DType> types = {DType::kQ4_0, DType::kQ4_1, DType::kQ5_0, DType::kQ5_1,
                                    DType::kQ8_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};
  constexpr std::int64_t kK = 768;
  int equal = 0, unequal = 0;
  for (const KernelVariant& row : cpu_matmul_rows()) {
    for (const std::int64_t m : {1, 5, 30}) {
      const auto desc_of = [&](DType type) {
        return OpDesc{.kind = OpKind::kMatmul, .m = m, .n = 16, .k = kK, .w = type};
      };
      std::vector<float> in(static_cast<std::size_t>(m * kK));
      for (std::size_t i = 0; i < in.size(); ++i) {
        in[i] = (i % 61 == 7 ? 40.0F : 1.0F) * static_cast<float>(static_cast<int>(i * 37 % 101) - 50);
      }
      const auto workspace_of = [&](DType type) {
        HostOp op;
        op.desc = desc_of(type);
        op.in0 = {in.data(), kK};
        std::vector<std::byte> workspace(row.host->workspace_bytes(op.desc));
        op.workspace = workspace.data();
        row.host->run(op, 0, 0, 1);
        return workspace;
      };
      if (!row.applicable(desc_of(DType::kQ4_0), detect_cpu_facts()).yes) continue;
      for (const DType a : types) {
        for (const DType b : types) {
          const bool same_key = row.host->workspace_key(desc_of(a)) == row.host->workspace_key(desc_of(b));
          if (same_key) {
            EXPECT_EQ(workspace_of(a), workspace_of(b)) << row.id << " " << info(a).name << " " << info(b).name;
          }
          (same_key ? equal : unequal) += a == b ? 0 : 1;
        }
      }
      EXPECT_NE(
          row.host->workspace_key(desc_of(DType::kQ4_0)),
          row.host->workspace_key(OpDesc{.kind = OpKind::kMatmul, .m = m + 1, .n = 16, .k = kK, .w = DType::kQ4_0}));
    }
  }
  EXPECT_GT(equal, 0);
  EXPECT_GT(unequal, 0);
}

}  // namespace
}  // namespace hetero
