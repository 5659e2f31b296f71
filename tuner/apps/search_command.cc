// hetero-tune search: a strategy over the parameters of one kernel, each configuration compiled and timed in a process
// of its own, and all of it recorded as T4 results. The plan is not touched.
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "kernels/catalogue.h"
#include "tuner/apps/table.h"
#include "tuner/apps/trial.h"
#include "tuner/apps/tune_common.h"
#include "tuner/measure/statistics.h"
#include "tuner/search/recording.h"

namespace hetero {
namespace {

// The default configuration is timed again after so many others; when it has drifted they are measured anew.
constexpr std::size_t kPerCheck = 8;
constexpr double kDrift = 0.10;  // as Anchors::kDrift
constexpr int kTriesAfterDrift = 3;
constexpr std::chrono::milliseconds kPause{500};
constexpr double kSecondsPerSave = 5;

// Set by the signal, read between two trials and inside one. A flag of the process, as signals are.
volatile std::sig_atomic_t g_interrupted = 0;
bool interrupted() { return g_interrupted != 0; }
void watch_for_interrupt() {
  // No SA_RESTART: a wait for the child ends at once.
  struct sigaction action = {};
  action.sa_handler = [](int) { g_interrupted = 1; };
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

const KernelVariant& wanted_variant(const std::string& id, const OpDesc& op, const std::string& device) {
  const KernelVariant* const variant = find_variant(id);
  std::string known;
  for (const KernelVariant& row : catalogue()) {
    if (row.kind == op.kind && !row.params.empty()) known += (known.empty() ? "" : ", ") + row.id;
  }
  const std::string remedy = known.empty() ? "no kernel for such ops has any" : "with parameters: " + known;
  if (variant == nullptr) throw usage_error("there is no kernel variant '" + id + "'", remedy);
  if (variant->kind != op.kind) throw usage_error("kernel variant '" + id + "' computes something else", remedy);
  if (variant->params.empty()) throw usage_error("kernel variant '" + id + "' has no parameters", remedy);
  // An emulated device has no kernels: its times would be those of a profile.
  const std::string provider = parse_device_spec(device).provider;
  if (provider != name_of(variant->family)) {
    throw usage_error("kernel variant '" + id + "' does not run on device '" + device + "'",
                      "name a device of '" + std::string(name_of(variant->family)) + "'");
  }
  return *variant;
}

std::vector<ParameterValue> parse_values(const std::string& text, const std::string& flag) {
  std::vector<ParameterValue> values;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    std::int64_t value = 0;
    const auto [stop, status] = std::from_chars(part.data(), part.data() + part.size(), value);
    if (status != std::errc() || stop != part.data() + part.size()) {
      throw usage_error("'" + flag + "' gives no values", "write --values tile=2,4,8");
    }
    values.emplace_back(value);
  }
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

// The catalogue's values, or those of the flags in their place.
SearchSpace space_of(const KernelVariant& variant, const std::vector<std::string>& flags) {
  std::vector<Parameter> parameters;
  for (const ParamSpec& param : variant.params) {
    std::vector<std::int64_t> values = param.values;
    std::sort(values.begin(), values.end());
    parameters.push_back({param.name, {values.begin(), values.end()}});
  }
  for (const std::string& flag : flags) {
    const std::string name = flag.substr(0, flag.find('='));
    const auto found =
        std::find_if(parameters.begin(), parameters.end(), [&](const Parameter& p) { return p.name == name; });
    if (found == parameters.end()) {
      throw usage_error("kernel variant '" + variant.id + "' has no parameter '" + name + "'");
    }
    found->values = parse_values(flag.substr(std::min(flag.size(), name.size() + 1)), flag);
    if (found->values.empty()) throw usage_error("'" + flag + "' gives no values", "write --values tile=2,4,8");
  }
  return SearchSpace::combinations(std::move(parameters));
}

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

// Compiled programs of losers are not for the user's cache.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    path_ = (std::filesystem::temp_directory_path() / "hetero-search-XXXXXX").string();
    if (mkdtemp(path_.data()) == nullptr)
      throw environment_error("cannot make the folder '" + path_ + "'", "set TMPDIR");
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

class Search {
 public:
  explicit Search(const TuneFlags& flags)
      : flags_(flags),
        op_(parse_op_desc(flags.search.op)),
        variant_(wanted_variant(flags.search.variant, op_, flags.devices)),
        limit_(parse_duration(flags.search.timeout)) {
    if (limit_ <= Nanos(0)) throw usage_error("--timeout must be more than nothing", "for example --timeout 30s");
    recording_.space = space_of(variant_, flags.search.values);
    recording_.kernel = variant_.id + "#" + std::to_string(variant_.revision) + ", " + canonical_text(op_);
    recording_.device = flags.devices;
    default_ = default_config(variant_, recording_.space);
    row_of_.assign(recording_.space.size(), kNoRow);
    if (!flags.file.empty() && std::filesystem::is_regular_file(flags.file)) resume();
  }

  // Exit code.
  int run() {
    StrategyOptions options;
    options.seed = flags_.search.seed;
    options.repetitions = flags_.rounds;
    options.first = default_;
    const std::unique_ptr<SearchStrategy> strategy = make_strategy(flags_.search.strategy, recording_.space, options);
    const auto all = static_cast<std::int64_t>(recording_.space.size());
    const std::int64_t most = flags_.search.evaluations > 0 ? std::min(flags_.search.evaluations, all) : all;
    watch_for_interrupt();
    Progress progress("search");
    saved_ = begin_ = std::chrono::steady_clock::now();
    std::int64_t fresh = 0;
    for (std::int64_t done = 0; done < most; ++done) {
      const std::optional<Proposal> proposal = strategy->next();
      if (!proposal) break;
      const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
      progress.update(static_cast<double>(done) / static_cast<double>(most), recording_.space.text(proposal->config),
                      fresh > 0 ? seconds / static_cast<double>(fresh) * static_cast<double>(most - done) : -1);
      if (!known(*proposal)) {
        if (!evaluate(*proposal)) break;
        ++fresh;
        if (since_check_.size() >= kPerCheck && !check_anchor()) break;
        save(kSecondsPerSave);
      }
      strategy->tell(answer(*proposal));
    }
    if (!interrupted() && !since_check_.empty()) check_anchor();
    save(0);
    return interrupted() ? static_cast<int>(ExitCode::kCheckFailed) : 0;
  }

  const RecordedSearch& recording() const { return recording_; }

  void summarise() const {
    const RecordedRow* best = nullptr;
    std::size_t valid = 0;
    for (const RecordedRow& row : recording_.rows) {
      if (!row.result.ok()) continue;
      ++valid;
      if (best == nullptr || row.result.value < best->result.value) best = &row;
    }
    std::vector<std::string> lines = {std::to_string(recording_.rows.size()) + " of " +
                                      std::to_string(recording_.space.size()) + " configurations, " +
                                      std::to_string(valid) + " valid"};
    const auto describe = [&](const RecordedRow& row) {
      return format_duration_ns(row.result.value * 1e6) + " (deviation " +
             format_duration_ns(median_absolute_deviation(row.runtimes) * 1e6) + ", " +
             std::to_string(row.runtimes.size()) + " samples)  " + recording_.space.text(row.config);
    };
    if (best != nullptr) lines.push_back("best     " + describe(*best));
    if (default_ && row_of_[*default_] != kNoRow && row(*default_).result.ok()) {
      lines.push_back("default  " + describe(row(*default_)));
    }
    for (const std::string& line : lines) {
      if (flags_.file.empty()) {
        log_note(line);
      } else {
        std::printf("%s\n", line.c_str());
      }
    }
    if (interrupted()) {
      log_note(flags_.file.empty() ? "interrupted"
                                   : "interrupted; the same command goes on from '" + flags_.file + "'");
    }
  }

 private:
  static constexpr std::size_t kNoRow = static_cast<std::size_t>(-1);

  const RecordedRow& row(ConfigId config) const { return recording_.rows[row_of_[config]]; }

  void put(RecordedRow row) {
    std::size_t& at = row_of_[row.config];
    if (at == kNoRow) {
      at = recording_.rows.size();
      recording_.rows.push_back(std::move(row));
    } else {
      recording_.rows[at] = std::move(row);
    }
  }

  // Rows of an earlier run of the same search, by the values of their parameters.
  void resume() {
    const RecordedSearch old = recording_from_json(read_file(flags_.file), flags_.file);
    const auto& own = recording_.space.parameters();
    const auto& theirs = old.space.parameters();
    const bool same = old.kernel == recording_.kernel && old.device == recording_.device &&
                      std::equal(own.begin(), own.end(), theirs.begin(), theirs.end(),
                                 [](const Parameter& a, const Parameter& b) { return a.name == b.name; });
    if (!same) {
      throw input_error("'" + flags_.file + "' holds a search for something else", "name another file with -o");
    }
    recording_.driver = old.driver;
    for (RecordedRow from : old.rows) {
      std::vector<std::uint16_t> point;
      for (std::size_t p = 0; p < own.size(); ++p) {
        const auto& values = own[p].values;
        const auto found = std::find(values.begin(), values.end(), old.space.value(from.config, p));
        if (found == values.end()) {
          throw input_error("'" + flags_.file + "' has values that this search has not", "name another file with -o");
        }
        point.push_back(static_cast<std::uint16_t>(found - values.begin()));
      }
      from.config = *recording_.space.find(point);
      put(std::move(from));
    }
    log_note(std::to_string(old.rows.size()) + " configurations are known from '" + flags_.file + "'");
  }

  bool known(const Proposal& proposal) const {
    if (row_of_[proposal.config] == kNoRow) return false;
    const RecordedRow& r = row(proposal.config);
    return !r.result.ok() || r.runtimes.size() >= static_cast<std::size_t>(proposal.repetitions);
  }

  SearchResult answer(const Proposal& proposal) const {
    SearchResult result = row(proposal.config).result;
    if (result.ok()) {
      const std::vector<double>& all = row(proposal.config).runtimes;
      result.value = median({all.begin(), all.begin() + proposal.repetitions});
    }
    return result;
  }

  TrialOutcome trial(ConfigId config, int rounds) const {
    TrialRequest request;
    request.op = canonical_text(op_);
    request.device = flags_.devices;
    request.variant = variant_.id;
    for (std::size_t p = 0; p < variant_.params.size(); ++p) {
      request.params[variant_.params[p].name] = std::get<std::int64_t>(recording_.space.value(config, p));
    }
    request.rounds = rounds;
    request.cache_folder = programs_.path();
    return run_trial(request, limit_, interrupted);
  }

  // False: interrupted.
  bool evaluate(const Proposal& proposal) {
    const TrialOutcome outcome = trial(proposal.config, proposal.repetitions);
    if (outcome.interrupted) return false;
    RecordedRow r;
    r.config = proposal.config;
    r.result.status = outcome.status;
    for (const double ns : outcome.samples_ns) r.runtimes.push_back(ns / 1e6);
    r.result.value = median(r.runtimes);
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

  // Is the machine still as fast as it was? If not, what came since is measured anew. False: interrupted.
  bool check_anchor() {
    if (!default_) return true;
    for (int attempt = 0;; ++attempt) {
      const TrialOutcome now = trial(*default_, flags_.rounds);
      if (now.interrupted) return false;
      if (now.status != SearchStatus::kOk) break;
      const double value = median(now.samples_ns);
      const double centre = anchors_.empty() ? value : median(anchors_);
      const double allowed = std::max(kDrift, 3 * median_absolute_deviation(anchors_) / centre);
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
      log_note("the machine's speed has changed: the last " + std::to_string(since_check_.size()) +
               " are measured anew");
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

  void save(double seconds_since) {
    if (flags_.file.empty()) return;
    const auto now = std::chrono::steady_clock::now();
    const bool valid =
        std::any_of(recording_.rows.begin(), recording_.rows.end(), [](const RecordedRow& r) { return r.result.ok(); });
    if (!valid || std::chrono::duration<double>(now - saved_).count() < seconds_since) return;
    write_file(flags_.file, t4_json(recording_));
    saved_ = now;
  }

  const TuneFlags& flags_;
  OpDesc op_;
  const KernelVariant& variant_;
  Nanos limit_;
  TemporaryFolder programs_;
  RecordedSearch recording_;
  std::vector<std::size_t> row_of_;  // by configuration
  std::optional<ConfigId> default_;
  std::vector<Proposal> since_check_;
  std::vector<double> anchors_;  // of the default, nanoseconds
  std::chrono::steady_clock::time_point begin_, saved_;
};

}  // namespace

int run_search(const TuneFlags& flags) {
  Search search(flags);
  const int code = search.run();
  search.summarise();
  if (flags.file.empty()) std::printf("%s", t4_json(search.recording()).c_str());
  return code;
}

}  // namespace hetero
