// When, on what and beside what a program runs, for the records that it leaves. Linux.
#pragma once

#include <string>
#include <vector>

namespace hetero {

// The processor's name as the system gives it, or "unknown".
std::string cpu_name();

// Now, as 2026-11-21T22:30:00Z.
std::string utc_now();

// How much other processes (and the hypervisor, as far as it says so) run on some cores. Begins when it is made.
class ForeignLoad {
 public:
  explicit ForeignLoad(std::vector<int> cores);  // logical cores; empty: all
  // The mean number of those cores that others kept busy until now: 0.5 is half of one. What this process and the
  // children it has waited for ran does not count, wherever they ran. Ticks of 10 ms: of use after a second or so. 0
  // where the system does not say.
  double cores() const;

 private:
  std::vector<int> cores_;
  double busy_begin_s_;
  double own_begin_s_;
  double begin_s_;
};

}  // namespace hetero
