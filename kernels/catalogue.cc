// The catalogue: the rows of the four families one after another, and the choice among them. Thread-safe: the list is
// built on first use and never changes; rows know no device, hardware is an argument of the choice.
#include "kernels/catalogue.h"

#include "base/error.h"

namespace hetero {
namespace {

std::vector<KernelVariant> all_rows() {
  std::vector<KernelVariant> rows = cpu_rows();
  for (auto&& more : {opencl_rows(), graph_rows(), reference_rows()}) rows.insert(rows.end(), more.begin(), more.end());
  return rows;
}

// The row that the request forces for ops of this kind; null when it forces none, or one of another kind or family
// (a device puts the same request to every op it prepares).
const KernelVariant* forced_row(KernelFamily family, const OpDesc& op, const KernelRequest& request) {
  if (request.forced_id.empty()) return nullptr;
  const KernelVariant* row = find_variant(request.forced_id);
  if (row == nullptr) {
    throw usage_error("there is no kernel variant '" + request.forced_id + "'", "hetero-bench lists them");
  }
  return row->family == family && row->kind == op.kind ? row : nullptr;
}

}  // namespace

std::span<const KernelVariant> catalogue() {
  static const std::vector<KernelVariant> rows = all_rows();
  return rows;
}

const KernelVariant* find_variant(std::string_view id) {
  for (const KernelVariant& row : catalogue()) {
    if (row.id == id) return &row;
  }
  return nullptr;
}

const KernelVariant& choose(KernelFamily family, const OpDesc& op, const HardwareFacts& facts,
                            const KernelRequest& request) {
  if (const KernelVariant* row = forced_row(family, op, request)) {
    const Applicability can = row->applicable(op, facts);
    if (can.yes) return *row;
    throw environment_error("kernel variant '" + row->id + "' cannot run '" + canonical_text(op) + "': " + can.why_not);
  }
  std::string refusals;
  for (const KernelVariant& row : catalogue()) {
    if (row.family != family || row.kind != op.kind) continue;
    Applicability can;
    if (row.tolerance > request.worst) {
      can = Applicability::no("is less exact than " + std::string(name_of(request.worst)));
    } else {
      can = row.applicable(op, facts);
    }
    if (can.yes) return row;
    refusals += "\n  " + row.id + ": " + can.why_not;
  }
  if (refusals.empty()) refusals = " (the family has no kernel of this kind)";
  throw environment_error("no " + std::string(name_of(family)) + " kernel can run '" + canonical_text(op) +
                          "':" + refusals);
}

}  // namespace hetero
