// Benchmarks of static devices: one matmul as a graph, at the shapes of a layer of Llama-3.2-1B, in both orders of its
// operands where the device has both.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "base/error.h"
#include "base/statistics.h"
#include "kernels/graph_rows.h"
#include "tuner/apps/bench_common.h"
#include "tuner/measure/bench_set.h"

namespace hetero {
namespace {

struct Weight {
  std::int64_t n, k;
};
constexpr Weight kWeights[] = {{2048, 2048}, {512, 2048}, {8192, 2048}, {2048, 8192}};
constexpr std::int64_t kRows[] = {1, 32, 256};

void run_graph(benchmark::State& state, Device& device, Timeline& timeline, const OpDesc& op,
               const ParamValues& params) {
  try {
    BenchSet benches(timeline, 1, 1);
    Bench& bench = benches.declare(device, op, params);
    benches.attach();
    benches.prepare(bench);
    if (!bench.usable()) return state.SkipWithError(bench.message.c_str());
    std::vector<double> took;
    for (auto _ : state) took.push_back(benches.run(bench, quiet_waiter(device.facts())).op_ns);
    state.counters["device_us"] = median_of(took) / 1e3;
    state.counters["mad_us"] = mad_of(took) / 1e3;
    state.counters["compile_ms"] = bench.graph_compile_ns / 1e6;
  } catch (const Error& error) {
    state.SkipWithError(error.what());
  }
}

}  // namespace

void register_graph_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline) {
  for (const auto& device : devices) {
    const auto& sizes = device->facts().standard_sizes;
    for (const Weight& weight : kWeights) {
      for (const std::int64_t rows : kRows) {
        if (std::find(sizes.begin(), sizes.end(), rows) == sizes.end()) continue;
        const OpDesc op{.kind = OpKind::kMatmul, .m = rows, .n = weight.n, .k = weight.k, .w = DType::kQ4_0};
        const auto add = [&](const std::string& order, const ParamValues& params) {
          benchmark::RegisterBenchmark(("graph/" + device->facts().id + "/" + canonical_text(op) + order).c_str(),
                                       [d = device.get(), &timeline, op, params](benchmark::State& s) {
                                         run_graph(s, *d, timeline, op, params);
                                       })
              ->Unit(benchmark::kMicrosecond)
              ->UseRealTime();
        };
        if (device->kernel_for(op).row != &graph_matmul()) {
          add("", {});
          continue;
        }
        add(" activations first", params_of(OperandOrder::kActivationsFirst));
        add(" weights first", params_of(OperandOrder::kWeightsFirst));
      }
    }
  }
}

}  // namespace hetero
