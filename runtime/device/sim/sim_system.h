// The devices of one simulated system on a virtual timeline: an in-order queue for each, and what they lose to each
// other while they are active together. Computes no times of its own: durations come with the work, slow-downs from the
// cost model. Deterministic; used by the timeline's one thread.
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "profiles/cost_model.h"
#include "runtime/device/sim/sim_queue.h"

namespace hetero {

// A fluid model: a running job has work left, in nanoseconds of the device alone, and loses it at 1/slowdown per
// nanosecond. Whenever a job starts or finishes anywhere in the system, the slowdowns change, and the finishes of those
// jobs whose slowdown changed are scheduled anew.
class SimSystem {
 public:
  struct Job {
    SimWork work;
    Nanos start{0};
    Nanos finish{0};
    bool seen = false;    // the host knows that it is finished: the join's latency has passed, too
    std::string failure;  // why it failed; empty: it did not
  };

  SimSystem(VirtualTimeline& timeline, std::shared_ptr<const CostModel> costs);
  SimSystem(const SimSystem&) = delete;
  SimSystem& operator=(const SimSystem&) = delete;

  // The system `name` of this timeline: all devices that are opened under one name share it. `costs` counts for the
  // first of them. Lives as long as the timeline, whose events refer to it.
  static SimSystem& on(VirtualTimeline& timeline, const std::string& name, std::shared_ptr<const CostModel> costs);

  // `device` as the profiles name it. May start the job at once.
  std::shared_ptr<Job> push(const std::string& device, SimWork work);

  // From then on everything takes `factor` times as long on the device, beside other factors and slow-downs.
  void slow_down(const std::string& device, double factor);
  // What it has in its queue, and everything that comes later, fails.
  void lose(const std::string& device);

 private:
  struct Lane {
    std::string device;
    std::deque<std::shared_ptr<Job>> waiting;
    std::shared_ptr<Job> running;  // null: idle
    double left_ns = 0;            // of `running`, as of `settled`
    double slowdown = 1;
    double injected = 1;  // by slow_down()
    bool lost = false;
    Nanos settled{0};
    VirtualTimeline::EventId finish_event = 0;
  };
  std::size_t lane_of(const std::string& device);
  void start_waiting();
  void update_slowdowns();
  void schedule_finish(std::size_t lane);
  void finish(std::size_t lane);
  void fail(Job& job, const std::string& device) const;

  VirtualTimeline& timeline_;
  std::shared_ptr<const CostModel> costs_;
  std::vector<Lane> lanes_;  // in the order of first use; the number of a lane stays
};

// One device's end of a SimSystem. The ticket is done when the join's latency, with the best waiter that the profile
// knows, has passed since the finish. The numbers are computed when the work is pushed, since the executor submits
// nothing before its inputs are there; a ticket that is destroyed early therefore leaves nothing behind that touches
// memory.
class VirtualQueue final : public SimQueue {
 public:
  VirtualQueue(VirtualTimeline& timeline, SimSystem& system, std::string device);
  std::unique_ptr<Ticket> push(SimWork work) override;
  void occupy_host(double ns) override;

 private:
  VirtualTimeline& timeline_;
  SimSystem& system_;
  std::string device_;
};

}  // namespace hetero
