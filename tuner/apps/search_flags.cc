#include "tuner/apps/search_flags.h"

#include <CLI/CLI.hpp>

#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

void add_kernel_flags(CLI::App& app, TuneFlags& flags) {
  app.add_option("--op", flags.search.op, "what to compute: \"matmul m=1 n=2048 k=2048 w=q4_0 a=f32\"")->required();
  app.add_option("--device", flags.devices, "one device; 'hetero-tune devices' lists them")->required();
  app.add_option("--variant", flags.search.variant, "kernel of the catalogue, with parameters")->required();
  app.add_option("--rounds", flags.rounds, "samples of each configuration")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
}

}  // namespace

void add_replay_flags(CLI::App& replay, TuneFlags& flags) {
  replay.add_option("--space", flags.search.space, "recorded search: T4 results or a Kernel Tuner cache")->required();
  replay
      .add_option("--strategy", flags.search.strategy, "guided, local, successive_halving, exhaustive; several by ','")
      ->capture_default_str();
  replay.add_option("--seeds", flags.search.seeds, "searches of each strategy")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  replay.add_option("--evaluations", flags.search.evaluations, "of one search at most (0: the whole space)")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30))
      ->capture_default_str();
}

void add_search_flags(CLI::App& search, TuneFlags& flags) {
  add_kernel_flags(search, flags);
  search.add_option("--values", flags.search.values,
                    "values instead of the catalogue's: tile=1,2,3,4; may be repeated");
  search.add_option("--strategy", flags.search.strategy, "guided, local, successive_halving, random, exhaustive")
      ->capture_default_str();
  search.add_option("--evaluations", flags.search.evaluations, "at most (0: the whole space)")
      ->check(CLI::Range(std::int64_t{0}, std::int64_t{1} << 30))
      ->capture_default_str();
  search.add_option("--seed", flags.search.seed, "of the strategy")->capture_default_str();
  search.add_option("--timeout", flags.search.timeout, "for one configuration, with its unit")->capture_default_str();
  search.add_flag("--keep", flags.search.keep, "store what wins: devices are opened with it from then on");
  search.add_option("--db", flags.database, "profile database, for --keep");
  search.add_option("-o,--out", flags.file, "T4 results file (default: stdout); what it holds is not measured again");
}

void add_trial_flags(CLI::App& trial, TuneFlags& flags) {
  trial.group("");  // not for people: no line in --help
  add_kernel_flags(trial, flags);
  trial.add_option("--set", flags.search.settings, "name=value")->required();
  trial.add_option("--cache", flags.search.cache_folder, "for compiled programs");
}

}  // namespace hetero
