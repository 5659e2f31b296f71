// Benchmarks of the cpu's kernels: one per applicable catalogue row and shape.
#include <benchmark/benchmark.h>

#include <cmath>
#include <string>

#include "base/aligned_buffer.h"
#include "base/rng.h"
#include "kernels/catalogue.h"
#include "kernels/cpu/cpu_facts.h"
#include "tuner/apps/bench_common.h"
#include "tuner/measure/cache_size.h"
#include "tuner/measure/weight_pool.h"

namespace hetero {
namespace {

// Projections of a model of a billion parameters; attention over a full prompt.
std::vector<OpDesc> shapes_of(OpKind kind) {
  std::vector<OpDesc> shapes;
  for (const std::int64_t m : {1, 16, 256}) {
    switch (kind) {
      case OpKind::kMatmul:
        for (const DType type :
             {DType::kF32, DType::kF16, DType::kQ4_0, DType::kQ4_1, DType::kQ8_0, DType::kQ4_K, DType::kQ6_K}) {
          shapes.push_back({.kind = kind, .m = m, .n = 2048, .k = 2048, .w = type});
        }
        break;
      case OpKind::kAttention:
        shapes.push_back({.kind = kind, .m = m, .n = 2048, .heads = 32, .kv_heads = 8, .head_dim = 64, .context = 256});
        break;
      case OpKind::kRope:
        shapes.push_back({.kind = kind, .m = m, .n = 2048, .head_dim = 64});
        break;
      default:
        shapes.push_back({.kind = kind, .m = m, .n = 2048});
        break;
    }
  }
  return shapes;
}

struct Operands {
  AlignedBuffer in0, in1, in2, out, workspace, vector;
  std::vector<AlignedBuffer> weights;  // packed copies, cold as a set
  HostOp op;
};

AlignedBuffer random_floats(std::int64_t count) {
  AlignedBuffer buffer(static_cast<std::size_t>(count) * sizeof(float));
  Rng rng(3);
  for (std::int64_t i = 0; i < count; ++i) buffer.as<float>()[i] = static_cast<float>(rng.normal());
  return buffer;
}

Operands make_operands(const HostKernel& kernel, const OpDesc& op) {
  Operands o;
  const std::int64_t kv_cols = op.kv_heads * op.head_dim;
  const std::int64_t in_cols = op.kind == OpKind::kMatmul ? op.k : op.n;
  o.in0 = random_floats(op.m * in_cols);
  o.out = AlignedBuffer(static_cast<std::size_t>(op.m * op.n) * sizeof(float));
  o.op.desc = op;
  o.op.in0 = {o.in0.as<float>(), in_cols};
  o.op.out = {o.out.as<float>(), op.n};
  switch (op.kind) {
    case OpKind::kAttention:
      o.in1 = random_floats(op.context * kv_cols);
      o.in2 = random_floats(op.context * kv_cols);
      o.op.in1 = {o.in1.as<float>(), kv_cols};
      o.op.in2 = {o.in2.as<float>(), kv_cols};
      o.op.position = op.context - op.m;
      o.op.constants.attention_scale = 1 / std::sqrt(static_cast<float>(op.head_dim));
      break;
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      o.in1 = random_floats(op.m * op.n);
      o.op.in1 = {o.in1.as<float>(), op.n};
      break;
    case OpKind::kRmsNorm:
      o.vector = random_floats(op.n);
      o.op.vector = o.vector.as<float>();
      o.op.constants.eps = 1e-5F;
      break;
    case OpKind::kRope:
      o.op.constants.rope_base = 10000;
      o.op.constants.rope_dims = op.head_dim;
      break;
    case OpKind::kMatmul: {
      const int copies = WeightPool::copies_for(op.w, op.n, op.k, last_level_cache_bytes() * 5 / 4);
      WeightPool pool;
      pool.reserve(op.w, op.n, op.k, 1);
      pool.build();
      const WeightSlice slice{pool.copy(op.w, op.n, op.k, 0), 0, op.n, 0, op.k};
      for (int i = 0; i < copies; ++i) {
        o.weights.emplace_back(kernel.packed_bytes(slice));
        kernel.pack(slice, o.weights.back().data());
      }
      break;
    }
  }
  if (kernel.workspace_bytes != nullptr) {
    o.workspace = AlignedBuffer(kernel.workspace_bytes(op));
    o.op.workspace = o.workspace.data();
  }
  return o;
}

void run_kernel(benchmark::State& state, const HostKernel& kernel, const OpDesc& op) {
  Operands o = make_operands(kernel, op);
  std::size_t copy = 0;
  for (auto _ : state) {
    if (!o.weights.empty()) {
      o.op.weights = o.weights[copy].data();
      copy = (copy + 1) % o.weights.size();
    }
    for (int phase = 0; phase < kernel.phases; ++phase) kernel.run(o.op, phase, 0, 1);
    benchmark::ClobberMemory();
  }
  using benchmark::Counter;
  const auto runs = static_cast<double>(state.iterations());
  state.counters["GFLOPS"] = Counter(flops(op) * runs / 1e9, Counter::kIsRate);
  if (streamed_bytes(op) > 0) state.counters["GB/s"] = Counter(streamed_bytes(op) * runs / 1e9, Counter::kIsRate);
}

}  // namespace

void register_kernel_benchmarks() {
  HardwareFacts facts = detect_cpu_facts();
  facts.workers = 1;
  for (const KernelVariant& variant : catalogue()) {
    if (variant.family != KernelFamily::kCpu || variant.host == nullptr) continue;
    for (const OpDesc& op : shapes_of(variant.kind)) {
      if (!variant.applicable(op, facts).yes) continue;
      if (op.kind == OpKind::kMatmul && variant.host->pack == nullptr) continue;
      const HostKernel* const kernel = variant.host;
      benchmark::RegisterBenchmark(("kernel/" + variant.id + "/" + canonical_text(op)).c_str(),
                                   [kernel, op](benchmark::State& state) { run_kernel(state, *kernel, op); })
          ->Unit(benchmark::kMicrosecond)
          ->UseRealTime();
    }
  }
}

}  // namespace hetero
