// Durations and sizes: the types, their parsing from flags and their printing for people.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace hetero {

// Points and spans of time on a Timeline, whole nanoseconds. A point counts from the timeline's own zero.
using Nanos = std::chrono::nanoseconds;

// Predicted and fitted times are fractional: plain doubles whose names end in _ns.
inline Nanos nanos_from(double ns) { return Nanos(static_cast<std::int64_t>(ns + 0.5)); }
inline double to_ns(Nanos t) { return static_cast<double>(t.count()); }

// "60s", "1.5m", "250ms", "10us", "5ns", "2h". A bare number is an error, since a unit is missing.
// Throws usage_error.
Nanos parse_duration(std::string_view text);

// "512B", "64KiB", "1.5GiB", "2GB" (powers of ten). Throws usage_error.
std::uint64_t parse_bytes(std::string_view text);

// Three significant digits and a unit that suits: "1.25 ms", "763 MiB".
std::string format_duration_ns(double ns);
std::string format_bytes(std::uint64_t bytes);

}  // namespace hetero
