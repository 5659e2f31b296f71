#include "runtime/exec/access_log.h"

#include <algorithm>
#include <utility>

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

// What is left of `access` outside `hole`, which it overlaps: at most four rectangles.
void add_rest(const AccessLog::Access& access, const Region& hole, std::vector<AccessLog::Access>& rest) {
  const Region& r = access.region;
  const Region cut = intersection(r, hole);
  const auto add = [&](std::int64_t row0, std::int64_t row1, std::int64_t col0, std::int64_t col1) {
    if (row0 >= row1 || col0 >= col1) return;
    AccessLog::Access piece = access;
    piece.region = {r.tensor, row0, row1 - row0, col0, col1 - col0};
    rest.push_back(piece);
  };
  add(r.row0, cut.row0, r.col0, r.col0 + r.cols);                            // above
  add(cut.row0 + cut.rows, r.row0 + r.rows, r.col0, r.col0 + r.cols);        // below
  add(cut.row0, cut.row0 + cut.rows, r.col0, cut.col0);                      // left
  add(cut.row0, cut.row0 + cut.rows, cut.col0 + cut.cols, r.col0 + r.cols);  // right
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
  std::erase_if(reads_[t], covered);
  std::vector<Access> last;
  for (const Access& write : writes_[t]) {
    if (write.region.overlaps(region)) {
      add_rest(write, region, last);
    } else {
      last.push_back(write);
    }
  }
  last.push_back({region, device, segment});
  writes_[t] = std::move(last);
}

}  // namespace hetero
