#include "runtime/device/cpu/cpu_device.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "runtime/device/cpu/step_order.h"
#include "runtime/device/weight_source.h"

namespace hetero {
namespace {

// A submission that was over before submit() returned.
class DoneTicket final : public Ticket {
 public:
  DoneTicket(Nanos start, Nanos end) : interval_(start, end) {}
  bool done() override { return true; }
  void block() override {}
  std::pair<Nanos, Nanos> interval() override { return interval_; }

 private:
  std::pair<Nanos, Nanos> interval_;
};

}  // namespace

struct CpuDevice::Prepared final : PreparedSegment {
  struct Step {
    const HostKernel* kernel;
    StepOrder order;
    std::vector<std::int64_t> params;  // of the kernel
    HostOp op;                         // pointers are set at submission, since some depend on the position
    std::array<Region, 3> in;
    Region out;
  };
  std::vector<Step> steps;
};

CpuDevice::CpuDevice(DeviceFacts facts, const HardwareFacts& hardware, KernelFamily family,
                     const DeviceContext& context)
    : facts_(std::move(facts)),
      hardware_(hardware),
      family_(family),
      request_(context.kernels),
      tuned_(context.tuned),
      timeline_(*context.timeline),
      team_(facts_.cores) {}

CpuDevice::~CpuDevice() = default;

Applicability CpuDevice::supports(const Segment& segment) const {
  for (const Op& op : segment.ops) {
    try {
      choose(family_, op.desc, hardware_, request_);
    } catch (const Error& error) {
      return Applicability::no(error.what());
    }
  }
  return {};
}

KernelUse CpuDevice::kernel_for(const OpDesc& op) const {
  try {
    return {&choose(family_, op, hardware_, request_)};
  } catch (const Error&) {
    return {};
  }
}

std::unique_ptr<PreparedSegment> CpuDevice::prepare(const Segment& segment) {
  const Nanos start = timeline_.now();
  auto prepared = std::make_unique<Prepared>();
  std::size_t workspace = workspace_.size();
  std::vector<const HostKernel*> kernels;
  for (const Op& op : segment.ops) {
    const KernelVariant& variant = choose(family_, op.desc, hardware_, request_);
    kernels.push_back(variant.host);
    Prepared::Step step{variant.host, {}, {}, {}, op.in, op.out};
    step.params = values_in_order(variant, params_for(tuned_, facts_.family_fingerprint, variant, op.desc));
    step.op.desc = op.desc;
    step.op.constants = op.constants;
    step.op.vector = reinterpret_cast<const float*>(op.vector.data);
    if (op.desc.kind == OpKind::kMatmul) step.op.weights = packed_weight(op.weight, *variant.host);
    if (variant.host->workspace_bytes != nullptr) {
      workspace = std::max(workspace, variant.host->workspace_bytes(op.desc));
    }
    prepared->steps.push_back(std::move(step));
  }
  const std::vector<StepOrder> order = order_steps(segment.ops, kernels);
  for (std::size_t i = 0; i < order.size(); ++i) prepared->steps[i].order = order[i];
  if (workspace > workspace_.size()) workspace_ = AlignedBuffer(workspace);
  prepared->prepare_ns = to_ns(timeline_.now() - start);
  return prepared;
}

std::unique_ptr<Ticket> CpuDevice::submit(PreparedSegment& prepared_segment, const Bindings& bindings) {
  const Nanos start = timeline_.now();
  auto& prepared = static_cast<Prepared&>(prepared_segment);
  for (Prepared::Step& step : prepared.steps) {
    HostOp& op = step.op;
    const bool attention = op.desc.kind == OpKind::kAttention;
    const auto input = [&](const Region& region, bool from_first_row) -> ConstHostMatrix {
      if (!region.valid()) return {};
      const HostMatrix m = from_first_row ? arena_->from_first_row(region) : arena_->matrix(region, bindings.position);
      return {m.data, m.stride};
    };
    op.in0 = input(step.in[0], false);
    op.in1 = input(step.in[1], attention);
    op.in2 = input(step.in[2], attention);
    op.out = arena_->matrix(step.out, bindings.position);
    op.position = bindings.position;
    op.workspace = workspace_.data();
    op.params = step.params.empty() ? nullptr : step.params.data();
  }
  const int workers = team_.size();
  team_.run([&](int member) {
    for (const Prepared::Step& step : prepared.steps) {
      for (int phase = step.order.first_phase; phase < step.kernel->phases; ++phase) {
        if (workers > 1 && (phase > step.order.first_phase || step.order.meet_before)) team_.barrier();
        step.kernel->run(step.op, phase, member, workers);
      }
    }
  });
  return std::make_unique<DoneTicket>(start, timeline_.now());
}

const std::byte* CpuDevice::packed_weight(const WeightSlice& slice, const HostKernel& kernel) {
  const WeightKey key{slice.weight.data, slice.n0, slice.n1, slice.k0, slice.k1, &kernel};
  auto& entry = weights_[key];
  if (entry == nullptr) {
    auto weight = std::make_unique<PackedWeight>();
    weight->slice = slice;
    if (kernel.pack != nullptr) {
      const std::size_t bytes = kernel.packed_bytes(slice);
      std::byte* at = weight_memory_.take(bytes);
      weight->packed = at;
      pack_and_forget(slice, [&](const WeightSlice& part) {
        kernel.pack(part, at);
        at += kernel.packed_bytes(part);
      });
      weight_bytes_ += bytes;
    }
    entry = std::move(weight);
  }
  if (kernel.pack == nullptr) return reinterpret_cast<const std::byte*>(&entry->slice);
  return entry->packed;
}

}  // namespace hetero
