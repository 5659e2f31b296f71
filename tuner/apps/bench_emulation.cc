// Benchmarks of emulated devices: does a single op take the time that the profile says? The shapes are those of table 3
// of arXiv 2501.14794v2, those of which it compares the order of operands, and sizes on a stage boundary, just below
// and just above it. Where the profile knows two orders, each shape is timed in both.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "base/statistics.h"
#include "kernels/graph_rows.h"
#include "profiles/cost_model.h"
#include "tuner/apps/bench_common.h"

namespace hetero {
namespace {

struct Shape {
  std::int64_t m, n, k;
};
constexpr Shape kShapes[] = {
    {1, 4096, 4096},   {1, 28672, 4096},   {1, 4096, 14336},                      // table 3: decode
    {128, 4096, 4096}, {256, 4096, 4096},  {256, 4096, 14336},                    // and prefill
    {1, 14336, 4096},  {256, 14336, 4096},                                        // order of operands
    {255, 4096, 4096}, {257, 4096, 4096},  {512, 4096, 4096},                     // rows round a stage
    {256, 4064, 4096}, {256, 4095, 4096},  {256, 4097, 4096},  {256, 4128, 4096}  // features round a stage
};

// Of the system that "sim:<system>/<device>" names.
SystemProfile system_of(const std::string& id) {
  const std::string name = id.substr(4, id.rfind('/') - 4);
  const std::string* shipped = shipped_system_profile(name);
  return system_profile_from_json(shipped != nullptr ? *shipped : read_file(name));
}

void run_op(benchmark::State& state, Device& device, Timeline& timeline, const OpDesc& desc, const ParamValues& params,
            double profile_ns) {
  try {
    Op op;
    op.desc = desc;
    op.params = params;
    op.weight = {{nullptr, desc.w, desc.n, desc.k}, 0, desc.n, 0, desc.k};
    op.in[0] = {0, 0, desc.m, 0, desc.k};
    op.out = {1, 0, desc.m, 0, desc.n};
    Segment segment;
    segment.label = canonical_text(desc);
    segment.ops = {op};
    const std::unique_ptr<PreparedSegment> prepared = device.prepare(segment);
    std::vector<double> took;
    for (auto _ : state) {
      const std::unique_ptr<Ticket> ticket = device.submit(*prepared, {});
      Ticket* const one = ticket.get();
      timeline.wait_any({&one, 1}, {Waiter::kDriver, Nanos(0)});
      const auto [start, finish] = ticket->interval();
      took.push_back(to_ns(finish - start));
    }
    state.counters["profile_us"] = profile_ns / 1e3;
    state.counters["took_us"] = median_of(took) / 1e3;
    state.counters["off_percent"] = 100 * (median_of(took) / profile_ns - 1);
  } catch (const Error& error) {
    state.SkipWithError(error.what());
  }
}

}  // namespace

void register_emulation_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline) {
  for (const auto& device : devices) {
    const DeviceFacts& facts = device->facts();
    if (!facts.emulated || facts.computes) continue;
    const CostModel costs(system_of(facts.id).devices);
    for (const Shape& shape : kShapes) {
      const auto& sizes = facts.standard_sizes;
      if (!sizes.empty() && std::find(sizes.begin(), sizes.end(), shape.m) == sizes.end()) continue;
      const OpDesc desc{.kind = OpKind::kMatmul, .m = shape.m, .n = shape.n, .k = shape.k, .w = DType::kQ4_0};
      const double profile_ns = costs.op(facts.id.substr(4), desc).median_ns;
      const std::string name = "emulated/" + facts.id + "/" + canonical_text(desc);
      const auto add = [&](const std::string& as, const ParamValues& params, double ns) {
        benchmark::RegisterBenchmark(as.c_str(),
                                     [d = device.get(), &timeline, desc, params, ns](benchmark::State& state) {
                                       run_op(state, *d, timeline, desc, params, ns);
                                     })
            ->Unit(benchmark::kMicrosecond)
            ->UseRealTime();
      };
      if (device->kernel_for(desc).row == nullptr) {
        add(name, {}, profile_ns);
        continue;
      }
      for (const OperandOrder order : {OperandOrder::kActivationsFirst, OperandOrder::kWeightsFirst}) {
        const double factor = costs.order_factor(facts.id.substr(4), desc, order);
        add(name + " " + std::string(name_of(order)) + " first", params_of(order), factor * profile_ns);
      }
    }
  }
}

}  // namespace hetero
