// The bounds-checked cursor over the bytes of a GGUF file, and how untrusted names are shown in errors.
// Internal to gguf.cc. Knows nothing of keys and tensors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace hetero {

// The name as one printable line of bounded length, in quotes: what a file says must not garble a terminal.
std::string shown(std::string_view untrusted);

class GgufReader {
 public:
  GgufReader(const std::byte* data, std::uint64_t bytes) : data_(data), bytes_(bytes) {}

  // Every read throws input_error when the file ends inside it; `what` names the thing for the message.
  template <typename T>
  T scalar(std::string_view what) {
    require(sizeof(T), what);
    T value;
    std::memcpy(&value, data_ + offset_, sizeof(T));
    offset_ += sizeof(T);
    return value;
  }
  // A 64-bit length and that many bytes. The view borrows the file's memory.
  std::string_view text(std::string_view what);

  // Throws unless `count` elements of at least `element_bytes` can still follow: before any allocation for them.
  void require_elements(std::uint64_t count, std::uint64_t element_bytes, std::string_view what) const;

  std::uint64_t offset() const { return offset_; }

 private:
  void require(std::uint64_t wanted, std::string_view what) const;

  const std::byte* data_;
  std::uint64_t bytes_;
  std::uint64_t offset_ = 0;
};

}  // namespace hetero
