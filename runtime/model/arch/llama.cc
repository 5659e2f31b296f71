// The llama architecture: pre-norm blocks, grouped-query attention with rotary positions, SwiGLU, tied or untied head.
// Refuses what it would compute wrongly (biases, experts, sliding windows, other rope scalings). Names no device.
#include <cmath>
#include <cstring>
#include <set>
#include <string>

#include "base/error.h"
#include "runtime/model/arch/architectures.h"
#include "runtime/model/decoder_graph.h"
#include "runtime/model/gguf_reader.h"

namespace hetero {
namespace {

constexpr const char* kInconsistent = "the file is damaged or of a kind that is not supported";
// Bounds far beyond any model, so that products of two of them cannot overflow.
constexpr std::int64_t kMostLayers = 1 << 14;
constexpr std::int64_t kMostSide = std::int64_t{1} << 30;

struct LlamaConfig {
  int layers = 0;
  std::int64_t max_context = 0;
  std::int64_t width = 0;
  std::int64_t ffn_width = 0;
  std::int64_t heads = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  OpConstants constants;
};

std::int64_t count_or(const GgufFile& file, const std::string& key, std::int64_t fallback, std::int64_t most) {
  const std::int64_t value = file.integer(key).value_or(fallback);
  if (value < 1 || value > most)
    throw input_error(
        key + (file.find(key) ? " is " + std::to_string(value) + ", which makes no sense" : " is missing"),
        kInconsistent);
  return value;
}

std::int64_t count(const GgufFile& file, const std::string& key, std::int64_t most = kMostSide) {
  return count_or(file, key, 0, most);
}

[[noreturn]] void refuse(const std::string& what) {
  throw input_error("the model uses " + what + ", which is not supported", "use a plain llama model");
}

void check_rope_scaling(const GgufFile& file) {
  if (const std::string* type = file.text("llama.rope.scaling.type")) {
    const double factor = file.number("llama.rope.scaling.factor").value_or(1);
    const bool harmless = *type == "none" || (*type == "linear" && factor == 1) ||
                          (*type == "llama3" && file.tensor("rope_freqs.weight") != nullptr);
    if (!harmless) refuse("the rope scaling " + shown(*type));
  }
  if (file.number("llama.rope.scale_linear").value_or(1) != 1) refuse("linear rope scaling");
}

LlamaConfig read_config(const GgufFile& file) {
  if (file.integer("llama.expert_count").value_or(0) > 0) refuse("a mixture of experts");
  if (file.integer("llama.attention.sliding_window").value_or(0) > 0) refuse("a sliding attention window");
  if (!file.boolean("llama.attention.causal").value_or(true)) refuse("attention that is not causal");
  if (file.boolean("llama.use_parallel_residual").value_or(false)) refuse("parallel residual blocks");
  check_rope_scaling(file);

  LlamaConfig c;
  c.layers = static_cast<int>(count(file, "llama.block_count", kMostLayers));
  c.max_context = count(file, "llama.context_length");
  c.width = count(file, "llama.embedding_length");
  c.ffn_width = count(file, "llama.feed_forward_length");
  c.heads = count(file, "llama.attention.head_count");
  c.kv_heads = count_or(file, "llama.attention.head_count_kv", c.heads, kMostSide);
  if (c.heads % c.kv_heads != 0)
    throw input_error(
        std::to_string(c.heads) + " attention heads do not divide into " + std::to_string(c.kv_heads) + " groups",
        kInconsistent);
  if (file.find("llama.attention.key_length") == nullptr && c.width % c.heads != 0)
    throw input_error(
        "a width of " + std::to_string(c.width) + " does not divide into " + std::to_string(c.heads) + " heads",
        kInconsistent);
  c.head_dim = count_or(file, "llama.attention.key_length", c.width / c.heads, kMostSide);
  if (count_or(file, "llama.attention.value_length", c.head_dim, kMostSide) != c.head_dim)
    refuse("attention keys and values of different lengths");

  OpConstants& k = c.constants;
  const auto eps = file.number("llama.attention.layer_norm_rms_epsilon");
  if (!eps) throw input_error("llama.attention.layer_norm_rms_epsilon is missing", kInconsistent);
  k.eps = static_cast<float>(*eps);
  k.rope_base = static_cast<float>(file.number("llama.rope.freq_base").value_or(10000));
  k.rope_dims = count_or(file, "llama.rope.dimension_count", c.head_dim, kMostSide);
  k.rope_style = RopeStyle::kInterleaved;
  k.attention_scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(c.head_dim)));
  if (!(k.eps >= 0 && k.eps < 1)) throw input_error("the norm's epsilon makes no sense", kInconsistent);
  if (!(k.rope_base >= 1 && std::isfinite(k.rope_base)))
    throw input_error("llama.rope.freq_base makes no sense", kInconsistent);
  if (k.rope_dims % 2 != 0 || k.rope_dims > c.head_dim)
    throw input_error(
        "llama.rope.dimension_count is " + std::to_string(k.rope_dims) + " for heads of " + std::to_string(c.head_dim),
        kInconsistent);
  return c;
}

