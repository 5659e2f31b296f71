#include "tuner/measure/bench_set.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "base/rng.h"

namespace hetero {
namespace {

// A segment should take about this long, so that starting and ending it are within the noise.
constexpr double kSegmentNs = 400e3;
// Weights matter less than arithmetic above this many rows: a few copies are enough.
constexpr std::int64_t kColdRows = 32;
constexpr int kWarmCopies = 3;

// A rough guess (10 GB/s, 50 GFLOPS): wrong by a factor of ten it still gives segments that can be timed.
double guess_ns(const OpDesc& op) {
  return 50 + streamed_bytes(op) / 10 + flops(op) / 50 + static_cast<double>(op.m * op.n) / 2;
}

int ops_for(const OpDesc& op, const DeviceFacts& facts, int most_ops) {
  // A static graph of many ops would be compiled as a whole; its dispatch is part of what an op costs there.
  if (!facts.standard_sizes.empty()) return 1;
  return static_cast<int>(std::clamp(std::ceil(kSegmentNs / guess_ns(op)), 1.0, static_cast<double>(most_ops)));
}

bool is_cache(const Bench& bench, std::size_t input) { return bench.op.kind == OpKind::kAttention && input > 0; }

}  // namespace

Waiter quiet_waiter(const DeviceFacts& facts) {
  const auto has = [&](Waiter w) {
    return std::find(facts.waiters.begin(), facts.waiters.end(), w) != facts.waiters.end();
  };
  if (has(Waiter::kDriver)) return Waiter::kDriver;
  return facts.waiters.empty() ? Waiter::kPoll : facts.waiters.front();
}

Bench& BenchSet::declare(Device& device, const OpDesc& op, const ParamValues& params) {
  std::unique_ptr<Bench>& slot = benches_[{device.facts().id, canonical_text(op), params}];
  if (slot != nullptr) return *slot;
  slot = std::make_unique<Bench>();
  Bench& bench = *slot;
  bench.device = &device;
  bench.op = op;
  bench.params = params;
  bench.ops_per_segment = ops_for(op, device.facts(), most_ops_);
  if (op.kind == OpKind::kMatmul) {
    const int cold = WeightPool::copies_for(op.w, op.n, op.k, cold_bytes_);
    bench.copies = op.m <= kColdRows ? cold : std::min(cold, std::max(kWarmCopies, bench.ops_per_segment));
    bench.copies = std::max(bench.copies, bench.ops_per_segment);
    weights_.reserve(op.w, op.n, op.k, bench.copies);
  }
  if (op.kind == OpKind::kRmsNorm) weights_.reserve(DType::kF32, 1, op.n, 1);
  // A cache row sees all before it: the step begins where its last row ends at `context`.
  if (op.kind == OpKind::kAttention) bench.bindings.position = std::max<std::int64_t>(0, op.context - op.m);
  place(bench);
  return bench;
}

TensorId BenchSet::tensor(const Device& device, const std::string& role, std::int64_t rows, std::int64_t cols,
                          RowOrigin origin) {
  TensorPlan& plan = tensors_[{device.facts().id, role, cols, static_cast<int>(origin)}];
  plan.rows = std::max(plan.rows, rows);
  return plan.id;
}

// Called at declaration to size the tensors, and after allocation to name them in the bench.
void BenchSet::place(Bench& bench) {
  const OpDesc& op = bench.op;
  const auto region = [&](const char* role, std::int64_t cols) {
    return Region{tensor(*bench.device, role, op.m, cols, RowOrigin::kStep), 0, op.m, 0, cols};
  };
  bench.out = region("out", op.n);
  switch (op.kind) {
    case OpKind::kMatmul:
      bench.in[0] = region("in", op.k);
      break;
    case OpKind::kRmsNorm:
    case OpKind::kRope:
      bench.in[0] = region("in", op.n);
      break;
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      bench.in[0] = region("in", op.n);
      bench.in[1] = region("other", op.n);
      break;
    case OpKind::kAttention: {
      bench.in[0] = region("in", op.n);
      const std::int64_t cols = op.kv_heads * op.head_dim;
      const std::int64_t rows = bench.bindings.position + op.m;
      bench.in[1] = {tensor(*bench.device, "k", rows, cols, RowOrigin::kSequence), 0, op.m, 0, cols};
      bench.in[2] = {tensor(*bench.device, "v", rows, cols, RowOrigin::kSequence), 0, op.m, 0, cols};
      break;
    }
  }
}

void BenchSet::attach() {
  weights_.build();
  for (auto& [key, plan] : tensors_) {
    const auto& [device, role, cols, origin] = key;
    plan.id =
        arena_.add(device + " " + role + " " + std::to_string(cols), plan.rows, cols, static_cast<RowOrigin>(origin));
  }
  arena_.allocate();
  Rng rng(29);
  // One piece repeated: drawing a hundred million normals would take seconds.
  std::vector<float> piece(65537);
  for (float& v : piece) v = static_cast<float>(rng.normal());
  float* const values = reinterpret_cast<float*>(arena_.data());
  const std::size_t count = arena_.size_bytes() / sizeof(float);
  for (std::size_t at = 0; at < count; at += piece.size()) {
    std::copy_n(piece.begin(), std::min(piece.size(), count - at), values + at);
  }
  std::vector<Device*> attached;
  for (auto& [key, bench] : benches_) {
    place(*bench);
    if (std::find(attached.begin(), attached.end(), bench->device) != attached.end()) continue;
    bench->device->attach(arena_);
    attached.push_back(bench->device);
  }
}

Op BenchSet::op_of(const Bench& bench, int copy) const {
  Op op;
  op.desc = bench.op;
  op.params = bench.params;
  op.desc.context = 0;  // as a schedule leaves it: the position is bound at submission
  op.in = bench.in;
  op.out = bench.out;
  switch (bench.op.kind) {
    case OpKind::kMatmul:
      op.weight = {weights_.copy(bench.op.w, bench.op.n, bench.op.k, copy), 0, bench.op.n, 0, bench.op.k};
      break;
    case OpKind::kRmsNorm:
      op.vector = weights_.vector(bench.op.n);
      op.constants.eps = 1e-5F;
      break;
    case OpKind::kRope:
      op.constants.rope_base = 10000;
      op.constants.rope_dims = bench.op.head_dim;
      break;
    case OpKind::kAttention:
      op.constants.attention_scale = 1 / std::sqrt(static_cast<float>(bench.op.head_dim));
      break;
    case OpKind::kSwiGlu:
    case OpKind::kAdd:
      break;
  }
  return op;
}

Segment BenchSet::segment(const Bench& bench, int index) const {
  Segment s;
  s.label = canonical_text(bench.op);
  for (int i = 0; i < bench.ops_per_segment; ++i) {
    s.ops.push_back(op_of(bench, (index * bench.ops_per_segment + i) % bench.copies));
  }
  for (std::size_t i = 0; i < bench.in.size(); ++i) {
    if (bench.in[i].valid() && !is_cache(bench, i)) s.imports.push_back(bench.in[i]);
  }
  // What the caches hold was written by earlier steps: a copying device brings it over with the step's own rows.
  for (const std::size_t cache : {std::size_t{1}, std::size_t{2}}) {
    if (is_cache(bench, cache)) s.imports.push_back(bench.in[cache]);
  }
  s.exports.push_back(bench.out);
  return s;
}

void BenchSet::prepare(Bench& bench) {
  if (bench.prepared) return;
  bench.prepared = true;
  const auto give_up = [&](SampleStatus status, const std::string& why) {
    bench.status = status;
    bench.message = why;
    bench.segments.clear();
  };
  const int count = std::max(1, (bench.copies + bench.ops_per_segment - 1) / bench.ops_per_segment);
  try {
    for (int i = 0; i < count; ++i) {
      const Segment s = segment(bench, i);
      if (const Applicability can = bench.device->supports(s); !can.yes) {
        return give_up(SampleStatus::kNotSupported, can.why_not);
      }
      bench.segments.push_back(bench.device->prepare(s));
      if (i == 0) bench.graph_compile_ns = bench.segments[0]->graph_compile_ns;
    }
  } catch (const Error& error) {
    return give_up(SampleStatus::kCompileFailed, error.what());
  }
  try {
    spoil_output(bench, arena_);
    run(bench, quiet_waiter(bench.device->facts()));
    const std::string wrong = check_output(bench, arena_, op_of(bench, (bench.ops_per_segment - 1) % bench.copies));
    if (!wrong.empty()) give_up(SampleStatus::kWrongResult, wrong);
  } catch (const Error& error) {
    give_up(SampleStatus::kDeviceFailed, error.what());
  }
}

std::unique_ptr<Ticket> BenchSet::submit(Bench& bench) {
  PreparedSegment& segment = *bench.segments[bench.next];
  bench.next = (bench.next + 1) % bench.segments.size();
  return bench.device->submit(segment, bench.bindings);
}

BenchTimes BenchSet::run(Bench& bench, Waiter waiter) {
  const Nanos before = timeline_.now();
  const std::unique_ptr<Ticket> ticket = submit(bench);
  const Nanos submitted = timeline_.now();
  Ticket* const tickets[] = {ticket.get()};
  // What it took last is what a plan would have predicted.
  timeline_.wait_any(tickets, {waiter, bench.segment_ns > 0 ? submitted + nanos_from(bench.segment_ns) : Nanos(0)});
  const Nanos joined = timeline_.now();
  const auto [start, end] = ticket->interval();

  BenchTimes times;
  times.segment_ns = std::max(1.0, to_ns(end - start));
  times.op_ns = times.segment_ns / bench.ops_per_segment;
  const bool inside = bench.device->facts().submit_mode == SubmitMode::kOnCallersThread;
  times.launch_ns = std::max(0.0, to_ns((inside ? start : std::max(start, submitted)) - before));
  times.join_ns = std::max(0.0, to_ns(joined - end));
  bench.segment_ns = times.segment_ns;
  const double host_ns = inside ? times.launch_ns : to_ns(submitted - before);
  bench.submit_ns = bench.submit_ns > 0 ? std::min(bench.submit_ns, host_ns) : host_ns;
  return times;
}

}  // namespace hetero
