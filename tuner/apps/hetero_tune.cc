// hetero-tune: measures the devices of this machine, solves for the division of a model between them, and keeps both.
// This file is the command line; the commands are beside it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "base/error.h"
#include "base/log.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

constexpr std::int64_t kMostTokens = 1 << 20;

struct Command {
  CLI::App* app;
  int (*run)(const TuneFlags&);
};

class CommandLine {
 public:
  explicit CommandLine(TuneFlags& flags)
      : flags_(flags), app_("Tunes how a language model is divided between the devices of this machine.") {
    app_.require_subcommand(1);
    app_.get_formatter()->column_width(34);
    app_.set_version_flag("--version", HETERO_VERSION);

    add("devices", "what is here, what each can do, and why something is not usable", run_devices);
    CLI::App* all = add("run", "measure, fit, solve, gate and store the plan", run_all);
    CLI::App* measure = add("measure", "only measure, and store the samples", run_measure);
    CLI::App* fit = add("fit", "only fit profiles to stored samples", run_fit);
    CLI::App* solve = add("solve", "only solve with stored profiles, and print the plan", run_solve);
    CLI::App* show = add("show", "what the database holds", run_show);
    CLI::App* explain = add("explain", "why each block is divided as it is", run_explain);
    CLI::App* out = add("export", "write the plan, the profiles or the shape as JSON", run_export);
    CLI::App* in = add("import", "store a plan or profiles that export wrote", run_import);
    CLI::App* merge = add("merge", "put databases together into a new one", run_merge);
    CLI::App* prune = add("prune", "remove what no longer serves from the database", run_prune);
    CLI::App* simulate =
        add("simulate", "a model's shape on the devices of a profile, on a virtual clock", run_simulate);
    CLI::App* lengths =
        add("lengths", "prompts that fit no graph: on demand, padded, in pieces, as solved", run_lengths);

    add_search_flags(*add("search", "the fastest parameters of a kernel; every result is recorded", run_search), flags);
    add_replay_flags(*add("replay", "search strategies on a recorded search, next to random search", run_replay),
                     flags);
    add_trial_flags(*add("search-trial", "one configuration of a search", run_search_trial), flags);

    for (CLI::App* a : {all, measure, fit, solve, explain, out, lengths}) {
      a->add_option("-m,--model", flags.model, a == out ? "GGUF file, of a plan or shape" : "GGUF file")
          ->required(a != out);
      a->add_option("--devices", flags.devices, "devices, separated by commas; 'hetero-tune devices' lists them");
    }
    for (CLI::App* a : {all, measure, fit, solve, show, explain, out, in, prune, lengths}) {
      a->add_option("--db", flags.database, "profile database");
    }
    lengths->add_option("--lengths", flags.lengths, "of prompts, ascending, separated by dots")->capture_default_str();
    lengths->add_option("--rounds", flags.rounds, "interleaved runs of each")
        ->check(CLI::Range(1, 1000))
        ->capture_default_str();
    for (CLI::App* a : {all, measure}) {
      a->add_option("--budget", flags.budget, "time for the whole run, with its unit: 60s, 5m")->capture_default_str();
      a->add_option("--rounds", flags.rounds, "samples of each subject, as far as the budget goes")
          ->check(CLI::Range(1, 1000))
          ->capture_default_str();
    }
    show->add_flag("--quality", flags.quality, "how far the last run can be trusted: errors, drift, time");
    out->add_option("--what", flags.what, "plan, profile or shape")
        ->check(CLI::IsMember({"plan", "profile", "shape"}))
        ->capture_default_str();
    out->add_option("-o,--out", flags.file, "file (default: stdout)");
    in->add_option("file", flags.file, "JSON file")->required();

    merge->add_option("files", flags.inputs, "databases")->required();
    merge->add_option("-o,--out", flags.file, "the new database")->required();
    prune->add_flag("--dry-run", flags.dry_run, "only say what would be removed");

    simulate
        ->add_option("--profile", flags.profile,
                     "shipped system profile or a .json file; NAME,FILE lays the file's figures over the other's")
        ->required();
    simulate->add_option("--shape", flags.shape, "shipped model shape, a .json file or a GGUF file")->required();
    simulate->add_option("--devices", flags.devices, "some of the profile's devices (default: all)");
    simulate->add_option("--prompt", flags.prompt, "tokens")
        ->check(CLI::Range(std::int64_t{1}, kMostTokens))
        ->capture_default_str();
    simulate->add_option("--generate", flags.generate, "tokens")
        ->check(CLI::Range(std::int64_t{0}, kMostTokens))
        ->capture_default_str();
    simulate
        ->add_option("--strategy", flags.strategy,
                     "best (all), layer (single, pad), tensor (all but paired), or some of single, rows, sequence, "
                     "hybrid, pad, paired")
        ->capture_default_str();
    simulate->add_option("--sync", flags.sync, "how the host waits: fast (the best that the profile knows) or driver")
        ->check(CLI::IsMember({"fast", "driver"}))
        ->capture_default_str();
    simulate
        ->add_option("--graphs", flags.graphs,
                     "of a static device: prepared, online (made when the prompt is there) or row counts: 64,256")
        ->capture_default_str();
    simulate->add_option("--grid", flags.grid, "shares are multiples of 1/N")
        ->check(CLI::Range(2, 256))
        ->capture_default_str();
    simulate->add_option("--plan", flags.plan, "run this plan (a document) instead of solving");
    simulate->add_option("--faults", flags.faults, "inject what this document says");
    simulate->add_option("--trace", flags.trace, "write a Chrome/Perfetto trace here");
  }

