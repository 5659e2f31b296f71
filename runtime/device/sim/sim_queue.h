// Where a simulated device's segments go: the in-order queue that turns durations into points on a timeline. One
// implementation for each kind of time: sim_system.h (virtual) and emulated_queue.h (real).
// Used by the host thread only.
#pragma once

#include <functional>
#include <memory>

#include "base/units.h"
#include "profiles/plan.h"
#include "runtime/device/timeline.h"

namespace hetero {

// One submission: how long the device takes for it when it is alone on the machine, and the numbers, if any.
struct SimWork {
  double duration_ns = 0;
  Phase phase = Phase::kPrefill;  // decides how much active neighbours slow it down
  std::function<void()> compute;  // empty: times only
};

class SimQueue {
 public:
  virtual ~SimQueue() = default;
  // Begins when everything pushed before it is finished. The queue outlives the ticket.
  virtual std::unique_ptr<Ticket> push(SimWork work) = 0;
  // The host itself is busy for so long (a submission, a compilation): returns afterwards.
  virtual void occupy_host(double ns) = 0;
};

}  // namespace hetero
