// Sampling; see sampler.h. Only as many candidates are ordered as the filters need: none for greedy and for plain
// temperature, k for top-k, and for top-p those that a heap gives until their share is reached.
#include "runtime/llm/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"

namespace hetero {
namespace {

using Candidate = std::pair<float, std::int32_t>;

bool likelier(const Candidate& a, const Candidate& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}
bool less_likely(const Candidate& a, const Candidate& b) { return likelier(b, a); }

std::int32_t greedy(std::span<const float> logits) {
  std::size_t best = 0;
  for (std::size_t i = 1; i < logits.size(); ++i) {
    // A NaN is never chosen while there is a number.
    if (logits[i] > logits[best] || (std::isnan(logits[best]) && !std::isnan(logits[i]))) best = i;
  }
  return static_cast<std::int32_t>(best);
}

}  // namespace

void check(const SamplingParams& params) {
  if (!(params.temperature >= 0) || !std::isfinite(params.temperature))
    throw usage_error("--temperature must be 0 (greedy) or more");
  if (params.top_k < 0) throw usage_error("--top-k must be 0 (all) or more");
  if (!(params.top_p > 0 && params.top_p <= 1)) throw usage_error("--top-p must be above 0 and at most 1");
  if (!(params.min_p >= 0 && params.min_p <= 1)) throw usage_error("--min-p must lie between 0 and 1");
}

Sampler::Sampler(const SamplingParams& params) : params_(params), rng_(params.seed) { check(params); }

std::int32_t Sampler::sample(std::span<const float> logits) {
  const std::int32_t best = greedy(logits);
  const float most = logits[static_cast<std::size_t>(best)];
  if (params_.temperature == 0 || !std::isfinite(most)) return best;

  candidates_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > -std::numeric_limits<float>::infinity())
      candidates_.emplace_back(logits[i], static_cast<std::int32_t>(i));
  }
  const auto begin = candidates_.begin();
  if (params_.top_k > 0 && params_.top_k < static_cast<std::int64_t>(candidates_.size())) {
    std::nth_element(begin, begin + (params_.top_k - 1), candidates_.end(), likelier);
    candidates_.resize(static_cast<std::size_t>(params_.top_k));
  }
  // Logits become weights relative to the likeliest, which has 1: no overflow, and min-p compares directly.
  for (Candidate& candidate : candidates_) {
    candidate.first = static_cast<float>(std::exp((static_cast<double>(candidate.first) - most) / params_.temperature));
  }
  const auto sum = [&] {
    double total = 0;
    for (const Candidate& candidate : candidates_) total += static_cast<double>(candidate.first);
    return total;
  };
  if (params_.top_p < 1) {
    const double wanted = params_.top_p * sum();
    double reached = 0;
    auto heap_end = candidates_.end();
    std::make_heap(begin, heap_end, less_likely);
    while (heap_end != begin && reached < wanted) {
      std::pop_heap(begin, heap_end--, less_likely);
      reached += static_cast<double>(heap_end->first);
    }
    candidates_.erase(begin, heap_end);  // the likeliest were moved to the end
  }
  if (params_.min_p > 0) {
    std::erase_if(candidates_, [&](const Candidate& c) { return static_cast<double>(c.first) < params_.min_p; });
  }

  // In order of id (as they are without filters): the draw does not depend on how a library's nth_element or heap
  // arranges its rest.
  const auto by_id = [](const Candidate& a, const Candidate& b) { return a.second < b.second; };
  if (!std::is_sorted(candidates_.begin(), candidates_.end(), by_id)) {
    std::sort(candidates_.begin(), candidates_.end(), by_id);
  }
  double left = rng_.uniform() * sum();
  for (const Candidate& candidate : candidates_) {
    left -= static_cast<double>(candidate.first);
    if (left < 0) return candidate.second;
  }
  return best;  // rounding left nothing of the last candidate
}

}  // namespace hetero
