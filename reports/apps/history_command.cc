// hetero-report history: benchmarks over commits, from one file a commit.
#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "reports/apps/report_commands.h"
#include "reports/render_history.h"

namespace hetero {
namespace {

struct HistoryFlags {
  std::vector<std::string> files;
  std::string threshold = "3%";
  double alpha = 0.01;
  std::string filter;
  bool anyway = false;
  bool json = false;
  bool html = false;
  std::string output;
};

// "LABEL=FILE", where that is not itself a file's name.
std::pair<std::string, std::string> label_and_file(const std::string& text) {
  const std::size_t at = text.find('=');
  std::error_code ignored;
  if (at == std::string::npos || at == 0 || text.find('/') < at || std::filesystem::exists(text, ignored)) {
    return {"", text};
  }
  return {text.substr(0, at), text.substr(at + 1)};
}

// What names the commit: the command line, else the file's contents, else the file's name.
std::string label_of(const std::string& given, const BenchmarkSet& set) {
  if (!given.empty()) return given;
  if (!set.commit.empty()) return set.commit.substr(0, 12);
  const std::filesystem::path path(set.source);
  const std::string name = path.filename().string();
  const std::size_t run = name.rfind('#');
  return path.stem().string() + (run == std::string::npos || path.stem().string().size() > run ? "" : name.substr(run));
}

int run_history(const HistoryFlags& flags) {
  if (flags.json && flags.html) throw usage_error("--json and --html exclude each other");
  if (flags.files.size() < 2) throw usage_error("a history needs two files at least", "the oldest comes first");
  CompareOptions options;
  options.threshold = parse_percent(flags.threshold);
  options.alpha = flags.alpha;
  options.filter = flags.filter;
  std::vector<BenchmarkSet> sets;
  std::vector<std::string> labels;
  std::set<std::string> known;
  std::vector<std::string> warnings;
  for (const std::string& text : flags.files) {
    const auto [given, file] = label_and_file(text);
    sets.push_back(load_benchmarks(file));
    labels.push_back(label_of(given, sets.back()));
    if (!known.insert(labels.back()).second) {
      throw usage_error("two files are both '" + labels.back() + "'", "name them: LABEL=FILE");
    }
    for (const std::string& line : differences(sets.front(), sets.back())) {
      const std::string problem = labels.front() + " and " + labels.back() + " are not comparable (" + line + ")";
      if (!flags.anyway) throw input_error(problem, "--anyway draws them all the same");
      warnings.push_back(problem);
    }
  }
  History history = history_of(sets, labels, options);
  history.warnings.insert(history.warnings.begin(), warnings.begin(), warnings.end());
  for (const std::string& warning : history.warnings) log_warning(warning);
  write_output(flags.json   ? render_json(history)
               : flags.html ? render_html(history)
                            : render_text(history),
               flags.output);
  return static_cast<int>(ExitCode::kDone);
}

}  // namespace

ReportCommand add_history_command(CLI::App& app) {
  auto flags = std::make_shared<HistoryFlags>();  // CLI11 keeps pointers to its members until it has parsed
  CLI::App* command = app.add_subcommand("history", "benchmarks over commits, each against the one before");
  command->get_formatter()->column_width(34);
  command
      ->add_option("FILES", flags->files,
                   "the oldest first, as [LABEL=]FILE: FILE.db, FILE.db#RUN or bench JSON; without a label the commit "
                   "that the file records, or its name")
      ->required();
  command->add_option("--filter", flags->filter, "only benchmarks whose name holds this text");
  command->add_option("--threshold", flags->threshold, "smaller changes do not matter (3%)");
  command->add_option("--alpha", flags->alpha, "chance of any false alarm in the history (0.01)")
      ->check(CLI::Range(1e-9, 0.5));
  command->add_flag("--anyway", flags->anyway, "draw what is not comparable");
  command->add_flag("--json", flags->json, "for programs (hetero.history, version 1)");
  command->add_flag("--html", flags->html, "charts, in one file that needs no network");
  command->add_option("-o,--output", flags->output, "file to write instead of stdout");
  return [flags] { return run_history(*flags); };
}

}  // namespace hetero