  // Throws CLI::ParseError.
  void parse(int argc, char** argv) { app_.parse(argc, argv); }
  int help(const CLI::Success& request) { return app_.exit(request); }
  int run() const {
    for (const Command& command : commands_) {
      if (command.app->parsed()) return command.run(flags_);
    }
    throw usage_error("no command was given", "see hetero-tune --help");
  }

 private:
  CLI::App* add(const std::string& name, const std::string& what, int (*command)(const TuneFlags&)) {
    CLI::App* app = app_.add_subcommand(name, what);
    app->get_formatter()->column_width(34);
    app->add_flag_callback(
        "--json", [this] { flags_.output = Output::kJson; }, "print JSON");
    app->add_flag_callback(
        "-q,--quiet", [] { set_verbosity(Verbosity::kQuiet); }, "no talk on stderr");
    app->add_flag_callback(
        "-v,--verbose", [] { set_verbosity(Verbosity::kVerbose); }, "more talk on stderr");
    commands_.push_back({app, command});
    return app;
  }

  TuneFlags& flags_;
  CLI::App app_;
  std::vector<Command> commands_;
};

// What was printed may still lie in a buffer: data that does not arrive is a failure.
void finish_stdout() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw environment_error("cannot write to stdout", "check the free space or the pipe");
  }
}

int fail(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return static_cast<int>(code);
}

int run(int argc, char** argv) {
  TuneFlags flags;
  for (int i = 0; i < argc; ++i) flags.command_line += (i == 0 ? "" : " ") + std::string(argv[i]);
  CommandLine line(flags);
  try {
    line.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    return line.help(request);
  } catch (const CLI::RequiredError&) {
    const std::string given = argc > 1 ? argv[1] : "";
    return fail(ExitCode::kUsage, (given.empty() ? "no command was given" : "there is no command '" + given + "'") +
                                      "; 'hetero-tune --help' lists them");
  } catch (const CLI::ParseError& error) {
    return fail(ExitCode::kUsage, std::string(error.what()) + "; see hetero-tune --help");
  }
  try {
    const int code = line.run();
    finish_stdout();
    return code;
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kEnvironment, "out of memory; use a smaller model or fewer devices");
  } catch (const std::exception& error) {
    return fail(ExitCode::kEnvironment, error.what());
  }
}

}  // namespace
}  // namespace hetero

int main(int argc, char** argv) { return hetero::run(argc, argv); }
