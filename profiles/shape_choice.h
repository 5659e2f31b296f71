// Which parameters of a kernel are the best for which shape: a view over the samples in which they took turns (kind
// "variant"). Nothing of it is stored: more samples, another choice. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "kernels/variant.h"
#include "profiles/measurement.h"

namespace hetero {

struct TimedParams {
  ParamValues params;
  double ns = 0;  // median over the samples
  int samples = 0;
};

struct ShapeChoice {
  std::string exact_fingerprint;   // of the device that was measured
  std::string variant;             // id of a catalogue row with ParamScope::kShape
  OpDesc op;                       // the whole weight at the number of rows that was measured
  std::vector<TimedParams> timed;  // the choice first, then by time
};

// From trusted samples of any devices: what was timed with two or more sets of parameters, of rows as the catalogue has
// them. The row's default stays unless another one takes less than 97 % of its time.
std::vector<ShapeChoice> shape_choices(const std::vector<Sample>& samples);

// The choice for an op on a device: that of its weight (n and k, those of the whole of a slice) at the nearest number
// of rows; where its n was not measured, that of the narrowest wider weight of the same k, of which it may be a slice.
// Null: nothing was measured, and the device takes what it takes by itself.
const ShapeChoice* choice_for(const std::vector<ShapeChoice>& choices, const std::string& exact_fingerprint,
                              const KernelVariant& row, const OpDesc& op);

// Whether two of them have been timed often enough, or differ so much, that more samples would change nothing.
bool settled(const ShapeChoice& choice, int rounds);

}  // namespace hetero
