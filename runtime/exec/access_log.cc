#include "runtime/exec/access_log.h"

#include <algorithm>

namespace hetero {
namespace {

bool inside(const Region& inner, const Region& outer) {
  return inner.row0 >= outer.row0 && inner.row0 + inner.rows <= outer.row0 + outer.rows && inner.col0 >= outer.col0 &&
         inner.col0 + inner.cols <= outer.col0 + outer.cols;
}

void add_overlapping(const std::vector<AccessLog::Access>& accesses, const Region& region,
                     std::vector<AccessLog::Access>& found) {
  for (const AccessLog::Access& access : accesses) {
    if (access.region.overlaps(region)) found.push_back(access);
  }
}

}  // namespace

Region intersection(const Region& a, const Region& b) {
  Region r = a;
  r.row0 = std::max(a.row0, b.row0);
  r.rows = std::min(a.row0 + a.rows, b.row0 + b.rows) - r.row0;
  r.col0 = std::max(a.col0, b.col0);
  r.cols = std::min(a.col0 + a.cols, b.col0 + b.cols) - r.col0;
  return r;
}

std::vector<AccessLog::Access> AccessLog::seen_by_read(const Region& region) const {
  std::vector<Access> found;
  add_overlapping(writes_[static_cast<std::size_t>(region.tensor)], region, found);
  return found;
}

std::vector<AccessLog::Access> AccessLog::before_write(const Region& region) const {
  std::vector<Access> found = seen_by_read(region);
  add_overlapping(reads_[static_cast<std::size_t>(region.tensor)], region, found);
  return found;
}

void AccessLog::record_read(const Region& region, int device, int segment) {
  auto& reads = reads_[static_cast<std::size_t>(region.tensor)];
  // A later read by the same device stands for its earlier ones of the same region: its queue is in order.
  std::erase_if(reads, [&](const Access& a) { return a.device == device && inside(a.region, region); });
  reads.push_back({region, device, segment});
}

void AccessLog::record_write(const Region& region, int device, int segment) {
  const auto t = static_cast<std::size_t>(region.tensor);
  const auto covered = [&](const Access& a) { return inside(a.region, region); };
  std::erase_if(writes_[t], covered);
  std::erase_if(reads_[t], covered);
  writes_[t].push_back({region, device, segment});
}

}  // namespace hetero
