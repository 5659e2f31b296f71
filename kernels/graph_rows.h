// The row of devices that compile their own static graphs: a matmul in either order of its operands. There is no code
// behind it here: the device's compiler makes it.
#pragma once

#include <string_view>
#include <vector>

#include "kernels/variant.h"

namespace hetero {

// Which operand of a matmul stands first. The results are the same; an NPU may be several times faster one way, and
// which one depends on the shape (arXiv 2501.14794v2: up to 6x).
enum class OperandOrder : std::uint8_t {
  kActivationsFirst,  // [m, k] x [n, k]^T
  kWeightsFirst       // ([n, k] x [m, k]^T)^T
};
std::string_view name_of(OperandOrder order);  // "activations", "weights"

// "matmul.graph", whose one parameter, weights_first, is the order.
const KernelVariant& graph_matmul();
OperandOrder order_of(const ParamValues& params);  // that of the row's default where the parameter is missing
ParamValues params_of(OperandOrder order);

}  // namespace hetero
