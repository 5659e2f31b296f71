// Loading: maps the file, builds graph, tokenizer and chat template, and derives the shape document.
#include "runtime/model/model.h"

#include <filesystem>

#include "base/error.h"
#include "runtime/model/arch/architectures.h"

namespace hetero {
namespace {

const WeightView* weight_of(const Graph& graph, const Block& block, std::string_view out) {
  for (const GraphOp& op : block.ops) {
    if (op.kind != OpKind::kMatmul) continue;
    if (out.empty() || graph.tensors[static_cast<std::size_t>(op.out)].name.ends_with(out)) return &op.weight;
  }
  throw input_error("the model's graph lacks a matmul that writes " + std::string(out));
}

// The same blocks as a document: everything is read off the graph, so the two cannot disagree.
ModelShape shape_of(const Graph& graph, const std::string& name) {
  ModelShape shape;
  shape.name = name;
  shape.architecture = graph.architecture;
  shape.layers = graph.layers;
  shape.width = graph.width;
  shape.vocab = graph.vocab;
  shape.max_context = graph.max_context;
  shape.layer_types.resize(static_cast<std::size_t>(graph.layers));
  for (const Block& block : graph.blocks) {
    if (block.kind == BlockKind::kHead) {
      shape.head_type = weight_of(graph, block, "")->type;
      continue;
    }
    LayerTypes& types = shape.layer_types[static_cast<std::size_t>(block.layer)];
    switch (block.kind) {
      case BlockKind::kAttentionIn:
        types.q = weight_of(graph, block, "q")->type;
        types.k = weight_of(graph, block, "k")->type;
        types.v = weight_of(graph, block, "v_cache")->type;
        break;
      case BlockKind::kAttention:
        shape.heads = block.ops.front().heads;
        shape.kv_heads = block.ops.front().kv_heads;
        shape.head_dim = block.ops.front().head_dim;
        break;
      case BlockKind::kAttentionOut:
        types.out = weight_of(graph, block, "")->type;
        break;
      case BlockKind::kFfnIn:
        types.gate = weight_of(graph, block, "gate")->type;
        types.up = weight_of(graph, block, "up")->type;
        shape.ffn_width = weight_of(graph, block, "gate")->n;
        break;
      case BlockKind::kFfnOut:
        types.down = weight_of(graph, block, "")->type;
        break;
      case BlockKind::kHead:
        break;
    }
  }
  return shape;
}

}  // namespace

std::unique_ptr<Model> Model::load(const std::string& path) {
  std::unique_ptr<Model> model(new Model);
  model->path_ = path;
  model->file_ = GgufFile::open(path);
  const GgufFile& file = *model->file_;
  try {
    model->graph_ = build_graph(file);
    const std::string* name = file.text("general.name");
    model->shape_ = shape_of(model->graph_, name ? *name : std::filesystem::path(path).stem().string());
    if (file.find("tokenizer.ggml.model") != nullptr) {
      model->tokenizer_ = Tokenizer::from_gguf(file);
      if (model->tokenizer_->vocab_size() > model->graph_.vocab)
        throw input_error("the vocabulary has " + std::to_string(model->tokenizer_->vocab_size()) +
                              " tokens but the model knows " + std::to_string(model->graph_.vocab),
                          "the file is damaged: fetch it again");
    }
    if (const std::string* text = file.text("tokenizer.chat_template")) {
      model->chat_template_ = ChatTemplate::recognise(*text);
    }
  } catch (const Error& error) {
    throw Error(error.code(), path + ": " + error.what());
  }
  for (const auto& [name, view] : file.tensors()) {
    model->parameters_ += static_cast<std::uint64_t>(view.n) * static_cast<std::uint64_t>(view.k);
  }
  return model;
}

}  // namespace hetero
