// hetero-bench: Google Benchmark over kernels, joins, executor, solver and database, and the limits of the machine.
//   hetero-bench [--devices LIST] [--benchmark_...]      benchmarks
//   hetero-bench --limits [--json]                       peaks of arithmetic, memory and core-to-core latency
#include <benchmark/benchmark.h>

#include <cstdio>
#include <cstring>
#include <exception>
#include <string>
#include <vector>

#include "base/error.h"
#include "runtime/device/default_devices.h"
#include "tuner/apps/bench_common.h"

namespace hetero {
namespace {

struct BenchFlags {
  std::string devices;
  bool limits = false;
  bool json = false;
};

// Takes our flags out of argv; Google Benchmark sees the rest.
BenchFlags take_flags(int& argc, char** argv) {
  BenchFlags flags;
  int kept = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--limits") {
      flags.limits = true;
    } else if (arg == "--json") {
      flags.json = true;
    } else if (arg.rfind("--devices=", 0) == 0) {
      flags.devices = arg.substr(std::strlen("--devices="));
    } else if (arg == "--devices") {
      if (i + 1 == argc) throw usage_error("--devices needs a list", "for example --devices cpu:0,opencl:0@1");
      flags.devices = argv[++i];
    } else {
      argv[kept++] = argv[i];
    }
  }
  argc = kept;
  argv[kept] = nullptr;
  return flags;
}

int run(int argc, char** argv) {
  const BenchFlags flags = take_flags(argc, argv);
  if (flags.limits) {
    if (argc > 1) throw usage_error(std::string("unknown flag '") + argv[1] + "'", "--limits takes --json only");
    print_limits(flags.json ? LimitsOutput::kJson : LimitsOutput::kText);
    return 0;
  }
  static char json_flag[] = "--benchmark_format=json";
  std::vector<char*> args(argv, argv + argc);
  if (flags.json) args.push_back(json_flag);
  int count = static_cast<int>(args.size());
  args.push_back(nullptr);
  benchmark::Initialize(&count, args.data());
  if (benchmark::ReportUnrecognizedArguments(count, args.data())) return static_cast<int>(ExitCode::kUsage);

  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  const std::vector<std::unique_ptr<Device>> devices = open_devices(
      flags.devices.empty() ? default_devices(discover_devices()) : parse_device_list(flags.devices), context);
  register_kernel_benchmarks();
  register_join_benchmarks(devices, timeline);
  register_handover_benchmarks(devices, timeline);
  register_graph_benchmarks(devices, timeline);
  register_emulation_benchmarks(devices, timeline);
  register_engine_benchmarks(devices, timeline);
  register_solver_benchmarks();
  register_store_benchmarks();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace
}  // namespace hetero

int main(int argc, char** argv) {
  try {
    return hetero::run(argc, argv);
  } catch (const hetero::Error& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(error.code());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return static_cast<int>(hetero::ExitCode::kEnvironment);
  }
}
