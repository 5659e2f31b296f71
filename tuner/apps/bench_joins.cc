// Benchmarks of joins: the shortest useful segment on each device, from submission until the host goes on.
#include <benchmark/benchmark.h>

#include "base/error.h"
#include "tuner/apps/bench_common.h"
#include "tuner/measure/bench_set.h"

namespace hetero {
namespace {

void run_join(benchmark::State& state, Device& device, Timeline& timeline, Waiter waiter) {
  try {
    BenchSet benches(timeline, 1, 1);
    const std::int64_t rows = device.facts().standard_sizes.empty() ? 1 : device.facts().standard_sizes.front();
    Bench& bench = benches.declare(device, {.kind = OpKind::kMatmul, .m = rows, .n = 64, .k = 64, .w = DType::kQ8_0});
    benches.attach();
    benches.prepare(bench);
    if (!bench.usable()) return state.SkipWithError(bench.message.c_str());
    double launch = 0;
    double join = 0;
    double work = 0;
    for (auto _ : state) {
      const BenchTimes times = benches.run(bench, waiter);
      launch += times.launch_ns;
      join += times.join_ns;
      work += times.segment_ns;
    }
    using benchmark::Counter;
    state.counters["launch_ns"] = Counter(launch, Counter::kAvgIterations);
    state.counters["join_ns"] = Counter(join, Counter::kAvgIterations);
    state.counters["device_ns"] = Counter(work, Counter::kAvgIterations);
  } catch (const Error& error) {
    state.SkipWithError(error.what());
  }
}

}  // namespace

void register_join_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline) {
  for (const auto& device : devices) {
    for (const Waiter waiter : device->facts().waiters) {
      benchmark::RegisterBenchmark(
          ("join/" + device->facts().id + "/" + std::string(name_of(waiter))).c_str(),
          [d = device.get(), &timeline, waiter](benchmark::State& state) { run_join(state, *d, timeline, waiter); })
          ->Unit(benchmark::kMicrosecond)
          ->UseRealTime();
    }
  }
}

}  // namespace hetero
