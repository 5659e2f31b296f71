#include "runtime/device/placement.h"

#include <dirent.h>
#include <sys/types.h>
#include <time.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>

#include "runtime/device/cpu/cpu_provider.h"

namespace hetero {
namespace {

// The clock of a thread's own CPU time, by the kernel's numbering of clocks (linux/posix-timers.h: per-thread, sched).
clockid_t cpu_clock_of(pid_t thread) { return (~static_cast<clockid_t>(thread) << 3) | 6; }

// Nanoseconds that each thread of this process has run so far.
std::map<pid_t, std::int64_t> thread_run_ns() {
  std::map<pid_t, std::int64_t> all;
  DIR* folder = opendir("/proc/self/task");
  if (folder == nullptr) return all;
  while (const dirent* entry = readdir(folder)) {
    if (entry->d_name[0] == '.') continue;
    const auto thread = static_cast<pid_t>(std::atoi(entry->d_name));
    timespec t{};
    if (clock_gettime(cpu_clock_of(thread), &t) == 0) all[thread] = std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
  }
  closedir(folder);
  return all;
}

bool confined(pid_t thread, const std::vector<int>& cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(thread, sizeof set, &set) != 0) return true;  // it has ended meanwhile
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set) && std::find(cores.begin(), cores.end(), core) == cores.end()) return false;
  }
  return true;
}

cpu_set_t mask_of(const std::vector<int>& cores) {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  for (const int core : cores) CPU_SET(static_cast<std::size_t>(core), &mask);
  return mask;
}

}  // namespace

CallerOnCores::CallerOnCores() {
  CPU_ZERO(&before_);
  known_ = sched_getaffinity(0, sizeof before_, &before_) == 0;
}

CallerOnCores::~CallerOnCores() {
  if (changed_) sched_setaffinity(0, sizeof before_, &before_);
}

void CallerOnCores::move_to(const cpu_set_t& cores) {
  changed_ = known_ && CPU_COUNT(&cores) > 0 && sched_setaffinity(0, sizeof cores, &cores) == 0;
}

OnAllCores::OnAllCores() { move_to(mask_of(all_cores())); }

DriverThreadsOnTheirCores::DriverThreadsOnTheirCores() {
  ::setenv("POCL_AFFINITY", "1", 0);  // before anything that might look for devices
  move_to(mask_of(all_cores()));
}

CallerOffCores::CallerOffCores(const std::vector<int>& cores) {
  cpu_set_t rest = before();
  for (const int core : cores) CPU_CLR(static_cast<std::size_t>(core), &rest);
  move_to(rest);
}

namespace {

std::string strays_once(const std::vector<int>& cores, const std::function<void()>& work) {
  const auto before = thread_run_ns();
  work();
  const auto after = thread_run_ns();
  std::map<pid_t, std::int64_t> ran;
  std::int64_t most = 0;
  for (const auto& [thread, ns] : after) {
    const auto earlier = before.find(thread);
    ran[thread] = ns - (earlier == before.end() ? 0 : earlier->second);
    most = std::max(most, ran[thread]);
  }
  // Threads that merely handed the work over ran for microseconds; workers share it about equally.
  for (const auto& [thread, ns] : ran) {
    if (ns * 4 >= most && ns > 0 && !confined(thread, cores)) {
      return "its thread " + std::to_string(thread) + " may run on other cores";
    }
  }
  return "";
}

}  // namespace

std::string stray_work(const std::vector<int>& cores, const std::function<void()>& work) {
  // Work that strays does so each time; a thread that was busy with something else is not seen three times.
  std::string stray;
  for (int look = 0; look < 3; ++look) {
    stray = strays_once(cores, work);
    if (stray.empty()) break;
  }
  return stray;
}

}  // namespace hetero
