#include "kernels/graph_rows.h"

#include "kernels/catalogue.h"

namespace hetero {
namespace {

constexpr const char* kId = "matmul.graph";
constexpr const char* kWeightsFirst = "weights_first";

Applicability is_matmul(const OpDesc& op, const HardwareFacts&) {
  return op.kind == OpKind::kMatmul ? Applicability{} : Applicability::no("is for matmuls");
}

}  // namespace

std::vector<KernelVariant> graph_rows() {
  KernelVariant row;
  row.id = kId;
  row.family = KernelFamily::kGraph;
  row.kind = OpKind::kMatmul;
  row.tolerance = ToleranceClass::kQ8;  // what it computes in is the device's
  row.applicable = is_matmul;
  row.params = {{kWeightsFirst, {0, 1}, 0, "1: ([n, k] x [m, k]^T)^T, 0: [m, k] x [n, k]^T"}};
  row.scope = ParamScope::kShape;
  return {row};
}

std::string_view name_of(OperandOrder order) {
  return order == OperandOrder::kWeightsFirst ? "weights" : "activations";
}

const KernelVariant& graph_matmul() { return *find_variant(kId); }

OperandOrder order_of(const ParamValues& params) {
  const auto found = params.find(kWeightsFirst);
  return found != params.end() && found->second == 1 ? OperandOrder::kWeightsFirst : OperandOrder::kActivationsFirst;
}

ParamValues params_of(OperandOrder order) { return {{kWeightsFirst, order == OperandOrder::kWeightsFirst ? 1 : 0}}; }

}  // namespace hetero
