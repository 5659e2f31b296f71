#include "tests/runtime/openvino/openvino_rig.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/openvino/openvino_provider.h"
#include "runtime/device/sim/reference_segment.h"

namespace hetero::test {

int last_core() { return all_cores().back(); }

std::unique_ptr<OpenVinoDevice> open_openvino(Timeline& timeline, const std::string& options,
                                              const std::string& cache_dir, const std::vector<ShapeChoice>& by_shape) {
  DeviceContext context;
  context.timeline = &timeline;
  context.cache_dir = cache_dir;
  context.by_shape = by_shape;
  const std::string spec = "openvino:CPU@" + std::to_string(last_core()) + (options.empty() ? "" : "?") + options;
  std::unique_ptr<Device> device = openvino_provider().open(parse_device_spec(spec), context);
  return std::unique_ptr<OpenVinoDevice>(static_cast<OpenVinoDevice*>(device.release()));
}

void Bench::fill() {
  arena.allocate();
  auto* values = reinterpret_cast<float*>(arena.data());
  for (std::size_t i = 0; i < arena.size_bytes() / sizeof(float); ++i) values[i] = static_cast<float>(rng_.normal());
}

WeightView Bench::weight(DType type, std::int64_t n, std::int64_t k) {
  auto bytes = std::make_unique<std::vector<std::byte>>(static_cast<std::size_t>(n * row_bytes(type, k)));
  std::vector<float> row(static_cast<std::size_t>(k));
  for (std::int64_t i = 0; i < n; ++i) {
    for (float& v : row) v = static_cast<float>((rng_.normal() + 0.2) / std::sqrt(static_cast<double>(k)));
    quantise_row(type, row.data(), bytes->data() + i * row_bytes(type, k), k);
  }
  storage_.push_back(std::move(bytes));
  return {storage_.back()->data(), type, n, k};
}

WeightView Bench::vector(std::int64_t length) { return weight(DType::kF32, 1, length); }

Region whole(const Arena& arena, TensorId id, std::int64_t rows) { return {id, 0, rows, 0, arena.tensor(id).cols}; }

Op matmul(const WeightView& weight, const Region& in, const Region& out, const Region& residual) {
  Op op;
  op.desc = {OpKind::kMatmul, in.rows, weight.n, weight.k, weight.type};
  op.weight = {weight, 0, weight.n, 0, weight.k};
  op.in[0] = in;
  op.in[1] = residual;
  op.out = out;
  return op;
}

Op rms_norm(const WeightView& weight, const Region& in, const Region& out) {
  Op op;
  op.desc = {OpKind::kRmsNorm, in.rows, in.cols};
  op.constants.eps = 1e-5F;
  op.vector = weight;
  op.in[0] = in;
  op.out = out;
  return op;
}

Op swiglu(const Region& gate, const Region& up, const Region& out) {
  Op op;
  op.desc = {OpKind::kSwiGlu, gate.rows, gate.cols};
  op.in[0] = gate;
  op.in[1] = up;
  op.out = out;
  return op;
}

void run(Device& device, Timeline& timeline, PreparedSegment& prepared, std::int64_t position) {
  const std::unique_ptr<Ticket> ticket = device.submit(prepared, {position});
  Ticket* const tickets[] = {ticket.get()};
  timeline.wait_any(tickets, {Waiter::kDriver, Nanos(0)});
  ticket->interval();
}

void run_reference(Arena& arena, const Segment& segment, std::int64_t position) {
  ReferenceSegment(segment, arena, SimPrecision::kFloat32).run({position});
}

double relative_error(const std::vector<float>& got, const std::vector<float>& want) {
  double error = 0;
  double norm = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    if (!std::isfinite(got[i])) return INFINITY;
    error += std::pow(static_cast<double>(got[i]) - static_cast<double>(want[i]), 2);
    norm += std::pow(static_cast<double>(want[i]), 2);
  }
  return std::sqrt(error / norm);
}

std::vector<float> snapshot(Arena& arena) {
  const auto* values = reinterpret_cast<const float*>(arena.data());
  return {values, values + arena.size_bytes() / sizeof(float)};
}

void restore(Arena& arena, const std::vector<float>& values) {
  std::memcpy(arena.data(), values.data(), values.size() * sizeof(float));
}

}  // namespace hetero::test
