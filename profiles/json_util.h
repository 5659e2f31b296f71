// Internal to profiles: reading JSON documents field by field, with errors that say where. Never included by a public
// header, so that nlohmann/json.hpp stays inside the .cc files of this room.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

namespace hetero {

// A value inside a document and the way to it ("plan.buckets[2].tokens"). Borrows the document. Every reader throws
// input_error when the value is missing or of another type.
class JsonNode {
 public:
  JsonNode(const nlohmann::json& value, std::string path) : value_(&value), path_(std::move(path)) {}

  bool is_list() const { return value_->is_array(); }
  bool has(const std::string& key) const;  // an object with this member, and the member is not null
  JsonNode at(const std::string& key) const;

  std::string text() const;
  double number() const;  // finite
  std::int64_t integer(std::int64_t least, std::int64_t most) const;
  std::uint64_t unsigned_integer() const;
  bool truth() const;
  std::vector<JsonNode> items() const;                            // of an array
  std::vector<std::pair<std::string, JsonNode>> members() const;  // of an object, in order of key

  // Members that may be absent.
  std::string text_or(const std::string& key, const std::string& fallback) const;
  double number_or(const std::string& key, double fallback) const;
  std::vector<JsonNode> items_or_none(const std::string& key) const;
  std::vector<std::pair<std::string, JsonNode>> members_or_none(const std::string& key) const;

  [[noreturn]] void fail(const std::string& problem) const;

 private:
  const nlohmann::json* value_;
  std::string path_;
};

// Parses text that must be an object with "schema": `schema` and "version": 1 .. `newest`. Throws input_error; no text
// makes it crash.
nlohmann::json parse_document(const std::string& text, const std::string& schema, std::int64_t newest);

// An object that begins a document of this schema.
nlohmann::ordered_json new_document(const std::string& schema, std::int64_t version);

// Indented text with a final newline. Bytes that are not UTF-8 become U+FFFD: a driver's name must not make a document
// unwritable.
std::string document_text(const nlohmann::ordered_json& document);

}  // namespace hetero