// Hands out the file's tensors, checks their shapes and remembers which were used.
class Weights {
 public:
  explicit Weights(const GgufFile& file) : file_(file) {}

  bool has(const std::string& name) const { return file_.tensor(name) != nullptr; }

  WeightView matrix(const std::string& name, std::int64_t n, std::int64_t k) {
    const WeightView& view = require(name);
    if (view.n != n || view.k != k) wrong_shape(name, view, n, k);
    return view;
  }
  // Norms and factors are read as they lie in the file.
  WeightView vector(const std::string& name, std::int64_t length) {
    const WeightView& view = require(name);
    if (view.n != 1 || view.k != length) wrong_shape(name, view, 1, length);
    if (view.type != DType::kF32)
      throw input_error("tensor " + name + " is " + std::string(info(view.type).name) + " where f32 is expected",
                        kInconsistent);
    return view;
  }
  WeightView embedding(std::int64_t width) {
    const WeightView& view = require("token_embd.weight");
    if (view.k != width || view.n > kMostSide) wrong_shape("token_embd.weight", view, view.n, width);
    return view;
  }

  // A tensor that nothing here uses changes the model's answers somewhere else: better no answer than a wrong one.
  void refuse_unused() const {
    for (const auto& [name, view] : file_.tensors()) {
      if (used_.contains(name) || name.ends_with(".attn_rot_embd.weight")) continue;
      if (name.ends_with(".bias")) refuse("a bias (tensor " + shown(name) + ")");
      refuse("the tensor " + shown(name));
    }
  }

 private:
  const WeightView& require(const std::string& name) {
    const WeightView* view = file_.tensor(name);
    if (view == nullptr) throw input_error("the tensor " + name + " is missing", kInconsistent);
    used_.insert(name);
    return *view;
  }
  [[noreturn]] static void wrong_shape(const std::string& name, const WeightView& view, std::int64_t n,
                                       std::int64_t k) {
    throw input_error("tensor " + name + " is [" + std::to_string(view.n) + ", " + std::to_string(view.k) +
                          "] where [" + std::to_string(n) + ", " + std::to_string(k) + "] is expected",
                      kInconsistent);
  }

  const GgufFile& file_;
  std::set<std::string, std::less<>> used_;
};

WeightView rope_factors(Weights& weights, std::int64_t rope_dims) {
  if (!weights.has("rope_freqs.weight")) return {};
  const WeightView view = weights.vector("rope_freqs.weight", rope_dims / 2);
  for (std::int64_t i = 0; i < view.k; ++i) {
    float factor = 0;
    std::memcpy(&factor, view.data + i * static_cast<std::int64_t>(sizeof(float)), sizeof(float));
    if (!(factor > 0 && std::isfinite(factor)))
      throw input_error("rope_freqs.weight holds a factor that is not positive", kInconsistent);
  }
  return view;
}

DecoderWeights::Layer layer_weights(Weights& weights, const LlamaConfig& c, int layer) {
  const std::string name = "blk." + std::to_string(layer) + ".";
  const std::int64_t q_cols = c.heads * c.head_dim;
  const std::int64_t kv_cols = c.kv_heads * c.head_dim;
  DecoderWeights::Layer w;
  w.attention_norm = weights.vector(name + "attn_norm.weight", c.width);
  w.q = weights.matrix(name + "attn_q.weight", q_cols, c.width);
  w.k = weights.matrix(name + "attn_k.weight", kv_cols, c.width);
  w.v = weights.matrix(name + "attn_v.weight", kv_cols, c.width);
  w.out = weights.matrix(name + "attn_output.weight", c.width, q_cols);
  w.ffn_norm = weights.vector(name + "ffn_norm.weight", c.width);
  w.gate = weights.matrix(name + "ffn_gate.weight", c.ffn_width, c.width);
  w.up = weights.matrix(name + "ffn_up.weight", c.ffn_width, c.width);
  w.down = weights.matrix(name + "ffn_down.weight", c.width, c.ffn_width);
  return w;
}

}  // namespace

Graph build_llama_graph(const GgufFile& file) {
  const LlamaConfig c = read_config(file);
  Weights weights(file);
  DecoderWeights w;
  w.rope_factors = rope_factors(weights, c.constants.rope_dims);
  w.embedding = weights.embedding(c.width);
  for (int layer = 0; layer < c.layers; ++layer) w.layers.push_back(layer_weights(weights, c, layer));
  w.final_norm = weights.vector("output_norm.weight", c.width);
  const std::string head = weights.has("output.weight") ? "output.weight" : "token_embd.weight";
  w.head = weights.matrix(head, w.embedding.n, c.width);
  weights.refuse_unused();

  ModelShape shape;
  shape.architecture = "llama";
  shape.layers = c.layers;
  shape.width = c.width;
  shape.ffn_width = c.ffn_width;
  shape.heads = c.heads;
  shape.kv_heads = c.kv_heads;
  shape.head_dim = c.head_dim;
  shape.vocab = w.embedding.n;
  shape.max_context = c.max_context;
  return decoder_graph(shape, w, c.constants);
}

}  // namespace hetero
