// A memory-mapped GGUF v3 file: metadata and tensor views. Parses untrusted bytes: every length is checked before use.
// Does not know what the metadata means.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "kernels/host_op.h"

namespace hetero {

using GgufValue = std::variant<std::uint64_t, std::int64_t, double, bool, std::string, std::vector<std::uint64_t>,
                               std::vector<std::int64_t>, std::vector<double>, std::vector<std::string>>;

class GgufFile {
 public:
  // Throws environment_error when the file cannot be opened or mapped, input_error when it is not sound.
  static std::unique_ptr<GgufFile> open(const std::string& path);
  // The same on bytes in memory, which are borrowed: for tests and fuzzing.
  static std::unique_ptr<GgufFile> parse(const std::byte* data, std::size_t bytes);

  // Null when the key is absent. The typed forms throw input_error when it has another type or does not fit.
  const GgufValue* find(std::string_view key) const;
  std::optional<std::int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  const std::string* text(std::string_view key) const;
  const std::vector<std::string>* texts(std::string_view key) const;

  // Vectors come as n = 1. Null when absent.
  const WeightView* tensor(std::string_view name) const;
  const std::map<std::string, WeightView, std::less<>>& tensors() const { return tensors_; }
  std::uint64_t file_bytes() const { return bytes_; }

 private:
  GgufFile() = default;
  const std::byte* data_ = nullptr;
  std::uint64_t bytes_ = 0;
  std::unique_ptr<MappedFile> mapping_;  // null: parsed from memory
  std::map<std::string, GgufValue, std::less<>> metadata_;
  std::map<std::string, WeightView, std::less<>> tensors_;
};

}  // namespace hetero
