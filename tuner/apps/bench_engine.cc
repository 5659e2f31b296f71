// Benchmarks of the executor's own cost: a token of a model so small that computing it takes next to nothing, on each
// device alone and divided between all of them.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "runtime/llm/engine.h"
#include "runtime/model/decoder_graph.h"
#include "tuner/apps/bench_common.h"
#include "tuner/measure/weight_pool.h"

namespace hetero {
namespace {

ModelShape tiny_shape() {
  ModelShape shape;
  shape.name = "tiny";
  shape.architecture = "llama";
  shape.layers = 8;
  shape.width = 128;
  shape.ffn_width = 256;
  shape.heads = 4;
  shape.kv_heads = 4;
  shape.head_dim = 32;
  shape.vocab = 256;
  shape.max_context = 64;
  const DType q8 = DType::kQ8_0;
  shape.layer_types = {{q8, q8, q8, q8, q8, q8, q8}};
  shape.head_type = q8;
  return shape;
}

// The graph of a shape has no weights: every one gets the same random bytes, each weight its own copy.
struct TinyModel {
  Graph graph;
  std::vector<AlignedBuffer> weights;

  TinyModel() : graph(graph_from_shape(tiny_shape())) {
    Rng rng(5);
    const auto fill = [&](WeightView& view) {
      if (view.k == 0 || view.n == 0) return;
      std::vector<float> row(static_cast<std::size_t>(view.k));
      weights.emplace_back(static_cast<std::size_t>(view.n * row_bytes(view.type, view.k)));
      for (std::int64_t n = 0; n < view.n; ++n) {
        for (float& v : row) v = static_cast<float>(0.1 * rng.normal());
        quantise_row(view.type, row.data(), weights.back().data() + n * row_bytes(view.type, view.k), view.k);
      }
      view.data = weights.back().data();
    };
    for (Block& block : graph.blocks) {
      for (GraphOp& op : block.ops) {
        fill(op.weight);
        if (op.kind == OpKind::kRmsNorm) fill(op.vector);
      }
    }
    fill(graph.embedding);
  }
};

Plan halves(const std::vector<std::string>& ids) {
  Plan plan = single_device_plan(ids.front(), "bench");
  plan.devices = ids;
  for (PlanBucket& bucket : plan.buckets) {
    for (BlockPlan& block : bucket.blocks) {
      block.strategy = Strategy::kRows;
      block.features = {{ids[0], 0.5}, {ids[1], 0.5}};
    }
  }
  return plan;
}

void run_token(benchmark::State& state, const std::vector<Device*>& devices, Timeline& timeline, const Plan& plan) {
  try {
    const TinyModel model;
    Engine engine(model.graph, timeline, devices, plan, {64, 16, 1});
    const TokenId token = 7;
    engine.warm_up(1, LogitsRows::kLast);
    for (auto _ : state) {
      if (engine.position() == engine.context()) engine.reset();
      engine.run(std::span(&token, 1), LogitsRows::kLast);
    }
  } catch (const Error& error) {
    state.SkipWithError(error.what());
  }
}

}  // namespace

void register_engine_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline) {
  std::vector<Device*> dynamic;  // a static device has no graph of one row
  for (const auto& device : devices) {
    if (device->facts().standard_sizes.empty()) dynamic.push_back(device.get());
  }
  std::vector<std::string> ids;
  for (const Device* device : dynamic) ids.push_back(device->facts().id);
  std::vector<std::pair<std::string, Plan>> plans;
  for (const std::string& id : ids) plans.emplace_back("single " + id, single_device_plan(id, "bench"));
  if (ids.size() > 1) plans.emplace_back("rows " + ids[0] + "+" + ids[1], halves(ids));
  for (const auto& [name, plan] : plans) {
    benchmark::RegisterBenchmark(
        ("token of 8 tiny layers/" + name).c_str(),
        [dynamic, &timeline, plan = plan](benchmark::State& state) { run_token(state, dynamic, timeline, plan); })
        ->Unit(benchmark::kMicrosecond)
        ->UseRealTime();
  }
}

}  // namespace hetero
