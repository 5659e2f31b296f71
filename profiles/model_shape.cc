#include "profiles/model_shape.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/fingerprint.h"
#include "profiles/json_util.h"

namespace hetero {
namespace {

constexpr const char* kSchema = "hetero.model_shape";
constexpr std::int64_t kLargest = std::int64_t{1} << 24;  // of any dimension: products of two stay far from overflow

struct TypeField {
  const char* name;
  DType LayerTypes::*member;
};
constexpr std::array<TypeField, 7> kTypeFields = {{{"q", &LayerTypes::q},
                                                   {"k", &LayerTypes::k},
                                                   {"v", &LayerTypes::v},
                                                   {"out", &LayerTypes::out},
                                                   {"gate", &LayerTypes::gate},
                                                   {"up", &LayerTypes::up},
                                                   {"down", &LayerTypes::down}}};

struct DimField {
  const char* name;
  std::int64_t ModelShape::*member;
};
constexpr std::array<DimField, 7> kDimFields = {{{"width", &ModelShape::width},
                                                 {"ffn_width", &ModelShape::ffn_width},
                                                 {"heads", &ModelShape::heads},
                                                 {"kv_heads", &ModelShape::kv_heads},
                                                 {"head_dim", &ModelShape::head_dim},
                                                 {"vocab", &ModelShape::vocab},
                                                 {"max_context", &ModelShape::max_context}}};

DType dtype_of(const JsonNode& node) {
  const std::string name = node.text();
  const std::optional<DType> type = dtype_from_name(name);
  if (!type) node.fail("'" + name.substr(0, 80) + "' is not a weight format");
  return *type;
}

OpDesc matmul(std::int64_t m, std::int64_t n, std::int64_t k, DType w) {
  return {.kind = OpKind::kMatmul, .m = m, .n = n, .k = k, .w = w};
}
OpDesc elementwise(OpKind kind, std::int64_t m, std::int64_t n) { return {.kind = kind, .m = m, .n = n}; }
OpDesc rope(std::int64_t m, std::int64_t n, std::int64_t head_dim) {
  return {.kind = OpKind::kRope, .m = m, .n = n, .head_dim = head_dim};
}

}  // namespace

std::string fingerprint(const ModelShape& shape) {
  // Name, architecture and longest context do not change what a step costs. Layers are written out one by one, so that
  // one entry for all and equal entries for each are the same shape.
  std::string text = "model_shape 1 layers=" + std::to_string(shape.layers);
  for (const DimField& field : kDimFields) {
    if (field.member == &ModelShape::max_context) continue;
    text += std::string(" ") + field.name + "=" + std::to_string(shape.*field.member);
  }
  text += " head=" + std::string(info(shape.head_type).name);
  for (int layer = 0; layer < shape.layers && !shape.layer_types.empty(); ++layer) {
    for (const TypeField& field : kTypeFields) text += " " + std::string(info(shape.types(layer).*field.member).name);
  }
  return fingerprint_text(text);
}

std::vector<OpDesc> block_ops(const ModelShape& shape, BlockKind kind, int layer, std::int64_t m,
                              std::int64_t context) {
  const std::int64_t q_width = shape.heads * shape.head_dim;
  const std::int64_t kv_width = shape.kv_heads * shape.head_dim;
  if (kind == BlockKind::kHead) {
    return {elementwise(OpKind::kRmsNorm, m, shape.width), matmul(m, shape.vocab, shape.width, shape.head_type)};
  }
  const LayerTypes& types = shape.types(layer);
  switch (kind) {
    case BlockKind::kAttentionIn:
      return {elementwise(OpKind::kRmsNorm, m, shape.width),
              matmul(m, q_width, shape.width, types.q),
              matmul(m, kv_width, shape.width, types.k),
              matmul(m, kv_width, shape.width, types.v),
              rope(m, q_width, shape.head_dim),
              rope(m, kv_width, shape.head_dim)};
    case BlockKind::kAttention:
      return {{.kind = OpKind::kAttention,
               .m = m,
               .n = q_width,
               .heads = shape.heads,
               .kv_heads = shape.kv_heads,
               .head_dim = shape.head_dim,
               .context = context}};
    case BlockKind::kAttentionOut:
      return {matmul(m, shape.width, q_width, types.out)};
    case BlockKind::kFfnIn:
      return {elementwise(OpKind::kRmsNorm, m, shape.width), matmul(m, shape.ffn_width, shape.width, types.gate),
              matmul(m, shape.ffn_width, shape.width, types.up), elementwise(OpKind::kSwiGlu, m, shape.ffn_width)};
    case BlockKind::kFfnOut:
      return {matmul(m, shape.width, shape.ffn_width, types.down)};
    case BlockKind::kHead:
      break;
  }
  return {};
}

double layer_weights(const ModelShape& shape) {
  double weights = 0;
  for (int kind = 0; kind < kBlockKinds; ++kind) {
    if (static_cast<BlockKind>(kind) == BlockKind::kHead) continue;
    for (const OpDesc& op : block_ops(shape, static_cast<BlockKind>(kind), 0, 1, 1)) {
      if (op.kind == OpKind::kMatmul) weights += static_cast<double>(op.n) * static_cast<double>(op.k);
    }
  }
  return weights;
}

std::string to_json(const ModelShape& shape) {
  nlohmann::ordered_json document = new_document(kSchema, 1);
  document["name"] = shape.name;
  document["architecture"] = shape.architecture;
  document["layers"] = shape.layers;
  for (const DimField& field : kDimFields) document[field.name] = shape.*field.member;
  document["layer_types"] = nlohmann::ordered_json::array();
  for (const LayerTypes& types : shape.layer_types) {
    nlohmann::ordered_json entry;
    for (const TypeField& field : kTypeFields) entry[field.name] = info(types.*field.member).name;
    document["layer_types"].push_back(std::move(entry));
  }
  document["head_type"] = info(shape.head_type).name;
  return document_text(document);
}

ModelShape model_shape_from_json(const std::string& text) {
  const nlohmann::json document = parse_document(text, kSchema, 1);
  const JsonNode root(document, "model shape");
  ModelShape shape;
  shape.name = root.at("name").text();
  shape.architecture = root.at("architecture").text();
  shape.layers = static_cast<int>(root.at("layers").integer(1, 10000));
  for (const DimField& field : kDimFields) shape.*field.member = root.at(field.name).integer(1, kLargest);
  if (shape.heads % shape.kv_heads != 0) root.at("heads").fail("must be a multiple of kv_heads");
  if (shape.heads * shape.head_dim > kLargest) root.at("head_dim").fail("is too large for so many heads");
  const JsonNode list = root.at("layer_types");
  for (const JsonNode& entry : list.items()) {
    LayerTypes types;
    for (const TypeField& field : kTypeFields) types.*field.member = dtype_of(entry.at(field.name));
    shape.layer_types.push_back(types);
  }
  const std::size_t count = shape.layer_types.size();
  if (count != 1 && count != static_cast<std::size_t>(shape.layers)) {
    list.fail("must have one entry for all layers or one for each");
  }
  shape.head_type = dtype_of(root.at("head_type"));
  return shape;
}

}  // namespace hetero
