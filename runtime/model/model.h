// A loaded model: the mapped GGUF file, its graph, its tokenizer and chat template.
// Read-only after load(); may be used from several threads.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "profiles/model_shape.h"
#include "runtime/model/chat_template.h"
#include "runtime/model/gguf.h"
#include "runtime/model/graph.h"
#include "runtime/model/tokenizer.h"

namespace hetero {

class Model {
 public:
  // Maps the file and checks everything that running it relies on. Throws environment_error (cannot be read) or
  // input_error (not a GGUF v3 file, truncated, unknown architecture or type, inconsistent shapes).
  static std::unique_ptr<Model> load(const std::string& path);

  const std::string& path() const { return path_; }
  const GgufFile& file() const { return *file_; }
  const Graph& graph() const { return graph_; }
  const ModelShape& shape() const { return shape_; }  // the same blocks as a document, with the fingerprint
  const Tokenizer* tokenizer() const { return tokenizer_.get(); }  // null: the file has no vocabulary
  const ChatTemplate& chat_template() const { return chat_template_; }
  std::uint64_t parameters() const { return parameters_; }

 private:
  Model() = default;
  std::string path_;
  std::unique_ptr<GgufFile> file_;
  Graph graph_;
  ModelShape shape_;
  std::unique_ptr<Tokenizer> tokenizer_;
  ChatTemplate chat_template_;
  std::uint64_t parameters_ = 0;
};

}  // namespace hetero
