// Writes small GGUF v3 files in memory: for tests that need a valid, or a deliberately broken, model file.
// Not a product writer (scripts/make_model.py is): everything is held in memory. Header only; no shared state.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/rng.h"
#include "kernels/dtype.h"

namespace hetero::test {

// The numbers that GGUF files use for tensor formats.
inline std::uint32_t ggml_type_number(DType type) {
  switch (type) {
    case DType::kF32:
      return 0;
    case DType::kF16:
      return 1;
    case DType::kBF16:
      return 30;
    case DType::kQ4_0:
      return 2;
    case DType::kQ4_1:
      return 3;
    case DType::kQ5_0:
      return 6;
    case DType::kQ5_1:
      return 7;
    case DType::kQ8_0:
      return 8;
    case DType::kQ4_K:
      return 12;
    case DType::kQ5_K:
      return 13;
    case DType::kQ6_K:
      return 14;
  }
  return 0xffffffffu;
}

// Little-endian bytes, as a GGUF file stores them.
class ByteSink {
 public:
  template <typename T>
  void scalar(T value) {
    static_assert(std::is_trivially_copyable_v<T>);
    char bytes[sizeof(T)];
    std::memcpy(bytes, &value, sizeof(T));
    out_.append(bytes, sizeof(T));
  }
  void text(std::string_view value) {
    scalar<std::uint64_t>(value.size());
    out_.append(value);
  }
  void raw(std::string_view bytes) { out_.append(bytes); }
  void pad_to(std::size_t alignment) { out_.resize((out_.size() + alignment - 1) / alignment * alignment, '\0'); }
  const std::string& bytes() const { return out_; }
  std::size_t size() const { return out_.size(); }

 private:
  std::string out_;
};

// Collects metadata and tensors in the order given; finish() lays the file out.
class GgufWriter {
 public:
  std::uint32_t version = 3;
  std::string magic = "GGUF";
  std::uint64_t alignment = 32;  // of the data section; written as general.alignment when it is not 32

  void add_u32(const std::string& key, std::uint32_t value) { scalar(key, 4, value); }
  void add_i32(const std::string& key, std::int32_t value) { scalar(key, 5, value); }
  void add_u64(const std::string& key, std::uint64_t value) { scalar(key, 10, value); }
  void add_f32(const std::string& key, float value) { scalar(key, 6, value); }
  void add_f64(const std::string& key, double value) { scalar(key, 12, value); }
  void add_bool(const std::string& key, std::uint8_t value) { scalar(key, 7, value); }
  void add_text(const std::string& key, std::string_view value) {
    begin(key, 8);
    metadata_.text(value);
  }
  void add_texts(const std::string& key, const std::vector<std::string>& values) {
    begin(key, 9);
    metadata_.scalar<std::uint32_t>(8);
    metadata_.scalar<std::uint64_t>(values.size());
    for (const std::string& value : values) metadata_.text(value);
  }
  void add_i32s(const std::string& key, const std::vector<std::int32_t>& values) { numbers(key, 5, values); }
  void add_f32s(const std::string& key, const std::vector<float>& values) { numbers(key, 6, values); }
  // Any bytes as the value of any type: for broken files.
  void add_raw(const std::string& key, std::uint32_t type, std::string_view bytes) {
    begin(key, type);
    metadata_.raw(bytes);
  }

  // `dims` innermost first, as in the file: {k, n} for a matrix.
  void add_tensor(const std::string& name, std::uint32_t type, const std::vector<std::uint64_t>& dims,
                  std::string bytes) {
    tensors_.push_back({name, type, dims, std::move(bytes), kAutomatic});
  }
  void add_tensor_at(const std::string& name, std::uint32_t type, const std::vector<std::uint64_t>& dims,
                     std::uint64_t offset) {
    tensors_.push_back({name, type, dims, "", offset});
  }
  // A [n, k] matrix of float values rounded to `type`.
  void add_matrix(const std::string& name, DType type, std::int64_t n, std::int64_t k,
                  const std::vector<float>& values) {
    const std::size_t row = static_cast<std::size_t>(row_bytes(type, k));
    std::string bytes(row * static_cast<std::size_t>(n), '\0');
    for (std::int64_t i = 0; i < n; ++i) {
      quantise_row(type, values.data() + i * k,
                   reinterpret_cast<std::byte*>(bytes.data() + static_cast<std::size_t>(i) * row), k);
    }
    add_tensor(name, ggml_type_number(type), {static_cast<std::uint64_t>(k), static_cast<std::uint64_t>(n)},
               std::move(bytes));
  }
  void add_vector(const std::string& name, const std::vector<float>& values) {
    std::string bytes(values.size() * sizeof(float), '\0');
    std::memcpy(bytes.data(), values.data(), bytes.size());
    add_tensor(name, 0, {values.size()}, std::move(bytes));
  }

