#include "profiles/shape_choice.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "base/statistics.h"
#include "kernels/catalogue.h"
#include "profiles/kernel_choice.h"

namespace hetero {
namespace {

constexpr double kClear = 1.5;  // times as long as the best one's worst sample
// Of two samples of a matmul of 12 us, beside other processes on a Zen 5 core, one took 54.
constexpr int kLeastSamples = 3;

// The row as it was measured, where the catalogue still has it.
const KernelVariant* row_of(const Sample& sample) {
  const std::size_t mark = sample.variant.rfind('#');
  const KernelVariant* const row = find_variant(sample.variant.substr(0, mark));
  return row != nullptr && variant_name(row) == sample.variant && row->scope == ParamScope::kShape ? row : nullptr;
}

}  // namespace

std::vector<ShapeChoice> shape_choices(const std::vector<Sample>& samples) {
  using Key = std::tuple<std::string, std::string, std::string>;  // fingerprint, variant, op
  std::map<Key, std::map<ParamValues, std::vector<double>>> times;
  for (const Sample& s : samples) {
    const bool counts = s.kind == SampleKind::kVariant && s.status == SampleStatus::kOk && std::isfinite(s.device_ns);
    if (!counts || s.device_ns <= 0) continue;
    if (const KernelVariant* row = row_of(s)) {
      times[{s.exact_fingerprint, row->id, s.subject}][s.params].push_back(s.device_ns);
    }
  }
  std::vector<ShapeChoice> choices;
  for (const auto& [key, by_params] : times) {
    if (by_params.size() < 2) continue;
    const auto& [fingerprint, variant, subject] = key;
    ShapeChoice choice{fingerprint, variant, parse_op_desc(subject), {}};
    for (const auto& [params, values] : by_params) {
      const auto [least, most] = std::minmax_element(values.begin(), values.end());
      choice.timed.push_back({params, median_of(values), static_cast<int>(values.size()), *least, *most});
    }
    std::sort(choice.timed.begin(), choice.timed.end(),
              [](const TimedParams& a, const TimedParams& b) { return a.ns < b.ns; });
    const ParamValues standard = default_params(*find_variant(variant));
    const auto is_standard = [&](const TimedParams& t) { return t.params == standard; };
    const auto at = std::find_if(choice.timed.begin(), choice.timed.end(), is_standard);
    if (at != choice.timed.end() && choice.timed.front().ns > kWorthChanging * at->ns) {
      std::rotate(choice.timed.begin(), at, at + 1);
    }
    choices.push_back(std::move(choice));
  }
  return choices;
}

const ShapeChoice* choice_for(const std::vector<ShapeChoice>& choices, const std::string& exact_fingerprint,
                              const KernelVariant& row, const OpDesc& op) {
  const ShapeChoice* best = nullptr;
  const auto rank = [&](const ShapeChoice& c) { return std::pair(c.op.n, row_distance(c.op.m, op.m)); };
  for (const ShapeChoice& c : choices) {
    const bool same = c.exact_fingerprint == exact_fingerprint && c.variant == row.id && c.op.kind == op.kind &&
                      c.op.k == op.k && c.op.w == op.w && c.op.n >= op.n;
    if (same && (best == nullptr || rank(c) < rank(*best))) best = &c;
  }
  return best;
}

bool settled(const ShapeChoice& choice, int rounds) {
  const auto enough = [&](const TimedParams& t) { return t.samples >= rounds; };
  if (std::all_of(choice.timed.begin(), choice.timed.end(), enough)) return true;
  const auto clear = [&](const TimedParams& t) {
    const TimedParams& best = choice.timed.front();
    return t.samples >= kLeastSamples && (&t == &best || t.least_ns >= kClear * best.most_ns);
  };
  return std::all_of(choice.timed.begin(), choice.timed.end(), clear);
}

}  // namespace hetero
