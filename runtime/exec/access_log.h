// Who wrote and who last read each rectangle of each tensor while a schedule is built in program order. From it follow
// the dependencies of a new access, and what devices with memory of their own must exchange.
#pragma once

#include <cstdint>
#include <vector>

#include "runtime/device/arena.h"

namespace hetero {

class AccessLog {
 public:
  static constexpr int kHost = -1;

  struct Access {
    Region region;
    int device = kHost;
    int segment = -1;  // index in the schedule; -1 for the host before the step
  };

  explicit AccessLog(std::size_t tensors) : writes_(tensors), reads_(tensors) {}

  // The last writes of what a read of `region` sees: no two of them overlap, so that a device with memory of its own
  // brings in what others wrote last and never what it has itself written over since.
  std::vector<Access> seen_by_read(const Region& region) const;
  // Earlier writes and reads that a write of `region` must come after.
  std::vector<Access> before_write(const Region& region) const;

  void record_read(const Region& region, int device, int segment);
  // Forgets of earlier writes what lies inside, and earlier reads that lie wholly inside: whoever comes after this
  // write comes after them.
  void record_write(const Region& region, int device, int segment);

 private:
  std::vector<std::vector<Access>> writes_;  // by tensor
  std::vector<std::vector<Access>> reads_;
};

// The rows and columns that both have. Precondition: they overlap.
Region intersection(const Region& a, const Region& b);

}  // namespace hetero
