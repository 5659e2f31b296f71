// A device emulated on the real timeline: a worker thread that computes the numbers, if they are asked for, and then
// lets time pass until the profile's duration is over. What it takes longer for computing shows in the interval.
// Devices of one system do not slow each other down here. push() is for one host thread; the worker is inside.
#pragma once

#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>

#include "runtime/device/sim/sim_queue.h"

namespace hetero {

struct EmulationOptions {
  double driver_join_ns = 0;     // Ticket::block() returns so long after the finish; done() is true at once
  std::optional<int> host_core;  // the logical core on which the worker computes; none: wherever the system puts it
};

class EmulatedQueue final : public SimQueue {
 public:
  // Throws environment_error when the worker cannot be bound to the core.
  EmulatedQueue(const Timeline& timeline, const EmulationOptions& options);
  ~EmulatedQueue() override;  // precondition: no ticket is left
  std::unique_ptr<Ticket> push(SimWork work) override;
  void occupy_host(double ns) override;

 private:
  struct Job;
  class EmulatedTicket;
  void serve(const std::stop_token& stop);
  void run(Job& job);

  const Timeline& timeline_;
  EmulationOptions options_;
  Nanos free_{0};  // when the last job finished; the worker's
  std::mutex mutex_;
  std::condition_variable_any pushed_;
  std::condition_variable finished_;
  std::deque<std::shared_ptr<Job>> jobs_;
  std::jthread worker_;  // last: it is stopped before the rest goes
};

}  // namespace hetero
