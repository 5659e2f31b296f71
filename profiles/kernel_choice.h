// Parameters of kernels that a search found best, and what devices are opened with. Rows of the store; never updated.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/variant.h"

namespace hetero {

// The catalogue's parameters stay unless others take at most this part of their time.
inline constexpr double kWorthChanging = 0.97;

struct KernelChoice {
  std::string family_fingerprint;  // of the devices that it holds for
  std::string variant;             // id of the catalogue row
  int revision = 1;                // of that row when it was searched
  std::string subject;             // canonical text of the op that was timed; the choice holds for its shape class
  ParamValues params;
  double best_ns = 0;     // with these parameters
  double default_ns = 0;  // with the catalogue's, timed in turn with them

  // Nothing where the subject is no op.
  std::optional<ShapeClass> shape_class() const;
};

using TunedFor = std::pair<std::string, ShapeClass>;  // variant id, and of which ops

// Family fingerprint (empty: every device) -> use -> parameters. What is absent has the catalogue's defaults.
using TunedKernels = std::map<std::string, std::map<TunedFor, ParamValues>>;

// Only choices that fit the catalogue as it is: same revision, known parameters with values that it lists. Of several
// for one use the last.
TunedKernels tuned_kernels(const std::vector<KernelChoice>& choices);

// The family's parameters for such an op: its own, else those for every device, else the catalogue's.
ParamValues params_for(const TunedKernels& tuned, const std::string& family_fingerprint, const KernelVariant& variant,
                       const OpDesc& op);

// "matmul.opencl.gemm many_rows tile=8 ...; ..." of the family, as part of what makes a sample valid; empty: all
// defaults.
std::string identity_of(const TunedKernels& tuned, const std::string& family_fingerprint);

}  // namespace hetero