  std::string finish() const {
    ByteSink file;
    file.raw(magic);
    file.scalar<std::uint32_t>(version);
    file.scalar<std::uint64_t>(tensors_.size());
    file.scalar<std::uint64_t>(metadata_count_ + (alignment == 32 ? 0 : 1));
    file.raw(metadata_.bytes());
    if (alignment != 32) {
      file.text("general.alignment");
      file.scalar<std::uint32_t>(4);
      file.scalar<std::uint32_t>(static_cast<std::uint32_t>(alignment));
    }
    std::uint64_t next = 0;
    for (const TensorEntry& tensor : tensors_) {
      file.text(tensor.name);
      file.scalar<std::uint32_t>(static_cast<std::uint32_t>(tensor.dims.size()));
      for (std::uint64_t dim : tensor.dims) file.scalar<std::uint64_t>(dim);
      file.scalar<std::uint32_t>(tensor.type);
      file.scalar<std::uint64_t>(tensor.offset == kAutomatic ? next : tensor.offset);
      if (tensor.offset == kAutomatic) next += (tensor.bytes.size() + alignment - 1) / alignment * alignment;
    }
    file.pad_to(alignment);
    for (const TensorEntry& tensor : tensors_) {
      if (tensor.offset != kAutomatic) continue;
      file.raw(tensor.bytes);
      file.pad_to(alignment);
    }
    return file.bytes();
  }

  void write(const std::string& path) const {
    const std::string bytes = finish();
    std::ofstream out(path, std::ios::binary);
    out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    if (!out.flush()) throw std::runtime_error("cannot write " + path);
  }

 private:
  static constexpr std::uint64_t kAutomatic = ~std::uint64_t{0};
  struct TensorEntry {
    std::string name;
    std::uint32_t type;
    std::vector<std::uint64_t> dims;
    std::string bytes;
    std::uint64_t offset;
  };

  void begin(const std::string& key, std::uint32_t type) {
    ++metadata_count_;
    metadata_.text(key);
    metadata_.scalar<std::uint32_t>(type);
  }
  template <typename T>
  void scalar(const std::string& key, std::uint32_t type, T value) {
    begin(key, type);
    metadata_.scalar<T>(value);
  }
  template <typename T>
  void numbers(const std::string& key, std::uint32_t type, const std::vector<T>& values) {
    begin(key, 9);
    metadata_.scalar<std::uint32_t>(type);
    metadata_.scalar<std::uint64_t>(values.size());
    for (T value : values) metadata_.scalar<T>(value);
  }

