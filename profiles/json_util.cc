#include "profiles/json_util.h"

#include <cmath>

#include "base/error.h"

namespace hetero {

void JsonNode::fail(const std::string& problem) const {
  throw input_error(path_ + ": " + problem, "correct the document or write it anew");
}

bool JsonNode::has(const std::string& key) const {
  if (!value_->is_object()) return false;
  const auto found = value_->find(key);
  return found != value_->end() && !found->is_null();
}

JsonNode JsonNode::at(const std::string& key) const {
  if (!value_->is_object()) fail("must be an object");
  const auto found = value_->find(key);
  if (found == value_->end()) fail("has no '" + key + "'");
  return JsonNode(*found, path_ + "." + key);
}

std::string JsonNode::text() const {
  if (!value_->is_string()) fail("must be a text");
  return value_->get<std::string>();
}

double JsonNode::number() const {
  if (!value_->is_number()) fail("must be a number");
  const double number = value_->get<double>();
  if (!std::isfinite(number)) fail("must be finite");
  return number;
}

std::int64_t JsonNode::integer(std::int64_t least, std::int64_t most) const {
  if (!value_->is_number_integer()) fail("must be a whole number");
  const bool too_large = value_->is_number_unsigned() && value_->get<std::uint64_t>() > std::uint64_t{INT64_MAX};
  const std::int64_t number = too_large ? 0 : value_->get<std::int64_t>();
  if (too_large || number < least || number > most) {
    fail("must be from " + std::to_string(least) + " to " + std::to_string(most));
  }
  return number;
}

std::uint64_t JsonNode::unsigned_integer() const {
  if (!value_->is_number_unsigned()) fail("must be a whole number that is not negative");
  return value_->get<std::uint64_t>();
}

bool JsonNode::truth() const {
  if (!value_->is_boolean()) fail("must be true or false");
  return value_->get<bool>();
}

std::vector<JsonNode> JsonNode::items() const {
  if (!value_->is_array()) fail("must be an array");
  std::vector<JsonNode> nodes;
  for (std::size_t i = 0; i < value_->size(); ++i) {
    nodes.emplace_back((*value_)[i], path_ + "[" + std::to_string(i) + "]");
  }
  return nodes;
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members() const {
  if (!value_->is_object()) fail("must be an object");
  std::vector<std::pair<std::string, JsonNode>> nodes;
  for (const auto& [key, value] : value_->items()) nodes.emplace_back(key, JsonNode(value, path_ + "." + key));
  return nodes;
}

std::string JsonNode::text_or(const std::string& key, const std::string& fallback) const {
  return has(key) ? at(key).text() : fallback;
}

double JsonNode::number_or(const std::string& key, double fallback) const {
  return has(key) ? at(key).number() : fallback;
}

std::vector<JsonNode> JsonNode::items_or_none(const std::string& key) const {
  return has(key) ? at(key).items() : std::vector<JsonNode>{};
}

std::vector<std::pair<std::string, JsonNode>> JsonNode::members_or_none(const std::string& key) const {
  return has(key) ? at(key).members() : std::vector<std::pair<std::string, JsonNode>>{};
}

nlohmann::json parse_document(const std::string& text, const std::string& schema, std::int64_t newest) {
  nlohmann::json document = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    throw input_error("not a " + schema + " document: the text is not complete JSON", "write it anew");
  }
  const JsonNode root(document, schema);
  if (const std::string found = root.at("schema").text(); found != schema) {
    root.fail("the document is a '" + found.substr(0, 80) + "'");
  }
  if (const std::int64_t version = root.at("version").integer(1, INT64_MAX); version > newest) {
    throw input_error(schema + " version " + std::to_string(version) + " is newer than this program understands (" +
                          std::to_string(newest) + ")",
                      "use a newer hetero");
  }
  return document;
}

nlohmann::ordered_json new_document(const std::string& schema, std::int64_t version) {
  return {{"schema", schema}, {"version", version}};
}

std::string document_text(const nlohmann::ordered_json& document) {
  return document.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace hetero
