#include "base/units.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>

#include "base/error.h"

namespace hetero {
namespace {

struct Unit {
  std::string_view name;
  double scale;
};

constexpr std::array<Unit, 6> kTimeUnits = {
    {{"ns", 1.0}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}}};
constexpr std::array<Unit, 7> kByteUnits = {
    {{"B", 1.0}, {"KiB", 1024.0}, {"MiB", 1048576.0}, {"GiB", 1073741824.0}, {"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}}};

template <std::size_t N>
double parse_with_unit(std::string_view text, const std::array<Unit, N>& units, const char* kind, const char* example) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view suffix = text.substr(static_cast<std::size_t>(end - text.data()));
  if (status == std::errc() && std::isfinite(value) && value >= 0) {
    for (const Unit& unit : units) {
      if (suffix == unit.name && value * unit.scale < 9e18) return value * unit.scale;
    }
  }
  throw usage_error("'" + std::string(text) + "' is not a " + kind,
                    std::string("write a number and a unit, for example ") + example);
}

std::string three_digits(double value, const char* unit) {
  char buffer[48];
  const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : 2;
  std::snprintf(buffer, sizeof buffer, "%.*f %s", decimals, value, unit);
  return buffer;
}

}  // namespace

Nanos parse_duration(std::string_view text) {
  return nanos_from(parse_with_unit(text, kTimeUnits, "duration", "60s or 250ms"));
}

std::uint64_t parse_bytes(std::string_view text) {
  return static_cast<std::uint64_t>(parse_with_unit(text, kByteUnits, "size", "64MiB or 2GB"));
}

std::string format_duration_ns(double ns) {
  if (ns < 1e3) return three_digits(ns, "ns");
  if (ns < 1e6) return three_digits(ns / 1e3, "us");
  if (ns < 1e9) return three_digits(ns / 1e6, "ms");
  return three_digits(ns / 1e9, "s");
}

std::string format_bytes(std::uint64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 1024) return std::to_string(bytes) + " B";
  if (value < 1048576.0) return three_digits(value / 1024.0, "KiB");
  if (value < 1073741824.0) return three_digits(value / 1048576.0, "MiB");
  return three_digits(value / 1073741824.0, "GiB");
}

}  // namespace hetero
