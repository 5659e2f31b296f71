// Canonical texts: examples, the round trip over random ops, and refusal of everything else.
#include "kernels/op_desc.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"

namespace hetero {
namespace {

TEST(OpDesc, CanonicalTexts) {
  EXPECT_EQ(canonical_text({.kind = OpKind::kMatmul, .m = 1, .n = 4096, .k = 4096, .w = DType::kQ4_0}),
            "matmul m=1 n=4096 k=4096 w=q4_0 a=f32");
  EXPECT_EQ(canonical_text({.kind = OpKind::kRmsNorm, .m = 8, .n = 576}), "rms_norm m=8 n=576");
  EXPECT_EQ(canonical_text({.kind = OpKind::kRope, .m = 8, .n = 192, .head_dim = 64}), "rope m=8 n=192 dim=64");
  EXPECT_EQ(
      canonical_text(
          {.kind = OpKind::kAttention, .m = 1, .n = 576, .heads = 9, .kv_heads = 3, .head_dim = 64, .context = 256}),
      "attention m=1 heads=9 kv=3 dim=64 ctx=256");
  EXPECT_EQ(canonical_text({.kind = OpKind::kSwiGlu, .m = 2, .n = 1536}), "swiglu m=2 n=1536");
  EXPECT_EQ(canonical_text({.kind = OpKind::kAdd, .m = 2, .n = 576}), "add m=2 n=576");
}

OpDesc random_op(Rng& rng) {
  const auto number = [&] { return static_cast<std::int64_t>(1 + rng.below(std::uint64_t{1} << rng.below(20))); };
  OpDesc op;
  op.kind = static_cast<OpKind>(rng.below(6));
  op.m = number();
  op.n = number();
  switch (op.kind) {
    case OpKind::kMatmul:
      op.k = number();
      op.w = static_cast<DType>(rng.below(11));
      break;
    case OpKind::kRope:
      op.head_dim = number();
      break;
    case OpKind::kAttention:
      op.kv_heads = number();
      op.heads = op.kv_heads * static_cast<std::int64_t>(1 + rng.below(8));
      op.head_dim = number();
      op.n = op.heads * op.head_dim;
      op.context = rng.below(3) == 0 ? 0 : number();
      break;
    case OpKind::kRmsNorm:
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      break;
  }
  return op;
}

TEST(OpDesc, ParsingUndoesWriting) {
  Rng rng(11);
  for (int i = 0; i < 5000; ++i) {
    const OpDesc op = random_op(rng);
    EXPECT_EQ(parse_op_desc(canonical_text(op)), op) << canonical_text(op);
  }
}

// One spelling for each op: any single character changed gives another op or an error, never the same op.
TEST(OpDesc, NoTwoTextsForOneOp) {
  Rng rng(12);
  for (int i = 0; i < 2000; ++i) {
    const OpDesc op = random_op(rng);
    std::string text = canonical_text(op);
    const std::size_t at = rng.below(text.size());
    const char other = static_cast<char>(32 + rng.below(95));
    if (other == text[at]) continue;
    text[at] = other;
    try {
      EXPECT_NE(parse_op_desc(text), op) << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUnusableInput);
    }
  }
}

TEST(OpDesc, RefusesWhatIsNoOp) {
  for (const char* text : {"",
                           " ",
                           "matmul",
                           "matmul m=1 n=2 k=3",
                           "matmul m=1 n=2 k=32 w=q4_0",
                           "matmul m=1 n=2 k=32 w=x a=f32",
                           "matmul m=1 n=2 k=32 w=q4_0 a=f16",
                           "matmul n=2 m=1 k=32 w=q4_0 a=f32",
                           "add m=0 n=2",
                           "add m=-1 n=2",
                           "add m=01 n=2",
                           "add m=1 n=2 ",
                           " add m=1 n=2",
                           "add m=1  n=2",
                           "add m=+1 n=2",
                           "add m=99999999999999999999 n=2",
                           "add m= n=2",
                           "add m=1 n=2x",
                           "Add m=1 n=2",
                           "attention m=1 heads=4611686018427387904 kv=1 dim=4 ctx=0"}) {
    EXPECT_THROW(parse_op_desc(text), Error) << "'" << text << "'";
  }
}

TEST(OpDesc, WorkAndBytes) {
  EXPECT_EQ(flops(parse_op_desc("matmul m=3 n=5 k=64 w=q4_0 a=f32")), 2.0 * 3 * 5 * 64);
  EXPECT_EQ(streamed_bytes(parse_op_desc("matmul m=3 n=5 k=64 w=q4_0 a=f32")), 5.0 * 36);
  // Two rows that see 9 and 10 cache rows, two products of 64 for each of 4 heads.
  EXPECT_EQ(flops(parse_op_desc("attention m=2 heads=4 kv=2 dim=64 ctx=10")), 19.0 * 4 * 64 * 4);
  EXPECT_EQ(streamed_bytes(parse_op_desc("attention m=2 heads=4 kv=2 dim=64 ctx=10")), 10.0 * 2 * 64 * 4 * 2);
}

}  // namespace
}  // namespace hetero
