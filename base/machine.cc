#include "base/machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>
#include <utility>

namespace hetero {
namespace {

double seconds_of(clockid_t clock) {
  std::timespec now = {};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

double seconds_of(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// Of this process and of the children it has waited for.
double own_seconds() {
  rusage children = {};
  getrusage(RUSAGE_CHILDREN, &children);
  return seconds_of(CLOCK_PROCESS_CPUTIME_ID) + seconds_of(children.ru_utime) + seconds_of(children.ru_stime);
}

// All that ran on the cores since the system started: /proc/stat, in proc(5).
double busy_seconds(const std::vector<int>& cores) {
  std::ifstream in("/proc/stat");
  double ticks = 0;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string name;
    double user = 0, nice = 0, system = 0, idle = 0, waiting = 0, irq = 0, softirq = 0, steal = 0;
    fields >> name >> user >> nice >> system >> idle >> waiting >> irq >> softirq >> steal;
    const bool wanted = cores.empty() ? name == "cpu" : std::any_of(cores.begin(), cores.end(), [&](int core) {
      return name == "cpu" + std::to_string(core);
    });
    if (wanted) ticks += user + nice + system + irq + softirq + steal;
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

std::string cpu_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    const std::size_t value = line.find(": ");
    if (line.starts_with("model name") && value != std::string::npos) return line.substr(value + 2);
  }
  return "unknown";
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts = {};
  gmtime_r(&now, &parts);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts);
  return text;
}

ForeignLoad::ForeignLoad(std::vector<int> cores)
    : cores_(std::move(cores)),
      busy_begin_s_(busy_seconds(cores_)),
      own_begin_s_(own_seconds()),
      begin_s_(seconds_of(CLOCK_MONOTONIC)) {}

double ForeignLoad::cores() const {
  const double seconds = seconds_of(CLOCK_MONOTONIC) - begin_s_;
  const double foreign = busy_seconds(cores_) - busy_begin_s_ - (own_seconds() - own_begin_s_);
  return seconds > 0 ? std::max(0.0, foreign / seconds) : 0;
}

}  // namespace hetero
