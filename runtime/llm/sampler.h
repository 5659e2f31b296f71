// Choice of the next token from logits: greedy, or temperature with top-k, top-p and min-p, reproducible by seed.
// Used by one thread.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"

namespace hetero {

struct SamplingParams {
  double temperature = 0;  // 0: greedy
  std::int64_t top_k = 0;  // 0: all
  double top_p = 1;        // 1: all
  double min_p = 0;        // 0: all; relative to the likeliest token
  std::uint64_t seed = 0;
};

// Throws usage_error naming the flag that makes no sense (negative temperature, top_p outside (0, 1] ...).
void check(const SamplingParams& params);

class Sampler {
 public:
  explicit Sampler(const SamplingParams& params);
  // The index of the chosen logit. Filters apply in the order top-k, top-p, min-p after temperature; ties go to the
  // lower id.
  std::int32_t sample(std::span<const float> logits);

 private:
  SamplingParams params_;
  Rng rng_;
  std::vector<std::pair<float, std::int32_t>> candidates_;  // kept to avoid allocation per token
};

}  // namespace hetero
