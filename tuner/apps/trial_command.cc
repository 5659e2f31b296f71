// hetero-tune search-trial: the child's side of a trial. Opens the device with the parameters that are asked for,
// prepares the op, checks its output and times it under the tuner's protocol (cold weights, segments long enough to
// time).
#include <sys/prctl.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tuner/apps/tune_common.h"
#include "tuner/measure/bench_set.h"
#include "tuner/measure/cache_size.h"
#include "tuner/search/strategy.h"

namespace hetero {
namespace {

constexpr double kColdSet = 1.25;  // as measure() has it

ParamValues params_from(const std::vector<std::string>& settings) {
  ParamValues params;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    std::int64_t value = 0;
    const char* const end = setting.data() + setting.size();
    const char* const begin = equals == std::string::npos ? end : setting.data() + equals + 1;
    const auto [stop, status] = std::from_chars(begin, end, value);
    if (status != std::errc() || stop != end) throw usage_error("'" + setting + "' is no setting", "write name=16");
    params[setting.substr(0, equals)] = value;
  }
  return params;
}

// What a driver refuses for the size of it is a limit of the device; anything else that fails to build is an error.
SearchStatus status_of(const Bench& bench) {
  switch (bench.status) {
    case SampleStatus::kOk:
      return SearchStatus::kOk;
    case SampleStatus::kNotSupported:
      return SearchStatus::kDeviceLimit;
    case SampleStatus::kWrongResult:
      return SearchStatus::kWrongResult;
    case SampleStatus::kCompileFailed:
      for (const char* limit : {"WORK_GROUP_SIZE", "WORK_ITEM_SIZE", "OUT_OF_RESOURCES", "ALLOCATION"}) {
        if (bench.message.find(limit) != std::string::npos) return SearchStatus::kDeviceLimit;
      }
      return SearchStatus::kCompileError;
    default:
      return SearchStatus::kCrash;
  }
}

}  // namespace

int run_search_trial(const TuneFlags& flags) {
  // A child outlives no parent: a kernel that hangs would keep its core for ever.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  context.kernels.forced_id = flags.search.variant;
  const OpDesc op = parse_op_desc(flags.search.op);
  context.tuned[""][{flags.search.variant, shape_class_of(op)}] = params_from(flags.search.settings);
  context.cache_dir = flags.search.cache_folder;
  const std::vector<std::unique_ptr<Device>> devices = open_devices(parse_device_list(flags.devices), context);
  if (devices.size() != 1) throw usage_error("a search runs on one device", "name one with --device");
  Device& device = *devices.front();

  BenchSet benches(timeline, static_cast<std::uint64_t>(kColdSet * static_cast<double>(last_level_cache_bytes())));
  Bench& bench = benches.declare(device, op);
  benches.attach();
  benches.prepare(bench);
  nlohmann::ordered_json samples = nlohmann::ordered_json::array();
  SearchStatus status = status_of(bench);
  std::string message = bench.message;
  const double compile_ns = bench.segments.empty() ? 0 : bench.segments.front()->prepare_ns;
  try {
    for (int round = 0; bench.usable() && round < flags.rounds; ++round) {
      samples.push_back(benches.run(bench, quiet_waiter(device.facts())).op_ns);
    }
  } catch (const Error& error) {
    status = SearchStatus::kCrash;
    message = error.what();
  }
  const nlohmann::ordered_json outcome = {{"status", name_of(status)},
                                          {"message", message},
                                          {"samples_ns", samples},
                                          {"compile_ns", compile_ns},
                                          {"device_name", device.facts().name},
                                          {"driver", device.facts().driver}};
  std::printf("%s\n", outcome.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace hetero
