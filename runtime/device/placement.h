// Keeping a driver that computes on the processor to its cores, and proving that it stays there. Linux.
//
// PoCL starts one worker per core when the first platform call is made. They inherit the caller's affinity mask, and a
// sub-device of core 1 means worker 1, wherever that one runs: with neither care the work of opencl:0@1 wanders to core
// 0 (seen with PoCL 3.1). POCL_AFFINITY=1 pins worker i to core i. Other drivers are verified like PoCL and refused
// when their work strays.
#pragma once

#include <sched.h>

#include <functional>
#include <string>
#include <vector>

namespace hetero {

// Sets the calling thread's affinity mask, and restores what it was at the end.
class CallerOnCores {
 public:
  ~CallerOnCores();
  CallerOnCores(const CallerOnCores&) = delete;
  CallerOnCores& operator=(const CallerOnCores&) = delete;

 protected:
  CallerOnCores();
  void move_to(const cpu_set_t& cores);
  const cpu_set_t& before() const { return before_; }

 private:
  cpu_set_t before_;
  bool known_ = false, changed_ = false;
};

// While it lives, the calling thread, and with it the threads that a driver creates, may go to any core of the process.
class OnAllCores : public CallerOnCores {
 public:
  OnAllCores();
};

// The same for OpenCL; on a first call it also asks PoCL to pin its threads (unless the user has set POCL_AFFINITY).
class DriverThreadsOnTheirCores : public CallerOnCores {
 public:
  DriverThreadsOnTheirCores();
};

// While it lives, the calling thread stays off `cores`, as far as others are left to it.
class CallerOffCores : public CallerOnCores {
 public:
  explicit CallerOffCores(const std::vector<int>& cores);
};

// Runs `work`, which keeps the device busy for a few milliseconds and returns when it is done, and looks which threads
// of this process computed meanwhile; up to three times, until all of them are confined to `cores`. Returns "" when
// they are, or a sentence about the first that is not. Where the system does not account threads (no /proc), it can
// prove nothing and returns "".
std::string stray_work(const std::vector<int>& cores, const std::function<void()>& work);

}  // namespace hetero
