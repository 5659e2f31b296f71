#include "tuner/apps/kernel_search.h"

#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/machine.h"
#include "base/statistics.h"
#include "tuner/apps/interrupt.h"

namespace hetero {
namespace {

// The default configuration is timed again after so many others; when it has drifted they are measured anew.
constexpr std::size_t kPerCheck = 8;
constexpr double kDrift = 0.10;  // as Anchors::kDrift
constexpr int kTriesAfterDrift = 3;
constexpr std::chrono::milliseconds kPause{500};
constexpr double kSecondsPerSave = 5;

std::optional<ConfigId> default_config(const KernelVariant& variant, const SearchSpace& space) {
  std::vector<std::uint16_t> point;
  for (std::size_t p = 0; p < variant.params.size(); ++p) {
    const auto& values = space.parameters()[p].values;
    const auto found = std::find(values.begin(), values.end(), ParameterValue(variant.params[p].default_value));
    if (found == values.end()) return std::nullopt;
    point.push_back(static_cast<std::uint16_t>(found - values.begin()));
  }
  return space.find(point);
}

double seconds_since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

std::vector<Parameter> parameters_of(const KernelVariant& variant, ShapeClass shape_class) {
  std::vector<Parameter> parameters;
  for (const ParamSpec& param : variant.params) {
    std::vector<std::int64_t> values = param.values;
    if (!param.matters_to(shape_class)) values = {param.default_value};
    std::sort(values.begin(), values.end());
    parameters.push_back({param.name, {values.begin(), values.end()}});
  }
  return parameters;
}

KernelSearch::KernelSearch(const OpDesc& op, std::string device, const KernelVariant& variant,
                           KernelSearchOptions options)
    : op_(op), device_(std::move(device)), variant_(variant), options_(std::move(options)) {
  if (options_.limit <= Nanos(0)) throw usage_error("--timeout must be more than nothing", "for example --timeout 30s");
  if (options_.parameters.empty()) options_.parameters = parameters_of(variant_, shape_class_of(op_));
  recording_.space = SearchSpace::combinations(options_.parameters);
  recording_.kernel = variant_.id + "#" + std::to_string(variant_.revision) + ", " + canonical_text(op_);
  recording_.device = device_;
  default_ = default_config(variant_, recording_.space);
  default_is_standard_ = default_.has_value();
  row_of_.assign(recording_.space.size(), kNoRow);
  programs_ = (std::filesystem::temp_directory_path() / "hetero-search-XXXXXX").string();
  if (mkdtemp(programs_.data()) == nullptr) {
    throw environment_error("cannot make the folder '" + programs_ + "'", "set TMPDIR");
  }
}

KernelSearch::~KernelSearch() {
  std::error_code ignored;
  std::filesystem::remove_all(programs_, ignored);
}

void KernelSearch::run() {
  StrategyOptions options;
  options.seed = options_.seed;
  options.repetitions = options_.rounds;
  options.first = default_;
  const std::unique_ptr<SearchStrategy> strategy = make_strategy(options_.strategy, recording_.space, options);
  const auto all = static_cast<std::int64_t>(recording_.space.size());
  const std::int64_t most = options_.evaluations > 0 ? std::min(options_.evaluations, all) : all;
  saved_ = begin_ = std::chrono::steady_clock::now();
  std::int64_t fresh = 0;
  for (std::int64_t done = 0; done < most; ++done) {
    const double seconds = seconds_since(begin_);
    if (options_.seconds > 0 && seconds > options_.seconds) break;
    const std::optional<Proposal> proposal = strategy->next();
    if (!proposal) break;
    if (progress) {
      double fraction = static_cast<double>(done) / static_cast<double>(most);
      double left = fresh > 0 ? seconds / static_cast<double>(fresh) * static_cast<double>(most - done) : -1;
      if (options_.seconds > 0) {
        fraction = std::max(fraction, seconds / options_.seconds);
        left = left < 0 ? options_.seconds - seconds : std::min(left, options_.seconds - seconds);
      }
      progress(fraction, recording_.space.text(proposal->config), left);
    }
    if (!known(*proposal)) {
      if (!evaluate(*proposal)) break;
      ++fresh;
      if (since_check_.size() >= kPerCheck && !check_anchor()) break;
      save_after(kSecondsPerSave);
    }
    strategy->tell(answer(*proposal));
  }
  if (!interrupted() && !since_check_.empty()) check_anchor();
  save_after(0);
}

const RecordedRow* KernelSearch::best() const {
  const RecordedRow* best = nullptr;
  for (const RecordedRow& row : recording_.rows) {
    if (row.result.ok() && (best == nullptr || row.result.value < best->result.value)) best = &row;
  }
  return best;
}

const RecordedRow* KernelSearch::standard() const {
  const bool timed = default_is_standard_ && row_of_[*default_] != kNoRow && row(*default_).result.ok();
  return timed ? &row(*default_) : nullptr;
}

ParamValues KernelSearch::params_of(ConfigId config) const {
  ParamValues params;
  for (std::size_t p = 0; p < variant_.params.size(); ++p) {
    params[variant_.params[p].name] = std::get<std::int64_t>(recording_.space.value(config, p));
  }
  return params;
}

std::optional<KernelSearch::Duel> KernelSearch::duel(ConfigId a, ConfigId b, int pairs) const {
  std::vector<double> of_a, of_b;
  for (int pair = 0; pair < pairs; ++pair) {
    const TrialOutcome first = trial(a, options_.rounds);
    const TrialOutcome second = trial(b, options_.rounds);
    if (first.status != SearchStatus::kOk || second.status != SearchStatus::kOk) return std::nullopt;
    of_a.push_back(median_of(first.samples_ns));
    of_b.push_back(median_of(second.samples_ns));
  }
  return Duel{median_of(of_a), median_of(of_b)};
}

void KernelSearch::put(RecordedRow row) {
  std::size_t& at = row_of_[row.config];
  if (at == kNoRow) {
    at = recording_.rows.size();
    recording_.rows.push_back(std::move(row));
  } else {
    recording_.rows[at] = std::move(row);
  }
}

void KernelSearch::know(const RecordedSearch& old, const std::string& name) {
  const auto& own = recording_.space.parameters();
  const auto& theirs = old.space.parameters();
  const bool same = old.kernel == recording_.kernel && old.device == recording_.device &&
                    std::equal(own.begin(), own.end(), theirs.begin(), theirs.end(),
                               [](const Parameter& a, const Parameter& b) { return a.name == b.name; });
  if (!same) {
    throw input_error("'" + name + "' holds a search for something else", "name another file with -o");
  }
  recording_.driver = old.driver;
  for (RecordedRow from : old.rows) {
    std::vector<std::uint16_t> point;
    for (std::size_t p = 0; p < own.size(); ++p) {
      const auto& values = own[p].values;
      const auto found = std::find(values.begin(), values.end(), old.space.value(from.config, p));
      if (found == values.end()) {
        throw input_error("'" + name + "' has values that this search has not", "name another file with -o");
      }
      point.push_back(static_cast<std::uint16_t>(found - values.begin()));
    }
    from.config = *recording_.space.find(point);
    put(std::move(from));
  }
  log_note(std::to_string(old.rows.size()) + " configurations are known from '" + name + "'");
}

bool KernelSearch::known(const Proposal& proposal) const {
  if (row_of_[proposal.config] == kNoRow) return false;
  const RecordedRow& r = row(proposal.config);
  return !r.result.ok() || r.runtimes.size() >= static_cast<std::size_t>(proposal.repetitions);
}

SearchResult KernelSearch::answer(const Proposal& proposal) const {
  SearchResult result = row(proposal.config).result;
  if (result.ok()) {
    const std::vector<double>& all = row(proposal.config).runtimes;
    result.value = median_of({all.begin(), all.begin() + proposal.repetitions});
  }
  return result;
}

TrialOutcome KernelSearch::trial(ConfigId config, int rounds) const {
  TrialRequest request;
  request.op = canonical_text(op_);
  request.device = device_;
  request.variant = variant_.id;
  request.params = params_of(config);
  request.rounds = rounds;
  request.cache_folder = programs_;
  return run_trial(request, options_.limit, interrupted);
}

bool KernelSearch::evaluate(const Proposal& proposal) {
  const TrialOutcome outcome = trial(proposal.config, proposal.repetitions);
  if (outcome.interrupted) return false;
  RecordedRow r;
  r.config = proposal.config;
  r.result.status = outcome.status;
  for (const double ns : outcome.samples_ns) r.runtimes.push_back(ns / 1e6);
  r.result.value = median_of(r.runtimes);
  r.compile_ms = outcome.compile_ns / 1e6;
  r.timestamp = utc_now();
  r.message = outcome.message;
  if (!outcome.driver.empty()) recording_.driver = outcome.device_name + ", " + outcome.driver;
  if (!r.result.ok()) {
    log_detail(recording_.space.text(r.config) + ": " + std::string(name_of(r.result.status)) + ", " + r.message);
  } else {
    since_check_.push_back(proposal);
    if (!default_) default_ = r.config;  // the catalogue's is not in this space: any valid one can be the anchor
  }
  put(std::move(r));
  return true;
}

bool KernelSearch::check_anchor() {
  if (!default_) return true;
  for (int attempt = 0;; ++attempt) {
    const TrialOutcome now = trial(*default_, options_.rounds);
    if (now.interrupted) return false;
    if (now.status != SearchStatus::kOk) break;
    const double value = median_of(now.samples_ns);
    const double centre = anchors_.empty() ? value : median_of(anchors_);
    const double allowed = std::max(kDrift, 3 * mad_of(anchors_) / centre);
    if (std::abs(value / centre - 1) <= allowed) {
      anchors_.push_back(value);
      break;
    }
    if (attempt == kTriesAfterDrift) {
      for (const Proposal& p : since_check_)
        recording_.rows[row_of_[p.config]].message = "untrusted: the machine was restless";
      log_warning("the machine does not come to rest: " + std::to_string(since_check_.size()) +
                  " configurations are marked as untrusted");
      anchors_ = {value};  // what lasts is the new normal
      break;
    }
    log_note("the machine's speed has changed: the last " + std::to_string(since_check_.size()) + " are measured anew");
    std::this_thread::sleep_for(kPause);
    const std::vector<Proposal> again = std::move(since_check_);
    since_check_.clear();
    for (const Proposal& p : again) {
      if (!evaluate(p)) return false;
    }
  }
  since_check_.clear();
  return true;
}

void KernelSearch::save_after(double seconds) {
  if (!save || best() == nullptr || seconds_since(saved_) < seconds) return;
  save(recording_);
  saved_ = std::chrono::steady_clock::now();
}

}  // namespace hetero
