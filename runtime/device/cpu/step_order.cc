#include "runtime/device/cpu/step_order.h"

#include <algorithm>

namespace hetero {
namespace {

// What members may still be doing: the accesses since they last met.
struct Underway {
  struct Write {
    Region region;
    bool by_pieces;
  };
  std::vector<Region> reads;
  std::vector<Write> writes;
  bool reads_workspace = false;

  void add(const Op& op, const HostKernel& kernel) {
    for (const Region& in : op.in) {
      if (in.valid()) reads.push_back(in);
    }
    writes.push_back({op.out, kernel.writes_pieces});
    reads_workspace |= kernel.workspace_bytes != nullptr;
  }
  bool read(const Region& region) const {
    return std::any_of(reads.begin(), reads.end(), [&](const Region& other) { return region.overlaps(other); });
  }
  // `by_pieces`: each member is about to read its own pieces of the region, no matter what others still write of it.
  bool written(const Region& region, bool by_pieces) const {
    return std::any_of(writes.begin(), writes.end(), [&](const Write& write) {
      return region.overlaps(write.region) && !(by_pieces && write.by_pieces && region == write.region);
    });
  }
};

bool must_wait(const Op& op, const HostKernel& kernel, bool writes_workspace, const Underway& underway) {
  if (writes_workspace && underway.reads_workspace) return true;
  if (underway.read(op.out) || underway.written(op.out, false)) return true;
  for (std::size_t i = 0; i < op.in.size(); ++i) {
    const bool by_pieces = kernel.reads_pieces && writes_workspace && i == 0;
    if (op.in[i].valid() && underway.written(op.in[i], by_pieces)) return true;
  }
  return false;
}

}  // namespace

std::vector<StepOrder> order_steps(std::span<const Op> ops, std::span<const HostKernel* const> kernels) {
  std::vector<StepOrder> order(ops.size());
  Underway underway;
  std::size_t writer = ops.size();  // the op whose workspace is there and whose input has not changed since; or none
  for (std::size_t i = 0; i < ops.size(); ++i) {
    const Op& op = ops[i];
    const HostKernel& kernel = *kernels[i];
    const bool uses_workspace = kernel.workspace_bytes != nullptr;
    const bool shares = writer < ops.size() && kernels[writer] == &kernel && kernel.workspace_key != nullptr &&
                        ops[writer].in[0] == op.in[0] &&
                        kernel.workspace_key(ops[writer].desc) == kernel.workspace_key(op.desc);
    order[i].first_phase = shares ? 1 : 0;
    order[i].meet_before = i > 0 && must_wait(op, kernel, uses_workspace && !shares, underway);
    if (order[i].meet_before || kernel.phases - order[i].first_phase > 1) underway = {};
    underway.add(op, kernel);
    if (uses_workspace && !shares) writer = i;
    if (writer < ops.size() && op.out.overlaps(ops[writer].in[0])) writer = ops.size();
  }
  return order;
}

}  // namespace hetero
