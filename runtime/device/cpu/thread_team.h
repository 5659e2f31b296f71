// A team of threads pinned to cores that runs one function at a time, all members together. The calling thread is
// member 0 and is pinned too. Between calls the others spin briefly, then park. Used by one thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace hetero {

// All members meet here; reusable. Spins, then yields: members do equal work between barriers.
class SpinBarrier {
 public:
  explicit SpinBarrier(int members) : members_(members) {}
  void arrive_and_wait();

 private:
  const int members_;
  std::atomic<int> arrived_{0};
  std::atomic<unsigned> generation_{0};
};

class ThreadTeam {
 public:
  // One member per core. Throws environment_error when a thread cannot be pinned.
  explicit ThreadTeam(const std::vector<int>& cores);
  ~ThreadTeam();
  ThreadTeam(const ThreadTeam&) = delete;
  ThreadTeam& operator=(const ThreadTeam&) = delete;

  int size() const { return static_cast<int>(cores_.size()); }

  // Runs work(member) on every member at once; returns when all have returned. Exceptions must not escape `work`.
  void run(const std::function<void(int member)>& work);
  // Inside work(): a barrier of all members.
  void barrier() { barrier_.arrive_and_wait(); }

 private:
  void worker_loop(int member);

  std::vector<int> cores_;
  SpinBarrier barrier_;
  const std::function<void(int)>* work_ = nullptr;
  std::atomic<unsigned> generation_{0};
  std::atomic<int> running_{0};
  std::atomic<bool> stopping_{false};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<int> parked_{0};
  std::vector<std::thread> threads_;
};

// Pins the calling thread to one core. Throws environment_error when the system refuses.
void pin_this_thread(int core);

}  // namespace hetero
