#include "tuner/solve/families.h"

namespace hetero {

std::vector<std::vector<Strategy>> strategy_families() {
  using S = Strategy;
  return {{S::kSingle, S::kPad},
          {S::kSingle, S::kPad, S::kSequence, S::kHybrid},
          {S::kSingle, S::kPad, S::kRows},
          {S::kSingle, S::kPad, S::kPaired}};
}

}  // namespace hetero
