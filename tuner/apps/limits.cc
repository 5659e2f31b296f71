// hetero-bench --limits: arithmetic peaks of one core, read bandwidth of one core and of all, latency between cores.
#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <atomic>
#include <barrier>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/aligned_buffer.h"
#include "base/statistics.h"
#include "tuner/apps/bench_common.h"
#include "tuner/apps/limits_kernels.h"
#include "tuner/apps/table.h"

namespace hetero {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kRepetitions = 7;                             // the median is shown
constexpr std::size_t kReadBytes = std::size_t{192} << 20;  // per core: beyond any last-level cache here
constexpr int kRoundTrips = 20000;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::vector<int> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof set, &set);
  std::vector<int> cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

// Runs on a thread of its own, so that the program's affinity stays as it is.
template <typename Body>
std::thread thread_on(int core, Body body) {
  return std::thread([core, body] {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(core, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
    body();
  });
}

double peak_gops(const PeakLoop& loop, int core) {
  std::vector<double> rates;
  thread_on(core, [&] {
    volatile float sink = 0;
    constexpr std::int64_t kIterations = 3000000;
    for (int r = 0; r < kRepetitions; ++r) {
      const Clock::time_point start = Clock::now();
      sink = sink + loop.run(kIterations);
      rates.push_back(loop.ops_per_iteration * kIterations / seconds_since(start) / 1e9);
    }
  }).join();
  return median_of(rates);
}

// GB/s of each core while all of `cores` read at once.
std::vector<double> read_gbps(const std::vector<int>& cores) {
  std::vector<double> result(cores.size());
  std::barrier<> together(static_cast<std::ptrdiff_t>(cores.size()));
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < cores.size(); ++i) {
    threads.push_back(thread_on(cores[i], [&, i] {
      AlignedBuffer buffer(kReadBytes);
      // Memory that was never written is one page of zeros over and over, which a cache holds.
      std::memset(buffer.data(), 1, kReadBytes);
      volatile std::uint64_t sink = 0;
      std::vector<double> rates;
      for (int r = 0; r < kRepetitions; ++r) {
        together.arrive_and_wait();
        const Clock::time_point start = Clock::now();
        sink = sink + read_words(buffer.as<std::uint64_t>(), static_cast<std::int64_t>(kReadBytes / 8));
        rates.push_back(static_cast<double>(kReadBytes) / seconds_since(start) / 1e9);
      }
      result[i] = median_of(rates);
    }));
  }
  for (std::thread& thread : threads) thread.join();
  return result;
}

// Half a round trip of one cache line between two cores.
double core_to_core_ns(int first, int second) {
  alignas(64) std::atomic<int> turn{0};
  std::vector<double> times;
  std::thread answer = thread_on(second, [&] {
    for (int i = 0; i < kRepetitions * kRoundTrips; ++i) {
      while (turn.load(std::memory_order_acquire) != 1) {
      }
      turn.store(0, std::memory_order_release);
    }
  });
  thread_on(first, [&] {
    for (int r = 0; r < kRepetitions; ++r) {
      const Clock::time_point start = Clock::now();
      for (int i = 0; i < kRoundTrips; ++i) {
        turn.store(1, std::memory_order_release);
        while (turn.load(std::memory_order_acquire) != 0) {
        }
      }
      times.push_back(seconds_since(start) * 1e9 / (2.0 * kRoundTrips));
    }
  }).join();
  answer.join();
  return median_of(times);
}

struct Limit {
  std::string name;
  double value;
  std::string unit;
};

std::vector<Limit> measure_limits() {
  const std::vector<int> cores = allowed_cores();
  std::vector<Limit> limits;
  for (const PeakLoop& loop : peak_loops())
    limits.push_back({loop.name + ", one core", peak_gops(loop, cores[0]), "Gop/s"});
  limits.push_back({"read, one core alone", read_gbps({cores[0]})[0], "GB/s"});
  if (cores.size() > 1) {
    double sum = 0;
    for (const double rate : read_gbps(cores)) sum += rate;
    limits.push_back({"read, " + std::to_string(cores.size()) + " cores together", sum, "GB/s"});
    limits.push_back({"core " + std::to_string(cores[0]) + " to core " + std::to_string(cores[1]),
                      core_to_core_ns(cores[0], cores[1]), "ns"});
  }
  return limits;
}

}  // namespace

void print_limits(LimitsOutput output) {
  const std::vector<Limit> limits = measure_limits();
  if (output == LimitsOutput::kJson) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const Limit& l : limits) list.push_back({{"name", l.name}, {"value", l.value}, {"unit", l.unit}});
    std::printf("%s\n", list.dump(2).c_str());
    return;
  }
  Table table({"limit", "median of " + std::to_string(kRepetitions), "unit"});
  for (const Limit& l : limits) {
    char value[32];
    std::snprintf(value, sizeof value, "%.1f", l.value);
    table.add({l.name, value, l.unit});
  }
  std::printf("%s", table.text().c_str());
}

}  // namespace hetero
