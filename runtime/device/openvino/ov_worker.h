// The one thread of a device from which OpenVINO is called: an in-order queue of jobs, and tickets for them.
// OpenVINO's CPU plugin computes on the thread that calls it and on threads that this one creates, which inherit its
// affinity: so a worker bound to cores keeps a device on them. push() and call() are for one host thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <vector>

#include "runtime/device/timeline.h"

namespace hetero {

class OvWorker {
 public:
  // `cores` empty: wherever the system puts it. Throws environment_error when the thread cannot be bound.
  OvWorker(const Timeline& timeline, const std::vector<int>& cores);
  ~OvWorker();  // precondition: no ticket is left
  OvWorker(const OvWorker&) = delete;
  OvWorker& operator=(const OvWorker&) = delete;

  // The ticket rethrows what `work` threw.
  std::unique_ptr<Ticket> push(std::function<void()> work);
  // Runs `work` there and waits for it; rethrows what it threw.
  void call(std::function<void()> work);

 private:
  struct Job;
  class JobTicket;
  void serve(const std::stop_token& stop);
  std::shared_ptr<Job> next(const std::stop_token& stop);

  const Timeline& timeline_;
  std::vector<int> cores_;
  std::atomic<int> pending_{0};  // jobs in the queue, looked at without the lock
  std::mutex mutex_;
  std::condition_variable_any pushed_;
  std::condition_variable finished_;
  std::deque<std::shared_ptr<Job>> jobs_;
  std::jthread thread_;  // last: it is stopped before the rest goes
};

}  // namespace hetero
