// A search over the parameters of one kernel on one device: a strategy proposes, each configuration is compiled and
// timed in a process of its own (trial.h), and all of it is recorded. The catalogue's parameters are timed again every
// few configurations; when they have drifted, what came since is measured anew. Used by one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "kernels/op_desc.h"
#include "kernels/variant.h"
#include "tuner/apps/trial.h"
#include "tuner/search/recording.h"

namespace hetero {

struct KernelSearchOptions {
  std::string strategy = "guided";
  std::uint64_t seed = 1;
  std::int64_t evaluations = 0;       // at most; 0: the whole space
  double seconds = 0;                 // no new configuration is begun after so many; 0: no limit
  int rounds = 7;                     // samples of each configuration
  Nanos limit{30'000'000'000};        // of one configuration, compiling included
  std::vector<Parameter> parameters;  // of the variant, with the values to try; empty: the catalogue's
};

// Of the variant's catalogue row, values ascending; of those that make no difference to such ops the default alone.
std::vector<Parameter> parameters_of(const KernelVariant& variant, ShapeClass shape_class);

class KernelSearch {
 public:
  // Throws usage_error when the options make no sense.
  KernelSearch(const OpDesc& op, std::string device, const KernelVariant& variant, KernelSearchOptions options);
  ~KernelSearch();
  KernelSearch(const KernelSearch&) = delete;
  KernelSearch& operator=(const KernelSearch&) = delete;

  // Rows of an earlier run of the same search, which are not measured again. Throws input_error when it was another
  // search; `name` says in the message whose rows they are.
  void know(const RecordedSearch& earlier, const std::string& name);

  // fraction in [0, 1], what is timed next, seconds left (< 0: not known).
  std::function<void(double, const std::string&, double)> progress;
  std::function<void(const RecordedSearch&)> save;  // now and then, when something valid is there, and at the end

  void run();  // until the strategy, the options or an interrupt end it
  const RecordedSearch& recording() const { return recording_; }
  // Of what was recorded; null when nothing is valid, or the catalogue's parameters were not timed.
  const RecordedRow* best() const;
  const RecordedRow* standard() const;

  ParamValues params_of(ConfigId config) const;
  // Medians of `rounds` samples of both, taken in turn `pairs` times: for a decision that a drift must not make. Empty
  // when interrupted or one of them failed.
  struct Duel {
    double a_ns = 0, b_ns = 0;
  };
  std::optional<Duel> duel(ConfigId a, ConfigId b, int pairs) const;

 private:
  static constexpr std::size_t kNoRow = static_cast<std::size_t>(-1);

  const RecordedRow& row(ConfigId config) const { return recording_.rows[row_of_[config]]; }
  void put(RecordedRow row);
  bool known(const Proposal& proposal) const;
  SearchResult answer(const Proposal& proposal) const;
  TrialOutcome trial(ConfigId config, int rounds) const;
  bool evaluate(const Proposal& proposal);  // false: interrupted
  bool check_anchor();                      // false: interrupted
  void save_after(double seconds);

  OpDesc op_;
  std::string device_;
  const KernelVariant& variant_;
  KernelSearchOptions options_;
  std::string programs_;  // a temporary folder: compiled programs of losers are not for the user's cache
  RecordedSearch recording_;
  std::vector<std::size_t> row_of_;  // by configuration
  std::optional<ConfigId> default_;  // the catalogue's; where that is not in the space, any valid one
  bool default_is_standard_ = false;
  std::vector<Proposal> since_check_;
  std::vector<double> anchors_;  // of the default, nanoseconds
  std::chrono::steady_clock::time_point begin_, saved_;
};

}  // namespace hetero
