// hetero-report: shows what the profile database holds, for people and for CI. This file is the command line only.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "base/error.h"
#include "reports/collect.h"
#include "reports/render_json.h"
#include "reports/render_markdown.h"

namespace hetero {
namespace {

struct ReportFlags {
  std::string database;           // empty: Store::default_path()
  std::string model_fingerprint;  // empty: every model
};

using Renderer = std::string (*)(const Report& report);

CLI::App* add_command(CLI::App& app, ReportFlags& flags, const std::string& name, const std::string& what) {
  CLI::App* command = app.add_subcommand(name, what);
  command->get_formatter()->column_width(34);
  command->add_option("--db", flags.database, "profile database");
  command->add_option("--model-fingerprint", flags.model_fingerprint, "of this model only (sixteen hex digits)");
  return command;
}

int print_report(const ReportFlags& flags, Renderer render) {
  const std::string path = flags.database.empty() ? Store::default_path() : flags.database;
  const std::unique_ptr<Store> store = Store::open(path, StoreAccess::kReadOnly);
  const std::string text = render(collect(*store, path, flags.model_fingerprint));
  // A cut report must not pass for a whole one, so a full disk or a closed pipe counts.
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw environment_error("the report cannot be written to standard output", "free some space or write elsewhere");
  }
  return static_cast<int>(ExitCode::kDone);
}

int fail(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return static_cast<int>(code);
}

int run(int argc, char** argv) {
  CLI::App app("Shows what hetero-tune measured, predicted and decided.");
  app.get_formatter()->column_width(34);
  app.require_subcommand(1);
  ReportFlags flags;
  const CLI::App* markdown =
      add_command(app, flags, "markdown", "for a pull request or a job summary, at most 60 lines");
  add_command(app, flags, "json", "everything, for programs");
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    return fail(ExitCode::kUsage, std::string(error.what()) + "; see hetero-report --help");
  }
  try {
    return print_report(flags, markdown->parsed() ? render_markdown : render_json);
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kEnvironment, "out of memory");
  } catch (const std::exception& error) {
    return fail(ExitCode::kEnvironment, error.what());
  }
}

}  // namespace
}  // namespace hetero

int main(int argc, char** argv) { return hetero::run(argc, argv); }
