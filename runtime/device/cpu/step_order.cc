#include "runtime/device/cpu/step_order.h"

#include <algorithm>

namespace hetero {
namespace {

// What members may still be doing: the accesses since they last met.
struct Underway {
  std::vector<Region> reads, writes;
  bool reads_workspace = false;

  void add(const Op& op, bool uses_workspace) {
    for (const Region& in : op.in) {
      if (in.valid()) reads.push_back(in);
    }
    writes.push_back(op.out);
    reads_workspace |= uses_workspace;
  }
};

bool overlaps_any(const Region& region, const std::vector<Region>& others) {
  return std::any_of(others.begin(), others.end(), [&](const Region& other) { return region.overlaps(other); });
}

bool must_wait(const Op& op, bool writes_workspace, const Underway& underway) {
  if (writes_workspace && underway.reads_workspace) return true;
  if (overlaps_any(op.out, underway.reads) || overlaps_any(op.out, underway.writes)) return true;
  return std::any_of(op.in.begin(), op.in.end(),
                     [&](const Region& in) { return in.valid() && overlaps_any(in, underway.writes); });
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
    order[i].meet_before = i > 0 && must_wait(op, uses_workspace && !shares, underway);
    if (order[i].meet_before || kernel.phases - order[i].first_phase > 1) underway = {};
    underway.add(op, uses_workspace);
    if (uses_workspace && !shares) writer = i;
    if (writer < ops.size() && op.out.overlaps(ops[writer].in[0])) writer = ops.size();
  }
  return order;
}

}  // namespace hetero
