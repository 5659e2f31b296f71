// hetero-report compare: two files, two runs, or two builds that it runs in alternation itself.
#include <charconv>
#include <cstdio>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "reports/apps/report_commands.h"
#include "reports/compare.h"
#include "reports/paired.h"
#include "reports/render_compare.h"

namespace hetero {
namespace {

struct CompareFlags {
  std::string a;
  std::string b;
  bool paired = false;
  int rounds = 10;
  std::string save;  // prefix of the files for what --paired measured
  std::string threshold = "3%";
  double alpha = 0.01;
  std::string filter;
  bool anyway = false;
  bool json = false;
  bool markdown = false;
  bool junit = false;
  std::string output;
};

std::pair<BenchmarkSet, BenchmarkSet> sets_of(const CompareFlags& flags) {
  if (!flags.paired) return {load_benchmarks(flags.a), load_benchmarks(flags.b)};
  Progress progress("compare");
  PairedOptions options;
  options.rounds = flags.rounds;
  options.progress = [&](double fraction, const std::string& now) { progress.update(fraction, now, -1); };
  auto sets = run_paired(flags.a, flags.b, options);
  if (!flags.save.empty()) {
    write_output(to_google_json(sets.first), flags.save + "-a.json");
    write_output(to_google_json(sets.second), flags.save + "-b.json");
  }
  return sets;
}

int run_compare(const CompareFlags& flags) {
  if (flags.json + flags.markdown + flags.junit > 1) {
    throw usage_error("--json, --markdown and --junit exclude each other");
  }
  if (!flags.paired && !flags.save.empty()) throw usage_error("--save goes with --paired only");
  CompareOptions options;
  options.threshold = parse_percent(flags.threshold);
  options.alpha = flags.alpha;
  options.filter = flags.filter;
  const auto [a, b] = sets_of(flags);
  const std::vector<std::string> apart = differences(a, b);
  if (!apart.empty() && !flags.anyway) {
    std::string list;
    for (const std::string& line : apart) list += (list.empty() ? "" : "; ") + line;
    throw input_error("A and B are not comparable (" + list + ")", "--anyway compares them all the same");
  }
  Comparison comparison = compare(a, b, options);
  for (const std::string& line : apart) comparison.warnings.push_back("not comparable: " + line);
  for (const std::string& name : recorded_once(a, b)) {
    comparison.warnings.push_back("only one side records its " + name + ", so that it may differ");
  }
  for (const std::string& warning : comparison.warnings) log_warning(warning);
  write_output(flags.json       ? render_json(comparison)
               : flags.markdown ? render_markdown(comparison)
               : flags.junit    ? render_junit(comparison)
                                : render_text(comparison),
               flags.output);
  const bool slower = comparison.count(Finding::kSlower) > 0;
  return static_cast<int>(slower ? ExitCode::kCheckFailed : ExitCode::kDone);
}

}  // namespace

double parse_percent(const std::string& text) {
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc() || std::string_view(end, text.data() + text.size()) != "%" || !(value >= 0) ||
      value > 1000) {
    throw usage_error("'" + text + "' is not a percentage", "write --threshold 3%, for example");
  }
  return value / 100;
}

ReportCommand add_compare_command(CLI::App& app) {
  auto flags = std::make_shared<CompareFlags>();  // CLI11 keeps pointers to its members until it has parsed
  CLI::App* command = app.add_subcommand("compare", "are two sets of times different? exit code 1 on a regression");
  command->get_formatter()->column_width(34);
  command->add_option("A", flags->a, "before: FILE.db, FILE.db#RUN, bench JSON; --paired: a command")->required();
  command->add_option("B", flags->b, "after: the same")->required();
  command->add_flag("--paired", flags->paired, "A and B are commands that print bench JSON; run them in alternation");
  command->add_option("--rounds", flags->rounds, "of --paired; each gives one sample (10)")->check(CLI::Range(2, 1000));
  command->add_option("--save", flags->save, "keep what --paired measured as PREFIX-a.json and PREFIX-b.json");
  command->add_option("--threshold", flags->threshold, "smaller changes do not matter (3%)");
  command->add_option("--alpha", flags->alpha, "chance of any false alarm in the table (0.01)")
      ->check(CLI::Range(1e-9, 0.5));
  command->add_option("--filter", flags->filter, "only benchmarks whose name holds this text");
  command->add_flag("--anyway", flags->anyway, "compare what is not comparable");
  command->add_flag("--json", flags->json, "for programs (hetero.compare, version 1)");
  command->add_flag("--markdown", flags->markdown, "for a pull request, at most 60 lines");
  command->add_flag("--junit", flags->junit, "for CI systems");
  command->add_option("-o,--output", flags->output, "file to write instead of stdout");
  return [flags] { return run_compare(*flags); };
}

}  // namespace hetero
