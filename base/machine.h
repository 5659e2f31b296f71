// When and on what a program runs, for the records that it leaves.
#pragma once

#include <string>

namespace hetero {

// The processor's name as the system gives it, or "unknown". Linux.
std::string cpu_name();

// Now, as 2026-11-21T22:30:00Z.
std::string utc_now();

}  // namespace hetero
