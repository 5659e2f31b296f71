#include "runtime/device/sim/sim_device.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "runtime/device/sim/reference_segment.h"

namespace hetero {
namespace {

std::string list_text(const std::vector<std::int64_t>& values) {
  std::string text;
  for (const std::int64_t value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
  return text;
}

// Why these ops do not make one static graph; empty when they do.
std::string static_refusal(const Segment& segment, const std::vector<std::int64_t>& sizes) {
  for (const Op& op : segment.ops) {
    if (std::find(sizes.begin(), sizes.end(), op.desc.m) == sizes.end()) {
      return "has static graphs for " + list_text(sizes) + " rows only, and " + canonical_text(op.desc) + " has " +
             std::to_string(op.desc.m);
    }
    if (op.desc.m != segment.ops.front().desc.m) {
      return "a static graph has one number of rows, and here " + canonical_text(segment.ops.front().desc) +
             " stands beside " + canonical_text(op.desc);
    }
  }
  return "";
}

Phase phase_of(const Segment& segment) {
  const bool one_row = std::all_of(segment.ops.begin(), segment.ops.end(), [](const Op& op) { return op.desc.m == 1; });
  return one_row ? Phase::kDecode : Phase::kPrefill;
}

}  // namespace

struct SimDevice::Prepared final : PreparedSegment {
  double fixed_ns = 0;         // of the ops whose time is the same at every position
  double fixed_bytes = 0;      // what they read
  std::vector<Op> positioned;  // the others
  Phase phase = Phase::kPrefill;
  std::optional<ReferenceSegment> numbers;
};

SimDevice::SimDevice(DeviceFacts facts, std::string profile_id, SimCompute compute,
                     std::shared_ptr<const CostModel> costs, const Timeline& timeline, std::unique_ptr<SimQueue> queue,
                     std::optional<OperandOrders> orders)
    : facts_(std::move(facts)),
      profile_id_(std::move(profile_id)),
      compute_(compute),
      costs_(std::move(costs)),
      timeline_(timeline),
      queue_(std::move(queue)),
      orders_(std::move(orders)) {}

SimDevice::~SimDevice() = default;

Applicability SimDevice::supports(const Segment& segment) const {
  if (!facts_.standard_sizes.empty()) {
    std::string reason = static_refusal(segment, facts_.standard_sizes);
    if (!reason.empty()) return Applicability::no(std::move(reason));
  }
  if (orders_) {
    if (Applicability can = orders_->allows(segment); !can.yes) return can;
  }
  for (const Op& op : segment.ops) {
    try {
      op_ns(op, 0);
    } catch (const Error& error) {
      return Applicability::no(error.what());
    }
  }
  return {};
}

std::unique_ptr<PreparedSegment> SimDevice::prepare(const Segment& segment) {
  const Nanos start = timeline_.now();
  auto prepared = std::make_unique<Prepared>();
  prepared->phase = phase_of(segment);
  for (const Op& op : segment.ops) {
    if (follows_position(op)) {
      prepared->positioned.push_back(op);
    } else {
      prepared->fixed_ns += op_ns(op, 0);
      prepared->fixed_bytes += op_bytes(op, 0);
    }
  }
  if (!facts_.standard_sizes.empty()) compile_once(segment, *prepared);
  count_weights(segment);
  if (compute_ == SimCompute::kReference) {
    const bool half = costs_->profile(profile_id_).half_precision;
    prepared->numbers.emplace(segment, *arena_, half ? SimPrecision::kFloat16 : SimPrecision::kFloat32);
  }
  prepared->prepare_ns = to_ns(timeline_.now() - start);
  return prepared;
}

std::unique_ptr<Ticket> SimDevice::submit(PreparedSegment& prepared_segment, const Bindings& bindings) {
  auto& prepared = static_cast<Prepared&>(prepared_segment);
  SimWork work{prepared.fixed_ns, prepared.phase, nullptr};
  streamed_bytes_ += prepared.fixed_bytes;
  for (const Op& op : prepared.positioned) {
    work.duration_ns += op_ns(op, bindings.position);
    streamed_bytes_ += op_bytes(op, bindings.position);
  }
  if (prepared.numbers) {
    work.compute = [numbers = &*prepared.numbers, bindings] { numbers->run(bindings); };
  }
  queue_->occupy_host(costs_->launch(profile_id_).median_ns);
  return queue_->push(std::move(work));
}

// What the second compiler has begun by now, since it was last asked.
void SimDevice::begin_queued() {
  while (!ahead_.empty()) {
    const Nanos begin = std::max(ahead_free_, ahead_.front().since);
    if (begin > timeline_.now()) return;
    Queued graph = std::move(ahead_.front());
    ahead_.pop_front();
    if (!graphs_.insert(graph.text).second) continue;
    ahead_free_ = begin + nanos_from(costs_->graph_compile(profile_id_, graph.weights).median_ns);
    ready_[std::move(graph.text)] = ahead_free_;
  }
}

void SimDevice::compile_ahead(const Segment& segment) {
  if (facts_.standard_sizes.empty() || limits_.failing_graph > 0) return;
  begin_queued();
  auto [text, weights] = graph_of(segment);
  ahead_.push_back({std::move(text), weights, timeline_.now()});
}

void SimDevice::stop_ahead() {
  begin_queued();
  ahead_.clear();
}

void SimDevice::compile_once(const Segment& segment, PreparedSegment& prepared) {
  begin_queued();
  auto [graph, weights] = graph_of(segment);
  const Nanos start = timeline_.now();
  if (const auto ready = ready_.find(graph); ready != ready_.end()) {
    queue_->occupy_host(std::max(0.0, to_ns(ready->second - start)));
    prepared.graph_compile_ns = to_ns(timeline_.now() - start);
    ready_.erase(ready);
    return;
  }
  if (!graphs_.insert(std::move(graph)).second) return;
  if (limits_.failing_graph == static_cast<int>(graphs_.size())) {
    compile_failed_ = true;
    throw environment_error("device '" + facts_.id + "' cannot compile its graph " + std::to_string(graphs_.size()) +
                            " (an injected fault)");
  }
  queue_->occupy_host(costs_->graph_compile(profile_id_, weights).median_ns);
  prepared.graph_compile_ns = to_ns(timeline_.now() - start);
}

void SimDevice::count_weights(const Segment& segment) {
  for (const Op& op : segment.ops) {
    if (op.desc.kind != OpKind::kMatmul) continue;
    const WeightSlice& slice = op.weight;
    if (!weights_.insert({slice.weight.data, slice.n0, slice.n1, slice.k0, slice.k1}).second) continue;
    weight_bytes_ +=
        static_cast<std::uint64_t>((slice.n1 - slice.n0) * row_bytes(slice.weight.type, slice.k1 - slice.k0));
    if (limits_.weight_bytes > 0 && weight_bytes_ > limits_.weight_bytes) {
      out_of_memory_ = true;
      throw environment_error("device '" + facts_.id + "' has no memory for more than " +
                              format_bytes(limits_.weight_bytes) + " of weights (an injected fault)");
    }
  }
}

// What tells graphs apart, and the weights that compiling one goes through.
std::pair<std::string, double> SimDevice::graph_of(const Segment& segment) const {
  std::string text;
  double weights = 0;
  for (const Op& op : segment.ops) {
    text += canonical_text(op.desc);
    if (op.desc.kind == OpKind::kMatmul) {
      weights += static_cast<double>(op.desc.n) * static_cast<double>(op.desc.k);
      if (has_orders()) text += " " + std::string(name_of(orders_->of(op))) + " first";
    }
    text += "\n";
  }
  return {std::move(text), weights};
}

KernelUse SimDevice::kernel_for(const OpDesc& op) const { return has_orders() ? orders_->kernel_for(op) : KernelUse{}; }

double SimDevice::op_ns(const Op& op, std::int64_t position) const {
  const OpDesc desc = at_position(op, position);
  const WeightView& whole = op.weight.weight;
  const double ns = costs_->op(profile_id_, desc, whole.n, whole.k).median_ns;
  return has_orders() ? ns * costs_->order_factor(profile_id_, desc, orders_->of(op), whole.n, whole.k) : ns;
}

double SimDevice::op_bytes(const Op& op, std::int64_t position) {
  return hetero::streamed_bytes(at_position(op, position));
}

}  // namespace hetero
