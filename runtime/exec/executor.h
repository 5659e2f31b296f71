// Runs schedules: submits what is ready, waits on the timeline, records what happened. The same code for real and
// simulated devices. Used by one thread; borrows everything it is given.
#pragma once

#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "profiles/cost_model.h"
#include "profiles/trace.h"
#include "runtime/device/device.h"
#include "runtime/exec/schedule.h"

namespace hetero {

// A schedule whose segments are prepared on their devices.
struct PreparedSchedule {
  Schedule schedule;
  std::vector<std::unique_ptr<PreparedSegment>> segments;
  std::vector<std::vector<int>> dependents;  // per segment: later segments that wait on it
};

class Executor {
 public:
  Executor(Timeline& timeline, std::vector<Device*> devices, std::vector<Waiter> waiters);

  // Throws environment_error when a device refuses a segment, with its reason.
  std::unique_ptr<PreparedSchedule> prepare(Schedule schedule);

  // Whether a device can compile graphs in the background.
  bool compiles_ahead() const { return !compilers_.empty(); }
  // Has the devices that can do so compile the schedule's graphs in the background, in the order of its segments.
  void compile_ahead(const Schedule& schedule);
  // Ends that: nothing of the schedules is referred to afterwards.
  void stop_ahead();

  // One step. Blocks until every segment is done; rethrows the first device's Error. With `trace`, appends its spans,
  // numbered `step`.
  void run(PreparedSchedule& prepared, const Bindings& bindings, Trace* trace, std::int64_t step);

  void set_waiters(std::vector<Waiter> waiters) { waiters_ = std::move(waiters); }  // one per device
  Timeline& timeline() { return timeline_; }
  const std::vector<Device*>& devices() const { return devices_; }

 private:
  Timeline& timeline_;
  std::vector<Device*> devices_;
  std::vector<Waiter> waiters_;                  // per device
  std::map<Device*, CompilesAhead*> compilers_;  // those that can
};

}  // namespace hetero
