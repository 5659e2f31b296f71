// hetero-report: shows what the profile database holds, for people and for CI. This file is the command line only.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "reports/apps/report_commands.h"
#include "reports/characteristics.h"
#include "reports/collect.h"
#include "reports/html/render_html.h"
#include "reports/junit.h"
#include "reports/render_json.h"
#include "reports/render_markdown.h"

namespace hetero {
namespace {

struct ReportFlags {
  std::string database;               // empty: Store::default_path()
  std::string model_fingerprint;      // empty: every model
  std::string output;                 // empty: stdout
  std::string trace;                  // html: files beside the database; may be empty
  std::vector<std::string> searches;  // html
  std::vector<std::string> rates;     // html, markdown
};

struct Rendered {
  std::string text;
  ExitCode code = ExitCode::kDone;
};

Trace trace_of(const std::string& path) {
  const std::string text = read_file(path);
  try {
    return trace_from_chrome_json(text);
  } catch (const Error& error) {  // it does not know the file's name
    throw input_error(path + " is no trace that can be drawn (" + error.what() + ")",
                      "give what hetero-infer --trace wrote");
  }
}

std::vector<RateRow> rates_of(const ReportFlags& flags) {
  std::vector<RateRow> rates;
  for (const std::string& file : flags.rates) {
    for (RateRow& row : rate_rows_from_json(read_file(file), file)) rates.push_back(std::move(row));
  }
  return rates;
}

Rendered as_markdown(const Store& store, const Report& report, const ReportFlags& flags) {
  if (flags.rates.empty()) return {render_markdown(report)};
  return {render_markdown(report, rates_of(flags), limits_of(characteristics(store, report)))};
}
Rendered as_json(const Store&, const Report& report, const ReportFlags&) { return {render_json(report)}; }
Rendered as_html(const Store& store, const Report& report, const ReportFlags& flags) {
  Extras extras;
  if (!flags.trace.empty()) extras.trace = {flags.trace, trace_of(flags.trace)};
  for (const std::string& file : flags.searches) {
    extras.searches.push_back(search_record_from_json(read_file(file), file));
  }
  extras.rates = rates_of(flags);
  return {render_html(report, characteristics(store, report), extras)};
}
Rendered as_junit(const Store&, const Report& report, const ReportFlags&) {
  const std::vector<JunitSuite> suites = junit_suites(report);
  return {junit_text(suites), any_failed(suites) ? ExitCode::kCheckFailed : ExitCode::kDone};
}

using Renderer = Rendered (*)(const Store& store, const Report& report, const ReportFlags& flags);
struct Form {
  const char* name;
  const char* what;
  Renderer render;
};
constexpr Form kForms[] = {
    {"markdown", "for a pull request or a job summary, at most 60 lines", as_markdown},
    {"json", "everything, for programs (hetero.report, version 1)", as_json},
    {"html", "pictures, in one file that needs no network", as_html},
    {"junit", "verdicts and states as test cases; exit code 1 if one failed", as_junit},
};

int print_report(const ReportFlags& flags, Renderer render) {
  const std::string path = flags.database.empty() ? Store::default_path() : flags.database;
  const std::unique_ptr<Store> store = Store::open(path, StoreAccess::kReadOnly);
  const Rendered rendered = render(*store, collect(*store, path, flags.model_fingerprint), flags);
  write_output(rendered.text, flags.output);
  return static_cast<int>(rendered.code);
}

int fail(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return static_cast<int>(code);
}

int run(int argc, char** argv) {
  CLI::App app("Shows what hetero-tune measured, predicted and decided, and compares times.");
  app.get_formatter()->column_width(34);
  app.require_subcommand(1);
  app.add_flag_callback(
      "-q,--quiet", [] { set_verbosity(Verbosity::kQuiet); }, "no talk on stderr");
  ReportFlags flags;
  std::vector<std::pair<CLI::App*, Renderer>> forms;
  for (const Form& form : kForms) {
    CLI::App* command = app.add_subcommand(form.name, form.what);
    command->get_formatter()->column_width(34);
    command->add_option("--db", flags.database, "profile database");
    command->add_option("--model-fingerprint", flags.model_fingerprint, "of this model only (sixteen hex digits)");
    command->add_option("-o,--output", flags.output, "file to write instead of stdout");
    if (form.render == as_html) {
      command->add_option("--trace", flags.trace, "draw timelines of this trace (hetero-infer --trace)");
      command->add_option("--search", flags.searches, "draw this kernel search (hetero-tune search -o); repeatable");
    }
    if (form.render == as_html || form.render == as_markdown) {
      command->add_option("--bench", flags.rates, "show these rates (hetero-infer --bench --json); repeatable");
    }
    forms.emplace_back(command, form.render);
  }
  const ReportCommand compare = add_compare_command(app);
  const ReportCommand history = add_history_command(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    return fail(ExitCode::kUsage, std::string(error.what()) + "; see hetero-report --help");
  }
  try {
    for (const auto& [command, render] : forms) {
      if (command->parsed()) return print_report(flags, render);
    }
    return app.got_subcommand("history") ? history() : compare();
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kEnvironment, "out of memory");
  } catch (const std::exception& error) {
    return fail(ExitCode::kEnvironment, error.what());
  }
}

}  // namespace

void write_output(const std::string& text, const std::string& path) {
  if (!path.empty()) return write_file(path, text);
  // A cut report must not pass for a whole one, so a full disk or a closed pipe counts.
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size() || std::fflush(stdout) != 0) {
    throw environment_error("the report cannot be written to standard output", "free some space or write elsewhere");
  }
}

}  // namespace hetero

int main(int argc, char** argv) { return hetero::run(argc, argv); }
