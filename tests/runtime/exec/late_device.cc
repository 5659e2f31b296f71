#include "tests/runtime/exec/late_device.h"

#include <algorithm>
#include <limits>

namespace hetero {

struct LateDevice::Prepared final : PreparedSegment {
  Segment segment;
};

struct LateDevice::LateTicket final : Ticket {
  LateDevice* device = nullptr;
  const Segment* segment = nullptr;
  Bindings bindings;
  int polls_left = 0;
  bool finished = false;

  bool done() override {
    if (finished) return true;
    if (device->queue_.front() != this || polls_left-- > 0) return false;
    device->run(*segment, bindings);
    device->queue_.pop_front();
    finished = true;
    return true;
  }
  void block() override {
    while (!done()) {
    }
  }
  std::pair<Nanos, Nanos> interval() override { return {}; }
};

LateDevice::LateDevice(std::string id, std::vector<std::int64_t> standard_sizes, std::uint64_t seed, bool own_memory)
    : rng_(seed), own_memory_(own_memory) {
  facts_.id = std::move(id);
  facts_.standard_sizes = std::move(standard_sizes);
  facts_.feature_align = 8;
}

Applicability LateDevice::supports(const Segment& segment) const {
  for (const Op& op : segment.ops) {
    const auto& sizes = facts_.standard_sizes;
    if (!sizes.empty() && std::find(sizes.begin(), sizes.end(), op.desc.m) == sizes.end()) {
      return Applicability::no("no graph for " + canonical_text(op.desc));
    }
    if (!sizes.empty() && op.desc.m != segment.ops.front().desc.m) {
      return Applicability::no("a graph has one number of rows: " + canonical_text(op.desc));
    }
  }
  return {};
}

std::unique_ptr<PreparedSegment> LateDevice::prepare(const Segment& segment) {
  ++preparations;
  auto prepared = std::make_unique<Prepared>();
  prepared->segment = segment;
  return prepared;
}

std::unique_ptr<Ticket> LateDevice::submit(PreparedSegment& prepared, const Bindings& bindings) {
  auto ticket = std::make_unique<LateTicket>();
  ticket->device = this;
  ticket->segment = &static_cast<Prepared&>(prepared).segment;
  ticket->bindings = bindings;
  ticket->polls_left = static_cast<int>(rng_.below(6));
  queue_.push_back(ticket.get());
  ++submissions;
  return ticket;
}

void LateDevice::attach(Arena& arena) {
  host_ = arena_ = &arena;
  if (!own_memory_) return;
  own_ = Arena();
  for (const Tensor& t : arena.tensors()) own_.add(t.name, t.rows, t.cols, t.origin);
  own_.allocate();
  auto* const values = reinterpret_cast<float*>(own_.data());
  std::fill_n(values, own_.size_bytes() / sizeof(float), std::numeric_limits<float>::quiet_NaN());
  arena_ = &own_;
}

bool LateDevice::is_cache(const Region& region) const {
  return region.valid() && host_->tensor(region.tensor).origin == RowOrigin::kSequence;
}

void LateDevice::run(const Segment& segment, const Bindings& bindings) {
  if (!own_memory_) return compute(segment, bindings);
  const auto copy = [](Arena& from, Arena& to, const Region& region, std::int64_t position) {
    const HostMatrix source = from.matrix(region, position);
    const HostMatrix target = to.matrix(region, position);
    for (std::int64_t row = 0; row < region.rows; ++row) {
      std::copy_n(source.data + row * source.stride, region.cols, target.data + row * target.stride);
    }
  };
  for (const Op& op : segment.ops) {
    if (op.desc.kind != OpKind::kAttention) continue;
    for (const Region& cache : {op.in[1], op.in[2]}) {
      copy(*host_, own_, {cache.tensor, 0, bindings.position, cache.col0, cache.cols}, 0);
    }
  }
  for (const Region& region : segment.imports) copy(*host_, own_, region, bindings.position);
  compute(segment, bindings);
  for (const Region& region : segment.exports) copy(own_, *host_, region, bindings.position);
  for (const Op& op : segment.ops) {
    if (is_cache(op.out)) copy(own_, *host_, op.out, bindings.position);
  }
}

void LateDevice::compute(const Segment& segment, const Bindings& bindings) {
  for (const Op& op : segment.ops) {
    HostOp host;
    host.desc = op.desc;
    host.constants = op.constants;
    host.vector = reinterpret_cast<const float*>(op.vector.data);
    host.weights = reinterpret_cast<const std::byte*>(&op.weight);
    host.position = bindings.position;
    const bool attention = op.desc.kind == OpKind::kAttention;
    const auto view = [&](const Region& r, bool whole) -> ConstHostMatrix {
      if (!r.valid()) return {};
      const HostMatrix m = whole ? arena_->from_first_row(r) : arena_->matrix(r, bindings.position);
      return {m.data, m.stride};
    };
    host.in0 = view(op.in[0], false);
    host.in1 = view(op.in[1], attention);
    host.in2 = view(op.in[2], attention);
    host.out = arena_->matrix(op.out, bindings.position);
    const HostKernel& kernel = *choose(KernelFamily::kReference, op.desc, {}, {}).host;
    for (int phase = 0; phase < kernel.phases; ++phase) kernel.run(host, phase, 0, 1);
  }
}

}  // namespace hetero
