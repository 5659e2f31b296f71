#include "runtime/exec/partition.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace hetero {
namespace {

int device_index(const std::string& id, const std::vector<const DeviceFacts*>& facts) {
  for (std::size_t i = 0; i < facts.size(); ++i) {
    if (facts[i]->id == id) return static_cast<int>(i);
  }
  throw input_error("the plan uses device '" + id + "', which is not open", "open it with --devices, or tune again");
}

// The standard sizes that a longer run of rows is added up from: a graph for one row serves decode, not prompts.
std::vector<std::int64_t> building_sizes(const DeviceFacts& facts) {
  std::vector<std::int64_t> sizes;
  for (const std::int64_t size : facts.standard_sizes) {
    if (size > 1) sizes.push_back(size);
  }
  return sizes.empty() ? facts.standard_sizes : sizes;
}

// The most rows <= limit that standard sizes add up to, largest first; nearest to `wanted` where there is a choice.
std::int64_t whole_graph_rows(const DeviceFacts& facts, double wanted, std::int64_t limit) {
  const std::vector<std::int64_t> sizes = building_sizes(facts);
  const std::int64_t smallest = sizes.front();
  std::int64_t left =
      std::min(limit, static_cast<std::int64_t>(std::llround(wanted / static_cast<double>(smallest))) * smallest);
  std::int64_t sum = 0;
  for (auto size = sizes.rbegin(); size != sizes.rend(); ++size) {
    sum += left / *size * *size;
    left %= *size;
  }
  return sum;
}

// The parts of one band of rows, divided by features.
void add_feature_parts(const std::vector<Share>& features, std::int64_t row0, std::int64_t rows, bool partial,
                       const std::vector<const DeviceFacts*>& facts, std::vector<Part>& parts) {
  double f = 0;
  for (std::size_t i = 0; i < features.size(); ++i) {
    const double end = i + 1 == features.size() ? 1.0 : f + features[i].fraction;
    const int device = device_index(features[i].device, facts);
    if (end > f) {
      for (Part part : row_parts(device, *facts[static_cast<std::size_t>(device)], row0, rows)) {
        part.f0 = f;
        part.f1 = end;
        part.partial = partial;
        parts.push_back(part);
      }
    }
    f = end;
  }
}

}  // namespace

std::vector<Part> row_parts(int device, const DeviceFacts& facts, std::int64_t row0, std::int64_t rows) {
  std::vector<Part> parts;
  const auto add = [&](std::int64_t count, std::int64_t padded) {
    parts.push_back({device, row0, count, padded, 0, 1, false});
    row0 += count;
    rows -= count;
  };
  if (facts.standard_sizes.empty()) {
    if (rows > 0) add(rows, rows);
    return parts;
  }
  const std::vector<std::int64_t> sizes = building_sizes(facts);
  while (rows > 0) {
    if (std::find(facts.standard_sizes.begin(), facts.standard_sizes.end(), rows) != facts.standard_sizes.end()) {
      add(rows, rows);
    } else if (const auto above = std::upper_bound(sizes.begin(), sizes.end(), rows); above != sizes.begin()) {
      add(*(above - 1), *(above - 1));
    } else {
      add(rows, *above);
    }
  }
  return parts;
}

std::vector<Part> expand(const BlockPlan& plan, std::int64_t m, const std::vector<const DeviceFacts*>& facts) {
  std::vector<Part> parts;
  switch (plan.strategy) {
    case Strategy::kSingle:
    case Strategy::kRows:
    case Strategy::kPaired:
      add_feature_parts(plan.features, 0, m, plan.strategy == Strategy::kPaired && plan.features.size() > 1, facts,
                        parts);
      break;
    case Strategy::kPad: {
      const int device = device_index(plan.features.at(0).device, facts);
      const DeviceFacts& f = *facts[static_cast<std::size_t>(device)];
      if (f.standard_sizes.empty()) return row_parts(device, f, 0, m);
      std::int64_t row0 = 0;
      const std::int64_t largest = f.standard_sizes.back();
      for (; m - row0 > largest; row0 += largest) parts.push_back({device, row0, largest, largest, 0, 1, false});
      const auto size = std::lower_bound(f.standard_sizes.begin(), f.standard_sizes.end(), m - row0);
      parts.push_back({device, row0, m - row0, *size, 0, 1, false});
      break;
    }
    case Strategy::kSequence:
    case Strategy::kHybrid: {
      std::int64_t row0 = 0;
      for (std::size_t i = 0; i < plan.rows.size(); ++i) {
        const int device = device_index(plan.rows[i].device, facts);
        const DeviceFacts& f = *facts[static_cast<std::size_t>(device)];
        const double wanted = plan.rows[i].fraction * static_cast<double>(m);
        std::int64_t rows = m - row0;
        if (i + 1 < plan.rows.size()) {
          rows = f.standard_sizes.empty() ? std::min(rows, static_cast<std::int64_t>(std::llround(wanted)))
                                          : whole_graph_rows(f, wanted, rows);
          // Nobody may pad here: the padding would lie on the next band's rows.
          const bool divided = i == 0 && plan.strategy == Strategy::kHybrid;
          for (const Share& share : divided ? plan.features : std::vector<Share>{}) {
            const DeviceFacts& other = *facts[static_cast<std::size_t>(device_index(share.device, facts))];
            if (!other.standard_sizes.empty()) rows = whole_graph_rows(other, static_cast<double>(rows), rows);
          }
        }
        if (rows == 0) continue;
        if (i == 0 && plan.strategy == Strategy::kHybrid) {
          add_feature_parts(plan.features, row0, rows, false, facts, parts);
        } else {
          for (const Part& part : row_parts(device, f, row0, rows)) parts.push_back(part);
        }
        row0 += rows;
      }
      break;
    }
  }
  return parts;
}

ColumnRange split_columns(double f0, double f1, std::int64_t cols, std::int64_t align) {
  const auto boundary = [&](double f) -> std::int64_t {
    if (f <= 0) return 0;
    if (f >= 1) return cols;
    const double units = f * static_cast<double>(cols) / static_cast<double>(align);
    return std::min(cols, static_cast<std::int64_t>(std::llround(units)) * align);
  };
  return {boundary(f0), boundary(f1)};
}

}  // namespace hetero
