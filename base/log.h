// Talk on stderr: warnings and notes of one line each. Data goes to stdout and never through here.
// Thread-safe: a line is written whole.
#pragma once

#include <string>

namespace hetero {

enum class Verbosity { kQuiet, kNormal, kVerbose };

// The program sets it once, before it starts threads.
void set_verbosity(Verbosity level);
Verbosity verbosity();

void log_warning(const std::string& line);  // always, unless quiet
void log_note(const std::string& line);     // always, unless quiet
void log_detail(const std::string& line);   // only when verbose

}  // namespace hetero
