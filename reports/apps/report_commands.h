// Internal to apps/: the subcommands of hetero-report. Each adds itself to the command line and can be run once it was
// parsed. They throw hetero::Error; main() turns that into an exit code.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

namespace hetero {

// Runs the command; the program's exit code.
using ReportCommand = std::function<int()>;

// "compare", in compare_command.cc.
ReportCommand add_compare_command(CLI::App& app);

// "history", in history_command.cc.
ReportCommand add_history_command(CLI::App& app);

// "3%" as 0.03, up to 1000 %. Throws usage_error.
double parse_percent(const std::string& text);

// The text to stdout, or whole to `path` where it is not empty. Throws environment_error when it cannot be written; a
// file that was there before then stays as it was.
void write_output(const std::string& text, const std::string& path);

}  // namespace hetero
