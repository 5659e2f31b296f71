// Bounds-checked reading; see gguf_reader.h. Thread rule: a reader belongs to one thread.
#include "runtime/model/gguf_reader.h"

#include <algorithm>

#include "base/error.h"

namespace hetero {

std::string shown(std::string_view untrusted) {
  constexpr std::size_t kMost = 80;
  std::string out = "\"";
  for (char c : untrusted.substr(0, kMost)) out += (c >= 0x20 && c < 0x7f) ? c : '?';
  if (untrusted.size() > kMost) out += "...";
  return out + "\"";
}

void GgufReader::require(std::uint64_t wanted, std::string_view what) const {
  if (wanted <= bytes_ - offset_) return;
  throw input_error("the file ends at byte " + std::to_string(bytes_) + " inside " + std::string(what),
                    "it is truncated or damaged: fetch it again");
}

std::string_view GgufReader::text(std::string_view what) {
  const auto length = scalar<std::uint64_t>(what);
  require(length, what);
  const std::string_view view(reinterpret_cast<const char*>(data_ + offset_), length);
  offset_ += length;
  return view;
}

void GgufReader::require_elements(std::uint64_t count, std::uint64_t element_bytes, std::string_view what) const {
  if (count <= (bytes_ - offset_) / element_bytes) return;
  throw input_error(
      std::string(what) + " claims " + std::to_string(count) + " elements, more than the file has room for",
      "it is truncated or damaged: fetch it again");
}

}  // namespace hetero
