// hetero-tune search: the parameters of one kernel on one device, and all results as T4. With --keep, what wins is
// stored for the devices that `run`, `infer` and everything else open from then on.
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <filesystem>
#include <sstream>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/statistics.h"
#include "kernels/catalogue.h"
#include "tuner/apps/interrupt.h"
#include "tuner/apps/kernel_choice.h"
#include "tuner/apps/kernel_search.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

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
std::vector<Parameter> parameters_from(const KernelVariant& variant, const OpDesc& op,
                                       const std::vector<std::string>& flags) {
  std::vector<Parameter> parameters = parameters_of(variant, shape_class_of(op));
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
  return parameters;
}

std::vector<std::string> summary(const KernelSearch& search) {
  const RecordedSearch& recording = search.recording();
  const auto valid =
      std::count_if(recording.rows.begin(), recording.rows.end(), [](const RecordedRow& r) { return r.result.ok(); });
  std::vector<std::string> lines = {std::to_string(recording.rows.size()) + " of " +
                                    std::to_string(recording.space.size()) + " configurations, " +
                                    std::to_string(valid) + " valid"};
  const auto describe = [&](const RecordedRow& row) {
    return format_duration_ns(row.result.value * 1e6) + " (deviation " +
           format_duration_ns(mad_of(row.runtimes) * 1e6) + ", " + std::to_string(row.runtimes.size()) + " samples)  " +
           recording.space.text(row.config);
  };
  if (const RecordedRow* best = search.best()) lines.push_back("best     " + describe(*best));
  if (const RecordedRow* standard = search.standard()) lines.push_back("default  " + describe(*standard));
  return lines;
}

// Opened only for its name: trials run in processes of their own.
std::string family_of(const TuneFlags& flags) {
  RealTimeline timeline;
  return open_wanted(flags, timeline, nullptr).front()->facts().family_fingerprint;
}

void keep(const TuneFlags& flags, const KernelSearch& search, const OpDesc& op, const KernelVariant& variant) {
  const std::string family = family_of(flags);
  const std::optional<KernelChoice> choice = decide(search, op, variant, family);
  if (!choice) throw environment_error("nothing was found that can be kept", "search again when the machine is quiet");
  const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadWrite);
  const RunId run = store->begin_run(run_info(flags, ""));
  store->put_kernel_choice(run, *choice);
  store->end_run(run, "done");
  log_note(words(*choice));
}

}  // namespace

int run_search(const TuneFlags& flags) {
  const OpDesc op = parse_op_desc(flags.search.op);
  const KernelVariant& variant = wanted_variant(flags.search.variant, op, flags.devices);
  KernelSearchOptions options;
  options.strategy = flags.search.strategy;
  options.seed = flags.search.seed;
  options.evaluations = flags.search.evaluations;
  options.rounds = flags.rounds;
  options.limit = parse_duration(flags.search.timeout);
  options.parameters = parameters_from(variant, op, flags.search.values);
  if (flags.search.keep && !flags.search.values.empty()) {
    throw usage_error("--keep goes with the catalogue's values only", "leave --values out");
  }
  KernelSearch search(op, flags.devices, variant, options);
  const bool to_file = !flags.file.empty();
  if (to_file && std::filesystem::is_regular_file(flags.file)) {
    const RecordedSearch earlier = recording_from_json(read_file(flags.file), flags.file);
    search.know(earlier, flags.file);
    log_note(std::to_string(earlier.rows.size()) + " configurations are known from '" + flags.file + "'");
  }
  watch_for_interrupt();
  {
    Progress progress("search");
    search.progress = [&](double fraction, const std::string& now, double seconds_left) {
      progress.update(fraction, now, seconds_left);
    };
    if (to_file) search.save = [&](const RecordedSearch& r) { write_file(flags.file, t4_json(r)); };
    search.run();
  }
  for (const std::string& line : summary(search)) {
    if (to_file) {
      std::printf("%s\n", line.c_str());
    } else {
      log_note(line);
    }
  }
  if (!to_file) std::printf("%s", t4_json(search.recording()).c_str());
  if (interrupted()) {
    log_note(to_file ? "interrupted; the same command goes on from '" + flags.file + "'" : "interrupted");
    return static_cast<int>(ExitCode::kCheckFailed);
  }
  if (flags.search.keep) keep(flags, search, op, variant);
  return 0;
}

}  // namespace hetero
