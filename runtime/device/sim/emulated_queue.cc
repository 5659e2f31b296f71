#include "runtime/device/sim/emulated_queue.h"

#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

// A sleep is left early by this much and the rest is spun: with the timer slack at its least, Linux wakes a thread 5 to
// 60 us late, and 3 % of a dispatch floor of 100 us is 3 us.
constexpr Nanos kSpin = std::chrono::microseconds(80);

void wait_until(const Timeline& timeline, Nanos point) {
  const Nanos pause = point - kSpin - timeline.now();
  if (pause > Nanos(0)) std::this_thread::sleep_for(pause);
  while (timeline.now() < point) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
}

}  // namespace

struct EmulatedQueue::Job {
  SimWork work;
  Nanos pushed{0};
  Nanos start{0};
  Nanos finish{0};
  std::exception_ptr failure;
  std::atomic<bool> done{false};  // released after the fields above
};

class EmulatedQueue::EmulatedTicket final : public Ticket {
 public:
  EmulatedTicket(EmulatedQueue& queue, std::shared_ptr<Job> job) : queue_(queue), job_(std::move(job)) {}
  ~EmulatedTicket() override { await(); }
  bool done() override { return job_->done.load(std::memory_order_acquire); }
  void block() override {
    await();
    wait_until(queue_.timeline_, job_->finish + nanos_from(queue_.options_.driver_join_ns));
  }
  std::pair<Nanos, Nanos> interval() override {
    if (job_->failure) std::rethrow_exception(job_->failure);
    return {job_->start, job_->finish};
  }

 private:
  void await() {
    if (done()) return;
    std::unique_lock lock(queue_.mutex_);
    queue_.finished_.wait(lock, [this] { return done(); });
  }
  EmulatedQueue& queue_;
  std::shared_ptr<Job> job_;
};

EmulatedQueue::EmulatedQueue(const Timeline& timeline, const EmulationOptions& options)
    : timeline_(timeline), options_(options), worker_([this](const std::stop_token& stop) { serve(stop); }) {
  if (!options_.host_core) return;
  cpu_set_t set;
  CPU_ZERO(&set);
  if (*options_.host_core < CPU_SETSIZE) CPU_SET(static_cast<std::size_t>(*options_.host_core), &set);
  if (pthread_setaffinity_np(worker_.native_handle(), sizeof set, &set) != 0) {
    throw environment_error("an emulated device cannot run on core " + std::to_string(*options_.host_core),
                            "name a core that this process may use, or leave 'host' out");
  }
}

EmulatedQueue::~EmulatedQueue() = default;

std::unique_ptr<Ticket> EmulatedQueue::push(SimWork work) {
  auto job = std::make_shared<Job>();
  job->work = std::move(work);
  job->pushed = timeline_.now();
  {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(job);
  }
  pushed_.notify_one();
  return std::make_unique<EmulatedTicket>(*this, std::move(job));
}

void EmulatedQueue::occupy_host(double ns) { wait_until(timeline_, timeline_.now() + nanos_from(ns)); }

void EmulatedQueue::serve(const std::stop_token& stop) {
  // Of this thread only, and a hint: without it, sleeps end later and the spinning is shorter.
  prctl(PR_SET_TIMERSLACK, 1);
  for (;;) {
    std::shared_ptr<Job> job;
    {
      std::unique_lock lock(mutex_);
      if (!pushed_.wait(lock, stop, [this] { return !jobs_.empty(); })) return;
      job = std::move(jobs_.front());
      jobs_.pop_front();
    }
    run(*job);
    {
      const std::lock_guard lock(mutex_);  // so that a waiter cannot miss the notice between its look and its sleep
      job->done.store(true, std::memory_order_release);
    }
    finished_.notify_all();
  }
}

void EmulatedQueue::run(Job& job) {
  // The emulated device starts when it was given the work or had done what came before, not when this thread woke up.
  job.start = std::max(job.pushed, free_);
  try {
    if (job.work.compute) job.work.compute();
  } catch (...) {
    job.failure = std::current_exception();
  }
  wait_until(timeline_, job.start + nanos_from(job.work.duration_ns));
  job.finish = timeline_.now();
  free_ = job.finish;
}

}  // namespace hetero
