// The flags of the commands about kernel search: replay, search and the hidden search-trial.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace hetero {

struct TuneFlags;

struct SearchFlags {
  std::string space;  // replay: recorded search
  std::string strategy = "guided";
  std::int64_t evaluations = 0;  // 0: the whole space
  int seeds = 50;
  std::uint64_t seed = 1;
  std::string op;
  std::string variant;
  bool keep = false;                  // search: store what wins
  std::string timeout = "30s";        // of one configuration
  std::vector<std::string> values;    // "tile=2,4,8": instead of the catalogue's
  std::vector<std::string> settings;  // search-trial: "tile=4"
  std::string cache_folder;           // search-trial
};

void add_replay_flags(CLI::App& replay, TuneFlags& flags);
void add_search_flags(CLI::App& search, TuneFlags& flags);
void add_trial_flags(CLI::App& trial, TuneFlags& flags);

// The commands, as in tune_common.h.
int run_replay(const TuneFlags& flags);
int run_search(const TuneFlags& flags);
int run_search_trial(const TuneFlags& flags);  // one configuration, in a process of its own: trial.h

}  // namespace hetero
