#include "reports/markup.h"

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace hetero {
namespace {

// JSON's writer knows what UTF-8 is: through it and back, whatever is not becomes U+FFFD.
std::string valid_utf8(std::string_view text) {
  using Json = nlohmann::json;
  return Json::parse(Json(std::string(text)).dump(-1, ' ', false, Json::error_handler_t::replace)).get<std::string>();
}

enum class LineBreaks : std::uint8_t { kKeep, kDrop };

std::string escaped(std::string_view text, LineBreaks breaks) {
  std::string out;
  for (const char c : valid_utf8(text)) {
    switch (c) {
      case '\n':
        out += breaks == LineBreaks::kKeep ? '\n' : ' ';
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return out;
}

}  // namespace

std::string escape_markup(std::string_view text) { return escaped(text, LineBreaks::kDrop); }
std::string escape_markup_lines(std::string_view text) { return escaped(text, LineBreaks::kKeep); }

std::string format_value(double value, const std::string& unit) {
  if (unit == "ns") return format_duration_ns(value);
  char number[64];
  std::snprintf(number, sizeof number, std::abs(value) >= 1000 ? "%.0f" : "%.3g", value);
  return unit.empty() ? std::string(number) : number + (" " + unit);
}

}  // namespace hetero
