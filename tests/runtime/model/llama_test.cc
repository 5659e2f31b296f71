// The llama architecture: the graph's blocks and shapes, what is refused, and loading a model as a whole.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "runtime/model/arch/architectures.h"
#include "runtime/model/model.h"
#include "tests/runtime/model/gguf_writer.h"
#include "tests/runtime/model/parse_bytes.h"

namespace hetero::test {
namespace {

const GraphTensor& tensor(const Graph& graph, GraphTensorId id) {
  return graph.tensors.at(static_cast<std::size_t>(id));
}

TEST(Llama, BlocksFollowTheGraphsContract) {
  const TinyLlama tiny{
      .layers = 3, .width = 48, .ffn_width = 80, .heads = 6, .kv_heads = 2, .head_dim = 16, .vocab = 300};
  const ParsedBytes file(tiny_llama(tiny).finish());
  const Graph graph = build_graph(*file);
  EXPECT_EQ(graph.architecture, "llama");
  EXPECT_EQ(graph.layers, 3);
  EXPECT_EQ(graph.vocab, 300);
  EXPECT_EQ(graph.width, 48);
  EXPECT_EQ(graph.max_context, 256);

  ASSERT_EQ(graph.blocks.size(), 3u * 5 + 1);
  const BlockKind kinds[] = {BlockKind::kAttentionIn, BlockKind::kAttention, BlockKind::kAttentionOut,
                             BlockKind::kFfnIn, BlockKind::kFfnOut};
  const std::vector<OpKind> ops[] = {
      {OpKind::kRmsNorm, OpKind::kMatmul, OpKind::kMatmul, OpKind::kMatmul, OpKind::kRope, OpKind::kRope},
      {OpKind::kAttention},
      {OpKind::kMatmul},
      {OpKind::kRmsNorm, OpKind::kMatmul, OpKind::kMatmul, OpKind::kSwiGlu},
      {OpKind::kMatmul}};
  for (std::size_t i = 0; i < 15; ++i) {
    SCOPED_TRACE(i);
    const Block& block = graph.blocks[i];
    EXPECT_EQ(block.kind, kinds[i % 5]);
    EXPECT_EQ(block.layer, static_cast<int>(i / 5));
    ASSERT_EQ(block.ops.size(), ops[i % 5].size());
    for (std::size_t j = 0; j < block.ops.size(); ++j) EXPECT_EQ(block.ops[j].kind, ops[i % 5][j]);
  }
  const Block& head = graph.blocks.back();
  EXPECT_EQ(head.kind, BlockKind::kHead);
  EXPECT_EQ(head.layer, 3);
  EXPECT_EQ(tensor(graph, head.ops.back().out).role, TensorRole::kLogits);
  EXPECT_EQ(tensor(graph, head.ops.back().out).cols, 300);

  // Every matmul's weight fits the tensors that it connects.
  for (const Block& block : graph.blocks) {
    for (const GraphOp& op : block.ops) {
      if (op.kind != OpKind::kMatmul) continue;
      EXPECT_EQ(op.weight.n, tensor(graph, op.out).cols);
      EXPECT_EQ(op.weight.k, tensor(graph, op.in0).cols);
      EXPECT_NE(op.weight.data, nullptr);
    }
  }
  int residuals = 0, caches = 0;
  for (const GraphTensor& t : graph.tensors) {
    residuals += t.role == TensorRole::kResidual;
    caches += t.role == TensorRole::kKvCache;
  }
  EXPECT_EQ(residuals, 1);
  EXPECT_EQ(caches, 6);
}

TEST(Llama, AttentionGoesThroughTheCaches) {
  const TinyLlama tiny{
      .layers = 2, .width = 64, .heads = 4, .kv_heads = 2, .head_dim = 32};  // heads wider than the stream
  const ParsedBytes file(tiny_llama(tiny).finish());
  const Graph graph = build_graph(*file);
  for (std::size_t layer = 0; layer < 2; ++layer) {
    const Block& in = graph.blocks[layer * 5];
    const GraphOp& v = in.ops[3];
    const GraphOp& rope_q = in.ops[4];
    const GraphOp& rope_k = in.ops[5];
    const GraphOp& attention = graph.blocks[layer * 5 + 1].ops[0];
    EXPECT_EQ(tensor(graph, v.out).role, TensorRole::kKvCache);
    EXPECT_EQ(tensor(graph, rope_k.out).role, TensorRole::kKvCache);
    EXPECT_EQ(attention.in0, rope_q.out);
    EXPECT_EQ(attention.in1, rope_k.out);
    EXPECT_EQ(attention.in2, v.out);
    EXPECT_EQ(rope_q.heads, 4);
    EXPECT_EQ(rope_k.heads, 2);
    EXPECT_EQ(attention.heads, 4);
    EXPECT_EQ(attention.kv_heads, 2);
    EXPECT_EQ(attention.head_dim, 32);
    EXPECT_FLOAT_EQ(attention.constants.attention_scale, 1.0f / std::sqrt(32.0f));
    EXPECT_EQ(rope_q.constants.rope_style, RopeStyle::kInterleaved);
    EXPECT_EQ(rope_q.constants.rope_dims, 32);
    EXPECT_EQ(rope_q.vector.data, nullptr);
    EXPECT_EQ(tensor(graph, attention.out).cols, 128);
    const GraphOp& out = graph.blocks[layer * 5 + 2].ops[0];
    EXPECT_EQ(out.in1, out.out);
    EXPECT_EQ(tensor(graph, out.out).role, TensorRole::kResidual);
  }
}

TEST(Llama, TiedAndUntiedHeads) {
  TinyLlama tiny;
  const ParsedBytes tied(tiny_llama(tiny).finish());
  const Graph tied_graph = build_graph(*tied);
  EXPECT_EQ(tied_graph.blocks.back().ops.back().weight.data, tied_graph.embedding.data);
  tiny.embeddings = Embeddings::kUntied;
  const ParsedBytes untied(tiny_llama(tiny).finish());
  const Graph untied_graph = build_graph(*untied);
  EXPECT_EQ(untied_graph.embedding.data, untied->tensor("token_embd.weight")->data);
  EXPECT_EQ(untied_graph.blocks.back().ops.back().weight.data, untied->tensor("output.weight")->data);
}

TEST(Llama, RopeFactorsAreUsedAndChecked) {
  TinyLlama tiny;
  tiny.rope_factors.assign(8, 2.0f);
  const ParsedBytes file(tiny_llama(tiny).finish());
  EXPECT_EQ(build_graph(*file).blocks[0].ops[4].vector.data, file->tensor("rope_freqs.weight")->data);
  tiny.rope_factors[3] = 0.0f;
  EXPECT_SAYS(message_of([&] { build_graph(*ParsedBytes(tiny_llama(tiny).finish())); }), "rope_freqs");
  tiny.rope_factors.assign(7, 1.0f);
  EXPECT_SAYS(message_of([&] { build_graph(*ParsedBytes(tiny_llama(tiny).finish())); }), "rope_freqs");
}

// A tiny model with something added.
std::string refusal(const std::function<void(GgufWriter&)>& add) {
  GgufWriter writer = tiny_llama({});
  add(writer);
  return message_of([&] { build_graph(*ParsedBytes(writer.finish())); });
}

TEST(Llama, RefusesWhatItWouldComputeWrongly) {
  const std::vector<float> bias(64, 0.0f);
  EXPECT_SAYS(refusal([&](GgufWriter& w) { w.add_vector("blk.0.attn_q.bias", bias); }), "bias");
  EXPECT_SAYS(refusal([&](GgufWriter& w) { w.add_vector("blk.0.attn_q_norm.weight", bias); }), "attn_q_norm");
  EXPECT_SAYS(refusal([&](GgufWriter& w) { w.add_u32("llama.expert_count", 8); }), "mixture of experts");
  EXPECT_SAYS(refusal([&](GgufWriter& w) { w.add_u32("llama.attention.sliding_window", 4096); }), "sliding");
  EXPECT_SAYS(refusal([&](GgufWriter& w) { w.add_text("llama.rope.scaling.type", "yarn"); }), "yarn");
  EXPECT_SAYS(refusal([&](GgufWriter& w) { w.add_text("llama.rope.scaling.type", "llama3"); }), "llama3");
  EXPECT_SAYS(refusal([&](GgufWriter& w) {
                w.add_text("llama.rope.scaling.type", "linear");
                w.add_f32("llama.rope.scaling.factor", 4.0f);
              }),
              "linear");
  GgufWriter harmless = tiny_llama({});
  harmless.add_text("llama.rope.scaling.type", "linear");
  harmless.add_f32("llama.rope.scaling.factor", 1.0f);
  EXPECT_NO_THROW(build_graph(*ParsedBytes(harmless.finish())));
}

TEST(Llama, RefusesInconsistentFiles) {
  const auto with = [](const std::function<void(TinyLlama&)>& change, const std::function<void(GgufWriter&)>& add) {
    TinyLlama tiny;
    change(tiny);
    GgufWriter writer = tiny_llama(tiny);
    add(writer);
    return message_of([&] { build_graph(*ParsedBytes(writer.finish())); });
  };
  const auto nothing = [](GgufWriter&) {};
  EXPECT_SAYS(with([](TinyLlama& t) { t.heads = 3, t.width = 48; }, nothing), "do not divide");
  EXPECT_SAYS(with([](TinyLlama& t) { t.layers = 0; }, nothing), "block_count");
  EXPECT_SAYS(with([](TinyLlama& t) { t.max_context = 0; }, nothing), "context_length");
  EXPECT_SAYS(with([](TinyLlama& t) { t.head_dim = 15, t.heads = 4; }, nothing), "rope.dimension_count");

  GgufWriter other;
  other.add_text("general.architecture", "mamba");
  EXPECT_SAYS(message_of([&] { build_graph(*ParsedBytes(other.finish())); }), "mamba");
  EXPECT_SAYS(message_of([] { build_graph(*ParsedBytes(GgufWriter().finish())); }), "architecture");
  GgufWriter empty;
  empty.add_text("general.architecture", "llama");
  EXPECT_SAYS(message_of([&] { build_graph(*ParsedBytes(empty.finish())); }), "missing");
}

TEST(Llama, MissingTensorsAndWrongShapesAreNamed) {
  // The writer's tensors belong to one layer; the metadata of another shape is put before them.
  const TinyLlama right{.layers = 1};
  for (const auto& [claimed, said] : std::vector<std::pair<TinyLlama, std::string>>{
           {{.layers = 2}, "blk.1.attn_norm.weight is missing"},
           {{.layers = 1, .ffn_width = 128}, "blk.0.ffn_gate.weight is [96, 64]"},
           {{.layers = 1, .kv_heads = 4}, "blk.0.attn_k.weight is [32, 64]"}}) {
    std::string good = tiny_llama(right).finish();
    const std::string wrong = tiny_llama(claimed).finish();
    // Both files have the same keys in the same order, up to the tensor table.
    const std::size_t table = good.find("token_embd.weight") - 8;
    ASSERT_EQ(wrong.find("token_embd.weight") - 8, table);
    good.replace(24, table - 24, wrong, 24, table - 24);
    EXPECT_SAYS(message_of([&] { build_graph(*ParsedBytes(good)); }), said);
  }
}

TEST(Model, ShapeIsReadOffTheGraph) {
  const std::string path = testing::TempDir() + "hetero_model_test.gguf";
  TinyLlama tiny{.layers = 2, .width = 256, .ffn_width = 512, .heads = 8, .kv_heads = 2, .head_dim = 32, .vocab = 300};
  tiny.weights = DType::kQ4_0;
  tiny.head = DType::kQ8_0;
  tiny.embeddings = Embeddings::kUntied;
  tiny.vocabulary = Vocabulary::kBytes;
  write_tiny_llama(path, tiny);
  const auto model = Model::load(path);
  const ModelShape& shape = model->shape();
  EXPECT_EQ(shape.name, "tiny");
  EXPECT_EQ(shape.architecture, "llama");
  EXPECT_EQ(shape.layers, 2);
  EXPECT_EQ(shape.width, 256);
  EXPECT_EQ(shape.ffn_width, 512);
  EXPECT_EQ(shape.heads, 8);
  EXPECT_EQ(shape.kv_heads, 2);
  EXPECT_EQ(shape.head_dim, 32);
  EXPECT_EQ(shape.vocab, 300);
  EXPECT_EQ(shape.max_context, 256);
  EXPECT_EQ(shape.types(1).down, DType::kQ4_0);
  EXPECT_EQ(shape.head_type, DType::kQ8_0);
  EXPECT_EQ(model->parameters(), 2u * (2 * 256 + 2 * 256 * 256 + 2 * 64 * 256 + 3 * 256 * 512) + 256 + 2 * 300 * 256);
  ASSERT_NE(model->tokenizer(), nullptr);
  EXPECT_EQ(model->chat_template().format(), ChatTemplate::Format::kNone);
  std::remove(path.c_str());

  tiny.vocab = 256;  // fewer rows than tokens
  write_tiny_llama(path, tiny);
  EXPECT_SAYS(message_of([&] { (void)Model::load(path); }), "259 tokens");
  tiny.vocabulary = Vocabulary::kNone;
  write_tiny_llama(path, tiny);
  EXPECT_EQ(Model::load(path)->tokenizer(), nullptr);
  std::remove(path.c_str());
}

TEST(Model, LoadsTheRealModel) {
  const char* path = std::getenv("HETERO_TEST_MODEL");
  if (path == nullptr) GTEST_SKIP() << "set HETERO_TEST_MODEL to the path of SmolLM2-135M-Instruct.Q4_1.gguf";
  const auto model = Model::load(path);
  EXPECT_EQ(model->parameters(), 134515008u);
  EXPECT_EQ(model->shape().layers, 30);
  EXPECT_EQ(model->shape().types(0).q, DType::kQ4_1);
  EXPECT_EQ(model->shape().head_type, DType::kQ8_0);
  EXPECT_EQ(model->chat_template().format(), ChatTemplate::Format::kChatMl);
  EXPECT_FLOAT_EQ(model->graph().blocks[0].ops[4].constants.rope_base, 100000.0f);
}

}  // namespace
}  // namespace hetero::test
