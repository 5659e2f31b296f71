// Every kernel that exists, in the order of preference, ending in the reference.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "kernels/variant.h"

namespace hetero {

// All rows. The list is built once, from the explicit lists of the four families.
std::span<const KernelVariant> catalogue();

// The rows of one family, in its own folder (cpu/cpu_rows.cc, opencl/opencl_rows.cc, reference/reference_rows.cc) or,
// for graphs, in graph_rows.cc.
std::vector<KernelVariant> cpu_rows();
std::vector<KernelVariant> opencl_rows();
std::vector<KernelVariant> graph_rows();
std::vector<KernelVariant> reference_rows();

// What a user or a tuned profile asks of the choice.
struct KernelRequest {
  ToleranceClass worst = ToleranceClass::kQ8;  // rows that are less exact are passed over
  // Non-empty: for ops of its family and kind this row, whatever its class, or an error; other ops are chosen as usual.
  std::string forced_id{};
};

// The first row of `family` that is applicable. Throws environment_error with every refusal when none is (the
// reference family always has one), usage_error for a forced id that does not exist.
const KernelVariant& choose(KernelFamily family, const OpDesc& op, const HardwareFacts& facts,
                            const KernelRequest& request);

const KernelVariant* find_variant(std::string_view id);  // null when there is none

}  // namespace hetero
