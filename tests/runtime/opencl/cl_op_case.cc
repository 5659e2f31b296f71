#include "tests/runtime/opencl/cl_op_case.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <span>

#include "base/aligned_buffer.h"
#include "base/rng.h"
#include "runtime/device/opencl/opencl_provider.h"

namespace hetero::test {
namespace {

constexpr std::uint64_t kSeed = 20;  // every case draws from this seed

void fill(float* data, std::size_t count, Rng& rng) {
  for (std::size_t i = 0; i < count; ++i) data[i] = static_cast<float>(rng.normal());
}

// The arena's tensors and the op of a case.
struct Setting {
  Arena arena;
  Segment segment;
  std::vector<std::byte> weights;
  std::vector<float> vector;

  explicit Setting(const ClCase& c) {
    const OpDesc& d = c.desc;
    const std::int64_t extra = c.column + 3;  // tensors are wider than the part, so that strides matter
    Op op{d, c.constants, {}, {}, {}, {}};
    const auto region = [&](TensorId id, std::int64_t cols) { return Region{id, 0, d.m, c.column, cols}; };
    const auto tensor = [&](const char* name, std::int64_t cols, RowOrigin origin = RowOrigin::kStep) {
      const std::int64_t rows = origin == RowOrigin::kSequence ? c.position + d.m + 1 : d.m + 1;
      return arena.add(name, rows, cols + extra, origin);
    };
    const std::int64_t in_cols = d.kind == OpKind::kMatmul ? d.k : d.n;
    op.in[0] = region(tensor("in0", in_cols), in_cols);
    if (d.kind == OpKind::kSwiGlu || d.kind == OpKind::kAdd) op.in[1] = region(tensor("in1", d.n), d.n);
    if (d.kind == OpKind::kAttention) {
      const std::int64_t cols = d.kv_heads * d.head_dim;
      op.in[1] = region(tensor("k", cols, RowOrigin::kSequence), cols);
      op.in[2] = region(tensor("v", cols, RowOrigin::kSequence), cols);
    }
    // A rope's result goes into the cache, as keys do.
    op.out = region(tensor("out", d.n, d.kind == OpKind::kRope ? RowOrigin::kSequence : RowOrigin::kStep), d.n);
    if (c.residual == ClCase::Residual::kSeparate) op.in[1] = region(tensor("residual", d.n), d.n);
    if (c.residual == ClCase::Residual::kAliased) op.in[1] = op.out;
    arena.allocate();
    Rng rng(kSeed);
    fill(reinterpret_cast<float*>(arena.data()), arena.size_bytes() / sizeof(float), rng);
    if (d.kind == OpKind::kMatmul) add_weight(c, op, rng);
    if (d.kind == OpKind::kRmsNorm || c.factors) {
      vector.resize(static_cast<std::size_t>(d.kind == OpKind::kRmsNorm ? d.n : c.constants.rope_dims / 2));
      for (float& v : vector) v = static_cast<float>(1 + 0.5 * rng.uniform());
      op.vector = {reinterpret_cast<const std::byte*>(vector.data()), DType::kF32, 1,
                   static_cast<std::int64_t>(vector.size())};
    }
    for (const Region& in : op.in) {
      if (in.valid()) segment.imports.push_back(in);
    }
    segment.exports = {op.out};
    segment.ops = {op};
    segment.label = "case";
  }

