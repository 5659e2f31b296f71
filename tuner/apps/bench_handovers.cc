// Benchmarks of hand-overs: one device finishes a kernel of a millisecond or more, the host waits for it and submits to
// another. For each waiter and pair of devices: how long after the finish the host goes on, what waiting costs of a
// core, and how well the finish was foreseen.
#include <benchmark/benchmark.h>
#include <time.h>

#include <algorithm>
#include <cmath>
#include <deque>

#include "base/error.h"
#include "base/statistics.h"
#include "tuner/apps/bench_common.h"
#include "tuner/measure/bench_set.h"

namespace hetero {
namespace {

constexpr double kLeastKernelNs = 1e6;
// Matmuls of growing n, until one takes long enough.
constexpr std::int64_t kWidths[] = {256, 512, 1024, 2048, 4096, 8192, 16384};
constexpr std::int64_t kDepth = 2048;
constexpr std::int64_t kRows = 32;
// What the finish is foreseen from: the median of so many durations before.
constexpr std::size_t kHistory = 31;

double thread_cpu_ns() {
  timespec t = {};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

// The least value that is not below 99 of 100.
double p99(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = static_cast<std::size_t>(std::ceil(0.99 * static_cast<double>(values.size())));
  return values[std::min(values.size() - 1, at > 0 ? at - 1 : 0)];
}

std::int64_t rows_for(const DeviceFacts& facts) {
  if (facts.standard_sizes.empty()) return kRows;
  const auto at = std::lower_bound(facts.standard_sizes.begin(), facts.standard_sizes.end(), kRows);
  return at == facts.standard_sizes.end() ? facts.standard_sizes.back() : *at;
}

OpDesc kernel_of(const DeviceFacts& facts, std::int64_t width) {
  return {.kind = OpKind::kMatmul, .m = rows_for(facts), .n = width, .k = kDepth, .w = DType::kQ4_0};
}

// The first kernel that takes long enough; the last one where none does.
Bench& long_enough(BenchSet& benches, Device& device) {
  for (const std::int64_t width : kWidths) {
    Bench& bench = benches.declare(device, kernel_of(device.facts(), width));
    benches.prepare(bench);
    if (!bench.usable()) throw environment_error(bench.message);
    double least = benches.run(bench, Waiter::kPoll).segment_ns;
    for (int i = 0; i < 4; ++i) least = std::min(least, benches.run(bench, Waiter::kPoll).segment_ns);
    if (least >= kLeastKernelNs || width == std::end(kWidths)[-1]) return bench;
  }
  throw environment_error("there is no kernel to wait for");
}

void run_handover(benchmark::State& state, Device& from, Device& to, Timeline& timeline, Waiter waiter) {
  try {
    BenchSet benches(timeline, 1, 1);
    for (const std::int64_t width : kWidths) benches.declare(from, kernel_of(from.facts(), width));
    Bench& next = benches.declare(to, kernel_of(to.facts(), kWidths[0]));
    benches.attach();
    Bench& first = long_enough(benches, from);
    benches.prepare(next);
    if (!next.usable()) return state.SkipWithError(next.message.c_str());
    std::vector<double> reactions, errors;
    std::deque<double> history;
    double cpu = 0;
    double waited = 0;
    double kernel = 0;
    for (auto _ : state) {
      const Nanos begin = timeline.now();
      const std::unique_ptr<Ticket> ticket = benches.submit(first);
      WaitHint hint{waiter, Nanos(0)};
      if (!history.empty()) hint.expected_finish = begin + nanos_from(median_of({history.begin(), history.end()}));
      const Nanos wait_begin = timeline.now();
      const double cpu_begin = thread_cpu_ns();
      Ticket* const one = ticket.get();
      timeline.wait_any({&one, 1}, hint);
      const Nanos known = timeline.now();
      cpu += thread_cpu_ns() - cpu_begin;
      waited += to_ns(known - wait_begin);
      const auto [start, finish] = ticket->interval();
      const std::unique_ptr<Ticket> follower = benches.submit(next);
      follower->block();
      reactions.push_back(to_ns(known - finish));
      kernel += to_ns(finish - start);
      if (!history.empty()) errors.push_back(std::abs(to_ns(hint.expected_finish - finish)));
      history.push_back(to_ns(finish - begin));
      if (history.size() > kHistory) history.pop_front();
    }
    using benchmark::Counter;
    state.counters["reaction_us"] = median_of(reactions) / 1e3;
    state.counters["reaction_p99_us"] = p99(reactions) / 1e3;
    state.counters["core_percent"] = waited > 0 ? 100 * cpu / waited : 0;
    state.counters["foreseen_off_us"] = errors.empty() ? 0 : median_of(errors) / 1e3;
    state.counters["foreseen_off_p99_us"] = errors.empty() ? 0 : p99(errors) / 1e3;
    state.counters["kernel_us"] = Counter(kernel / 1e3, Counter::kAvgIterations);
  } catch (const Error& error) {
    state.SkipWithError(error.what());
  }
}

}  // namespace

void register_handover_benchmarks(const std::vector<std::unique_ptr<Device>>& devices, Timeline& timeline) {
  for (const auto& from : devices) {
    // Nobody waits for a device whose work is done by the thread that submits.
    if (from->facts().submit_mode == SubmitMode::kOnCallersThread) continue;
    for (const auto& to : devices) {
      for (const Waiter waiter : from->facts().waiters) {
        benchmark::RegisterBenchmark(
            ("handover/" + from->facts().id + " to " + to->facts().id + "/" + std::string(name_of(waiter))).c_str(),
            [f = from.get(), t = to.get(), &timeline, waiter](benchmark::State& state) {
              run_handover(state, *f, *t, timeline, waiter);
            })
            ->Unit(benchmark::kMicrosecond)
            ->UseRealTime();
      }
    }
  }
}

}  // namespace hetero
