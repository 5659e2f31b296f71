// Parameters of kernels that a search found best, and what devices are opened with. Rows of the store; never updated.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "kernels/variant.h"

namespace hetero {

struct KernelChoice {
  std::string family_fingerprint;  // of the devices that it holds for
  std::string variant;             // id of the catalogue row
  int revision = 1;                // of that row when it was searched
  std::string subject;             // canonical text of the op that was timed
  ParamValues params;
  double best_ns = 0;     // with these parameters
  double default_ns = 0;  // with the catalogue's, timed in turn with them
};

// Family fingerprint (empty: every device) -> variant id -> parameters. What is absent has the catalogue's defaults.
using TunedKernels = std::map<std::string, std::map<std::string, ParamValues>>;

// Only choices that fit the catalogue as it is: same revision, known parameters with values that it lists.
TunedKernels tuned_kernels(const std::vector<KernelChoice>& choices);

// The family's parameters for a kernel: its own, else those for every device, else the catalogue's.
ParamValues params_for(const TunedKernels& tuned, const std::string& family_fingerprint, const KernelVariant& variant);

// "matmul.opencl.gemm tile=8 ...; ..." of the family, as part of what makes a sample valid; empty: all defaults.
std::string identity_of(const TunedKernels& tuned, const std::string& family_fingerprint);

}  // namespace hetero