  void add_weight(const ClCase& c, Op& op, Rng& rng) {
    const OpDesc& d = c.desc;
    const std::int64_t block = info(d.w).block_elements;
    const std::int64_t k = c.k0 + d.k + block, n = c.n0 + d.n + 1;
    const std::int64_t bytes = row_bytes(d.w, k);
    weights.resize(static_cast<std::size_t>(n * bytes));
    std::vector<float> row(static_cast<std::size_t>(k));
    for (std::int64_t r = 0; r < n; ++r) {
      fill(row.data(), row.size(), rng);
      quantise_row(d.w, row.data(), weights.data() + r * bytes, k);
    }
    op.weight = {{weights.data(), d.w, n, k}, c.n0, c.n0 + d.n, c.k0, c.k0 + d.k};
  }
};

// The reference on a copy of the arena's floats.
HostOp host_op(Setting& setting, const ClCase& c, std::byte* memory) {
  const Op& op = setting.segment.ops.front();
  const auto at = [&](const Region& region, bool first_row) -> HostMatrix {
    if (!region.valid()) return {};
    const HostMatrix m = first_row ? setting.arena.from_first_row(region) : setting.arena.matrix(region, c.position);
    return {reinterpret_cast<float*>(memory + (reinterpret_cast<std::byte*>(m.data) - setting.arena.data())), m.stride};
  };
  const auto in = [&](const Region& region, bool first_row) {
    const HostMatrix m = at(region, first_row);
    return ConstHostMatrix{m.data, m.stride};
  };
  const bool attention = op.desc.kind == OpKind::kAttention;
  HostOp host;
  host.desc = op.desc;
  host.constants = op.constants;
  host.in0 = in(op.in[0], false);
  host.in1 = in(op.in[1], attention);
  host.in2 = in(op.in[2], attention);
  host.out = at(op.out, false);
  host.weights = reinterpret_cast<const std::byte*>(&op.weight);
  host.vector = reinterpret_cast<const float*>(op.vector.data);
  host.position = c.position;
  return host;
}

Tolerance tolerance_of(ToleranceClass tolerance, const HostOp& op, const WeightSlice& slice) {
  if (op.desc.kind != OpKind::kMatmul) return op_tolerance(tolerance, op);
  const std::int64_t n = op.desc.n, k = op.desc.k;
  std::vector<float> row(static_cast<std::size_t>(slice.weight.k)), values(static_cast<std::size_t>(n * k));
  for (std::int64_t r = 0; r < n; ++r) {
    dequantise_row(slice.weight.type, slice.weight.data + (slice.n0 + r) * row_bytes(slice.weight.type, slice.weight.k),
                   row.data(), slice.weight.k);
    std::copy_n(row.data() + slice.k0, k, values.data() + r * k);
  }
  return matmul_tolerance(tolerance, op.in0, op.desc.m, values.data(), n, k);
}

}  // namespace

std::string cl_test_device() {
  for (const DeviceDescription& d : opencl_provider().discover()) {
    if (d.usable && d.kind == DeviceKind::kCpu) return d.id;
  }
  return "";
}

std::unique_ptr<Device> open_cl(const std::string& spec, Timeline& timeline, const std::string& forced_variant,
                                const std::string& cache_dir, const ParamValues& params) {
  DeviceContext context;
  context.timeline = &timeline;
  context.kernels.forced_id = forced_variant;
  context.cache_dir = cache_dir;
  if (!params.empty()) {
    for (const ShapeClass shapes : {ShapeClass::kOneRow, ShapeClass::kFewRows, ShapeClass::kManyRows}) {
      context.tuned[""][{forced_variant, shapes}] = params;
    }
  }
  return opencl_provider().open(parse_device_spec(spec), context);
}

void finish(Timeline& timeline, Ticket& ticket) {
  Ticket* const tickets[] = {&ticket};
  timeline.wait_any(tickets, {Waiter::kDriver, Nanos(0)});
  ticket.interval();
}

std::string run_case(Device& device, Timeline& timeline, const ClCase& c, ToleranceClass tolerance) {
  Setting setting(c);
  AlignedBuffer expected(setting.arena.size_bytes());
  std::memcpy(expected.data(), setting.arena.data(), expected.size());
  // The bounds are those of the operands, so they are taken before an aliased output overwrites one.
  HostOp reference = host_op(setting, c, expected.data());
  const Tolerance allowed = tolerance_of(tolerance, reference, setting.segment.ops.front().weight);

  device.attach(setting.arena);
  if (const Applicability can = device.supports(setting.segment); !can.yes) return "refused: " + can.why_not;
  const auto prepared = device.prepare(setting.segment);
  if (std::memcmp(expected.data(), setting.arena.data(), expected.size()) != 0) return "prepare() changed the arena";
  finish(timeline, *device.submit(*prepared, {c.position}));

  const KernelVariant& variant = choose(KernelFamily::kReference, c.desc, {}, {});
  for (int phase = 0; phase < variant.host->phases; ++phase) variant.host->run(reference, phase, 0, 1);
  const HostOp actual = host_op(setting, c, setting.arena.data());
  const Comparison result = compare({reference.out.data, reference.out.stride}, {actual.out.data, actual.out.stride},
                                    c.desc.m, c.desc.n, allowed);
  if (!result.ok) return canonical_text(c.desc) + ": " + result.message;
  // With the outputs made equal, any other difference is a stray write.
  for (std::int64_t row = 0; row < c.desc.m; ++row) {
    std::copy_n(reference.out.data + row * reference.out.stride, c.desc.n, actual.out.data + row * actual.out.stride);
  }
  if (std::memcmp(expected.data(), setting.arena.data(), expected.size()) != 0) {
    return canonical_text(c.desc) + ": wrote outside of its output";
  }
  return "";
}

}  // namespace hetero::test
