#include "profiles/model_shape.h"

#include <gtest/gtest.h>

#include "profiles/device_profile.h"
#include "tests/profiles/bad_documents.h"

namespace hetero {
namespace {

ModelShape shipped(const std::string& name) {
  const std::string* text = shipped_model_shape(name);
  if (text == nullptr) throw input_error("no shipped model " + name);
  return model_shape_from_json(*text);
}

ModelShape two_layers() {
  ModelShape shape{.name = "two \"quoted\"",
                   .architecture = "llama",
                   .layers = 2,
                   .width = 64,
                   .ffn_width = 160,
                   .heads = 4,
                   .kv_heads = 2,
                   .head_dim = 32,
                   .vocab = 100,
                   .max_context = 512,
                   .layer_types = {LayerTypes{}, LayerTypes{.down = DType::kQ6_K}}};
  return shape;
}

TEST(ModelShape, RoundTrip) { EXPECT_EQ(model_shape_from_json(to_json(two_layers())), two_layers()); }

TEST(ModelShape, BadDocuments) {
  expect_sturdy([](const std::string& text) { model_shape_from_json(text); }, to_json(two_layers()));
}

TEST(ModelShape, RefusesWhatCannotBe) {
  const std::string valid = to_json(two_layers());
  const auto read = [](const std::string& text) { model_shape_from_json(text); };
  expect_refused(read, replaced(valid, "\"heads\": 4", "\"heads\": 3"), "heads that kv_heads do not divide");
  expect_refused(read, replaced(valid, "\"layers\": 2", "\"layers\": 3"), "two layer types for three layers");
  expect_refused(read, replaced(valid, "\"width\": 64", "\"width\": 0"), "a width of 0");
  expect_refused(read, replaced(valid, "\"width\": 64", "\"width\": 1e3"), "a width that is no whole number");
  expect_refused(read, replaced(valid, "\"width\": 64", "\"width\": 18446744073709551615"), "a width of 2^64-1");
  expect_refused(read, replaced(valid, "\"q6_k\"", "\"q3_k\""), "an unknown format");
}

TEST(ModelShape, FingerprintIsOfWhatDecidesTimes) {
  const ModelShape base = two_layers();
  EXPECT_EQ(fingerprint(base).size(), 16u);
  ModelShape other = base;
  other.name = "another";
  other.max_context = 9;
  EXPECT_EQ(fingerprint(other), fingerprint(base));
  other = base;
  other.layer_types[1].down = DType::kQ4_0;
  EXPECT_NE(fingerprint(other), fingerprint(base));
  ModelShape one_for_all = other;
  one_for_all.layer_types.resize(1);
  EXPECT_EQ(fingerprint(one_for_all), fingerprint(other));
  other = base;
  other.vocab += 1;
  EXPECT_NE(fingerprint(other), fingerprint(base));
  other = base;
  other.head_type = DType::kQ6_K;
  EXPECT_NE(fingerprint(other), fingerprint(base));
}

TEST(ModelShape, OpsOfEachBlock) {
  const ModelShape shape = shipped("llama-3-8b");
  const auto texts = [&](BlockKind kind) {
    std::string text;
    for (const OpDesc& op : block_ops(shape, kind, 0, 8, 300)) text += canonical_text(op) + "\n";
    return text;
  };
  EXPECT_EQ(texts(BlockKind::kAttentionIn),
            "rms_norm m=8 n=4096\n"
            "matmul m=8 n=4096 k=4096 w=q4_0 a=f32\n"
            "matmul m=8 n=1024 k=4096 w=q4_0 a=f32\n"
            "matmul m=8 n=1024 k=4096 w=q4_0 a=f32\n"
            "rope m=8 n=4096 dim=128\n"
            "rope m=8 n=1024 dim=128\n");
  EXPECT_EQ(texts(BlockKind::kAttention), "attention m=8 heads=32 kv=8 dim=128 ctx=300\n");
  EXPECT_EQ(block_ops(shape, BlockKind::kAttention, 0, 8, 300)[0].n, 4096);
  EXPECT_EQ(texts(BlockKind::kAttentionOut), "matmul m=8 n=4096 k=4096 w=q4_0 a=f32\n");
  EXPECT_EQ(texts(BlockKind::kFfnIn),
            "rms_norm m=8 n=4096\n"
            "matmul m=8 n=14336 k=4096 w=q4_0 a=f32\n"
            "matmul m=8 n=14336 k=4096 w=q4_0 a=f32\n"
            "swiglu m=8 n=14336\n");
  EXPECT_EQ(texts(BlockKind::kFfnOut), "matmul m=8 n=4096 k=14336 w=q4_0 a=f32\n");
  EXPECT_EQ(texts(BlockKind::kHead), "rms_norm m=8 n=4096\nmatmul m=8 n=128256 k=4096 w=q6_k a=f32\n");
}

TEST(ModelShape, LayersKeepTheirOwnTypes) {
  const ModelShape shape = two_layers();
  EXPECT_EQ(block_ops(shape, BlockKind::kFfnOut, 0, 1, 1)[0].w, DType::kQ4_0);
  EXPECT_EQ(block_ops(shape, BlockKind::kFfnOut, 1, 1, 1)[0].w, DType::kQ6_K);
}

// Weights of the matmuls without the embedding, against the sizes that the makers publish (8.03 G with an embedding of
// 0.525 G for Llama 3; 6.74 G with 0.131 G for Llama 2; 1.24 G with a tied head for Llama 3.2 1B; 134.5 M for SmolLM2;
// Qwen2.5: 0.49, 1.54, 3.09 and 7.62 G; InternLM2: 1.89 G with 0.19 G; Llama 3.2 3B: 3.21 G).
TEST(ModelShape, ShippedShapesHaveTheirPublishedSizes) {
  const std::map<std::string, double> published = {{"llama-2-7b", 6.738e9 - 0.131e9},
                                                   {"llama-3-8b", 8.030e9 - 0.525e9},
                                                   {"llama-3.2-1b", 1.236e9},
                                                   {"llama-3.2-3b", 3.213e9},
                                                   {"internlm2-1.8b", 1.889e9 - 0.1895e9},
                                                   {"qwen2.5-0.5b", 0.494e9},
                                                   {"qwen2.5-1.5b", 1.544e9},
                                                   {"qwen2.5-3b", 3.086e9},
                                                   {"qwen2.5-7b", 7.616e9 - 0.545e9},
                                                   {"smollm2-135m", 134.5e6}};
  const std::vector<std::string> names = shipped_model_shape_names();
  EXPECT_EQ(names.size(), published.size());
  for (const std::string& name : names) {
    const ModelShape shape = shipped(name);
    EXPECT_EQ(shape.name, name);
    double weights = 0;
    for (int layer = 0; layer <= shape.layers; ++layer) {
      for (int kind = 0; kind < kBlockKinds; ++kind) {
        if ((static_cast<BlockKind>(kind) == BlockKind::kHead) != (layer == shape.layers)) continue;
        for (const OpDesc& op : block_ops(shape, static_cast<BlockKind>(kind), layer, 1, 1)) {
          if (op.kind != OpKind::kMatmul) continue;
          weights += static_cast<double>(op.n * op.k);
          EXPECT_EQ(op.k % info(op.w).block_elements, 0) << name << ": " << canonical_text(op);
        }
      }
    }
    ASSERT_TRUE(published.contains(name)) << name;
    EXPECT_NEAR(weights / published.at(name), 1, 0.002) << name;
  }
  EXPECT_EQ(shipped_model_shape("no-such-model"), nullptr);
}

TEST(BlockKind, Names) {
  for (int kind = 0; kind < kBlockKinds; ++kind) {
    const auto value = static_cast<BlockKind>(kind);
    EXPECT_EQ(block_kind_from_name(name_of(value)), value);
  }
  EXPECT_THROW(block_kind_from_name("attention_"), Error);
  EXPECT_THROW(block_kind_from_name(""), Error);
}

}  // namespace
}  // namespace hetero
