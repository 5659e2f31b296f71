#include "runtime/device/operand_orders.h"

#include <algorithm>

namespace hetero {

std::optional<std::optional<OperandOrder>> order_option(const std::string& value) {
  if (value == "auto") return std::optional<OperandOrder>();
  for (const OperandOrder order : {OperandOrder::kActivationsFirst, OperandOrder::kWeightsFirst}) {
    if (value == name_of(order)) return order;
  }
  return std::nullopt;
}

OperandOrders::OperandOrders(std::optional<OperandOrder> forced, const DeviceContext& context, const DeviceFacts& facts)
    : forced_(forced),
      exact_fingerprint_(facts.exact_fingerprint),
      family_fingerprint_(facts.family_fingerprint),
      choices_(context.by_shape),
      tuned_(context.tuned) {
  std::erase_if(choices_, [&](const ShapeChoice& c) { return c.exact_fingerprint != exact_fingerprint_; });
}

OperandOrder OperandOrders::of(const Op& op) const {
  if (!op.params.empty()) return order_of(op.params);
  OpDesc whole = op.desc;
  if (op.weight.weight.n > 0) whole.n = op.weight.weight.n;
  if (op.weight.weight.k > 0) whole.k = op.weight.weight.k;
  return order_of(kernel_for(whole).params);
}

Applicability OperandOrders::allows(const Segment& segment) const {
  if (!forced_) return {};
  for (const Op& op : segment.ops) {
    if (op.params.empty() || order_of(op.params) == *forced_) continue;
    return Applicability::no("order=" + std::string(name_of(*forced_)) + " was asked for");
  }
  return {};
}

KernelUse OperandOrders::kernel_for(const OpDesc& op) const {
  if (op.kind != OpKind::kMatmul) return {};
  const KernelVariant& row = graph_matmul();
  if (forced_) return {&row, params_of(*forced_)};
  const ShapeChoice* const choice = choice_for(choices_, exact_fingerprint_, row, op);
  return {&row, choice != nullptr ? choice->timed.front().params : params_for(tuned_, family_fingerprint_, row, op)};
}

}  // namespace hetero
