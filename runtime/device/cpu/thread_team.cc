#include "runtime/device/cpu/thread_team.h"

#include <pthread.h>
#include <sched.h>

#include <cstring>
#include <string>

#include "base/error.h"

namespace hetero {
namespace {

// About 50 us of spinning on a 3.7 GHz core: longer than the gap between two segments of a split plan, short enough not
// to burn a core while the program waits for its user.
constexpr int kSpinsBeforePark = 4000;
constexpr int kBarrierSpinsBeforeYield = 20000;

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

void pin_this_thread(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (const int status = pthread_setaffinity_np(pthread_self(), sizeof set, &set); status != 0) {
    throw environment_error("cannot run on core " + std::to_string(core) + ": " + std::strerror(status),
                            "'hetero-tune devices' lists the cores that this process may use");
  }
}

void SpinBarrier::arrive_and_wait() {
  const unsigned generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == members_) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    return;
  }
  for (int spins = 0; generation_.load(std::memory_order_acquire) == generation; ++spins) {
    if (spins < kBarrierSpinsBeforeYield) {
      relax();
    } else {
      sched_yield();
    }
  }
}

ThreadTeam::ThreadTeam(const std::vector<int>& cores) : cores_(cores), barrier_(static_cast<int>(cores.size())) {
  pin_this_thread(cores_[0]);
  for (int member = 1; member < size(); ++member) threads_.emplace_back([this, member] { worker_loop(member); });
}

ThreadTeam::~ThreadTeam() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    generation_.fetch_add(1);
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ThreadTeam::run(const std::function<void(int)>& work) {
  if (size() > 1) {
    work_ = &work;
    running_.store(size() - 1, std::memory_order_relaxed);
    generation_.fetch_add(1);  // sequentially consistent with parked_: either the worker sees it or we see it parked
    if (parked_.load() > 0) {
      const std::lock_guard lock(mutex_);
      wake_.notify_all();
    }
  }
  work(0);
  for (int spins = 0; running_.load(std::memory_order_acquire) != 0; ++spins) {
    if (spins < kBarrierSpinsBeforeYield) {
      relax();
    } else {
      sched_yield();
    }
  }
}

void ThreadTeam::worker_loop(int member) {
  try {
    pin_this_thread(cores_[static_cast<std::size_t>(member)]);
  } catch (const Error&) {
    // The core was checked when the device was opened; if it went away meanwhile, running elsewhere is slower, not
    // wrong.
  }
  unsigned seen = 0;
  for (;;) {
    for (int spins = 0; generation_.load() == seen && spins < kSpinsBeforePark; ++spins) relax();
    if (generation_.load() == seen) {
      std::unique_lock lock(mutex_);
      parked_.fetch_add(1);
      wake_.wait(lock, [&] { return generation_.load() != seen; });
      parked_.fetch_sub(1);
    }
    seen = generation_.load();
    if (stopping_) return;
    (*work_)(member);
    running_.fetch_sub(1, std::memory_order_release);
  }
}

}  // namespace hetero
