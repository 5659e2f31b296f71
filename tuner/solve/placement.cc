#include "tuner/solve/placement.h"

#include <algorithm>

namespace hetero {

void Placement::insert(Ranges& ranges, std::int64_t begin, std::int64_t end) {
  if (begin >= end) return;
  ranges.list.emplace_back(begin, end);
  std::sort(ranges.list.begin(), ranges.list.end());
  std::vector<std::pair<std::int64_t, std::int64_t>> merged;
  for (const auto& range : ranges.list) {
    if (!merged.empty() && range.first <= merged.back().second) {
      merged.back().second = std::max(merged.back().second, range.second);
    } else {
      merged.push_back(range);
    }
  }
  ranges.list = std::move(merged);
}

void Placement::add(const Choice& choice, SpanForm form, const std::vector<int>& layers, std::int64_t rows) {
  const int layer = layers.front();
  const SpanTimes span(problem_, choice.span->blocks, form, layer, rows, rows);
  BlockPlan division;
  division.strategy = choice.option.strategy;
  division.features = choice.option.features;
  division.rows = choice.option.rows;
  const std::vector<Part> parts = expand(division, rows, problem_.fact_pointers);
  for (const Part& part : parts) used_.insert(part.device);
  std::size_t in_block = 0;
  for (std::size_t o = 0; o < span.ops().size(); ++o) {
    const SpanOp& op = span.ops()[o];
    in_block = o > 0 && span.ops()[o - 1].block == op.block ? in_block + 1 : 0;
    if (op.desc.kind != OpKind::kMatmul) continue;
    for (const Part& part : parts) {
      // A slice along k that is the whole weight is not a slice.
      const bool by_k = op.divided == Divided::kReduction && !part.whole_features();
      Ranges& ranges = held_[{part.device, op.block, in_block, by_k ? Axis::kReduction : Axis::kRows, layer}];
      ranges.weight = op.desc;
      ranges.layers = static_cast<std::int64_t>(layers.size());
      if (op.divided == Divided::kReduction && !by_k) {
        insert(ranges, 0, op.desc.n);
      } else {
        insert(ranges, boundary(op, part.f0), boundary(op, part.f1));
      }
    }
  }
}

void Placement::add(const Placement& other) {
  used_.insert(other.used_.begin(), other.used_.end());
  for (const auto& [key, theirs] : other.held_) {
    Ranges& mine = held_[key];
    mine.weight = theirs.weight;
    mine.layers = theirs.layers;
    for (const auto& range : theirs.list) insert(mine, range.first, range.second);
  }
}

std::vector<std::uint64_t> Placement::bytes() const {
  std::vector<std::uint64_t> total(problem_.devices.size(), 0);
  for (const auto& [key, ranges] : held_) {
    std::int64_t extent = 0;
    for (const auto& range : ranges.list) extent += range.second - range.first;
    const bool by_k = std::get<Axis>(key) == Axis::kReduction;
    const std::int64_t bytes = by_k ? ranges.weight.n * row_bytes(ranges.weight.w, extent)
                                    : extent * row_bytes(ranges.weight.w, ranges.weight.k);
    total[static_cast<std::size_t>(std::get<0>(key))] += static_cast<std::uint64_t>(bytes * ranges.layers);
  }
  return total;
}

bool Placement::uses(int device) const { return used_.contains(device); }

bool Placement::fits() const {
  const std::vector<std::uint64_t> held = bytes();
  for (std::size_t d = 0; d < held.size(); ++d) {
    const std::uint64_t limit = problem_.devices[d].memory_bytes;
    if (limit != 0 && held[d] > limit) return false;
  }
  return true;
}

}  // namespace hetero
