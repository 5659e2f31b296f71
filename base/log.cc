#include "base/log.h"

#include <cstdio>

namespace hetero {
namespace {

// A setting of the program's talk, not of any device: the one global of the project.
Verbosity g_verbosity = Verbosity::kNormal;

void write_line(const char* prefix, const std::string& line) { std::fprintf(stderr, "%s%s\n", prefix, line.c_str()); }

}  // namespace

void set_verbosity(Verbosity level) { g_verbosity = level; }
Verbosity verbosity() { return g_verbosity; }

void log_warning(const std::string& line) {
  if (g_verbosity != Verbosity::kQuiet) write_line("warning: ", line);
}

void log_note(const std::string& line) {
  if (g_verbosity != Verbosity::kQuiet) write_line("", line);
}

void log_detail(const std::string& line) {
  if (g_verbosity == Verbosity::kVerbose) write_line("  ", line);
}

}  // namespace hetero
