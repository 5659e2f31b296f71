#include "runtime/device/size_list.h"

#include <charconv>

#include "base/error.h"

namespace hetero {

std::vector<std::int64_t> parse_size_list(const std::string& text) {
  std::vector<std::int64_t> sizes;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::int64_t size = 0;
    const auto [stop, status] = std::from_chars(at, end, size);
    const bool ascends = sizes.empty() || size > sizes.back();
    if (status != std::errc() || size < 1 || size > 65536 || !ascends || (stop != end && *stop != '.')) {
      throw usage_error("'" + text + "' is not a list of sizes", "write for example sizes=1.32.128, ascending");
    }
    sizes.push_back(size);
    if (stop == end) return sizes;
    at = stop + 1;
  }
}

std::string size_list_text(const std::vector<std::int64_t>& sizes) {
  std::string text;
  for (const std::int64_t size : sizes) text += (text.empty() ? "" : ".") + std::to_string(size);
  return text;
}

}  // namespace hetero