  ByteSink metadata_;
  std::uint64_t metadata_count_ = 0;
  std::vector<TensorEntry> tensors_;
};

enum class Embeddings : std::uint8_t { kTied, kUntied };
enum class Vocabulary : std::uint8_t { kNone, kBytes };

// A complete llama model with random weights of variance 1/k: logits are finite and of the order of one.
// K-quants need widths that are multiples of 256.
struct TinyLlama {
  int layers = 2;
  std::int64_t width = 64;
  std::int64_t ffn_width = 96;
  std::int64_t heads = 4;
  std::int64_t kv_heads = 2;
  std::int64_t head_dim = 16;
  std::int64_t vocab = 288;
  std::int64_t max_context = 256;
  DType weights = DType::kF32;
  DType head = DType::kF32;  // the embedding's format where tied
  Embeddings embeddings = Embeddings::kTied;
  Vocabulary vocabulary = Vocabulary::kNone;  // kBytes: 256 byte tokens, <|im_start|>, <|im_end|> and fillers
  std::vector<float> rope_factors = {};       // of head_dim / 2, or empty
  std::uint64_t seed = 1;
};

// The printable character that stands for a byte in byte-level vocabularies, as UTF-8.
inline std::string byte_as_text(int byte) {
  int code = byte;
  const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  if (!printable) {
    code = 256 + (byte <= 32 ? byte : byte <= 160 ? byte - 127 + 33 : 67);  // the others count up from 256
  }
  if (code < 128) return std::string(1, static_cast<char>(code));
  return {static_cast<char>(0xc0 | (code >> 6)), static_cast<char>(0x80 | (code & 63))};
}

inline void add_byte_vocabulary(GgufWriter& writer, std::int64_t vocab) {
  std::vector<std::string> tokens;
  std::vector<std::int32_t> types;
  for (int byte = 0; byte < 256; ++byte) {
    tokens.push_back(byte_as_text(byte));
    types.push_back(1);
  }
  for (const char* special : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    tokens.push_back(special);
    types.push_back(3);
  }
  while (static_cast<std::int64_t>(tokens.size()) < vocab) {
    tokens.push_back("<filler" + std::to_string(tokens.size()) + ">");
    types.push_back(5);
  }
  writer.add_text("tokenizer.ggml.model", "gpt2");
  writer.add_text("tokenizer.ggml.pre", "smollm");
  writer.add_texts("tokenizer.ggml.tokens", tokens);
  writer.add_i32s("tokenizer.ggml.token_type", types);
  writer.add_texts("tokenizer.ggml.merges", {});
  writer.add_u32("tokenizer.ggml.bos_token_id", 257);
  writer.add_u32("tokenizer.ggml.eos_token_id", 258);
}

inline GgufWriter tiny_llama(const TinyLlama& t) {
  GgufWriter writer;
  writer.add_text("general.architecture", "llama");
  writer.add_text("general.name", "tiny");
  const auto count = [&](const char* key, std::int64_t value) {
    writer.add_u32(std::string("llama.") + key, static_cast<std::uint32_t>(value));
  };
  count("block_count", t.layers);
  count("context_length", t.max_context);
  count("embedding_length", t.width);
  count("feed_forward_length", t.ffn_width);
  count("attention.head_count", t.heads);
  count("attention.head_count_kv", t.kv_heads);
  if (t.head_dim * t.heads != t.width) {
    count("attention.key_length", t.head_dim);
    count("attention.value_length", t.head_dim);
  }
  count("rope.dimension_count", t.head_dim);
  writer.add_f32("llama.rope.freq_base", 10000.0f);
  writer.add_f32("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  if (t.vocabulary == Vocabulary::kBytes) add_byte_vocabulary(writer, t.vocab);

  Rng rng(t.seed);
  const auto matrix = [&](const std::string& name, DType type, std::int64_t n, std::int64_t k) {
    std::vector<float> values(static_cast<std::size_t>(n * k));
    const double scale = 1.0 / std::sqrt(static_cast<double>(k));
    for (float& value : values) value = static_cast<float>(rng.normal() * scale);
    writer.add_matrix(name, type, n, k, values);
  };
  const auto norm = [&](const std::string& name) {
    std::vector<float> values(static_cast<std::size_t>(t.width));
    for (float& value : values) value = static_cast<float>(1.0 + 0.1 * rng.normal());
    writer.add_vector(name, values);
  };
  matrix("token_embd.weight", t.head, t.vocab, t.width);
  if (!t.rope_factors.empty()) writer.add_vector("rope_freqs.weight", t.rope_factors);
  for (int layer = 0; layer < t.layers; ++layer) {
    const std::string prefix = "blk." + std::to_string(layer) + ".";
    norm(prefix + "attn_norm.weight");
    matrix(prefix + "attn_q.weight", t.weights, t.heads * t.head_dim, t.width);
    matrix(prefix + "attn_k.weight", t.weights, t.kv_heads * t.head_dim, t.width);
    matrix(prefix + "attn_v.weight", t.weights, t.kv_heads * t.head_dim, t.width);
    matrix(prefix + "attn_output.weight", t.weights, t.width, t.heads * t.head_dim);
    norm(prefix + "ffn_norm.weight");
    matrix(prefix + "ffn_gate.weight", t.weights, t.ffn_width, t.width);
    matrix(prefix + "ffn_up.weight", t.weights, t.ffn_width, t.width);
    matrix(prefix + "ffn_down.weight", t.weights, t.width, t.ffn_width);
  }
  norm("output_norm.weight");
  if (t.embeddings == Embeddings::kUntied) matrix("output.weight", t.head, t.vocab, t.width);
  return writer;
}

inline void write_tiny_llama(const std::string& path, const TinyLlama& t) { tiny_llama(t).write(path); }

}  // namespace hetero::test
