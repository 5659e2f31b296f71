// Which operand stands first in the matmuls of a device that compiles graphs: as measured by shape, or one order for
// all. For the devices that can do both. A value; safe from any thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/graph_rows.h"
#include "runtime/device/device.h"

namespace hetero {

// What a device's option "order" asks for: "activations" or "weights" for all matmuls, "auto" for none of the two.
// Empty: it is another word.
std::optional<std::optional<OperandOrder>> order_option(const std::string& value);

class OperandOrders {
 public:
  // All matmuls in the default order of the row.
  OperandOrders() = default;
  // `forced`: for all matmuls. Otherwise what the context says of this device.
  OperandOrders(std::optional<OperandOrder> forced, const DeviceContext& context, const DeviceFacts& facts);

  // Of a matmul: op.params where it has them, else that of the whole weight, of which it may be a slice.
  OperandOrder of(const Op& op) const;
  // No where an op asks for the order that is not the forced one.
  Applicability allows(const Segment& segment) const;
  // For Device::kernel_for().
  KernelUse kernel_for(const OpDesc& op) const;

 private:
  std::optional<OperandOrder> forced_;
  std::string exact_fingerprint_;
  std::string family_fingerprint_;
  std::vector<ShapeChoice> choices_;  // of this device
  TunedKernels tuned_;                // for shapes that were not measured
};

}  // namespace hetero
