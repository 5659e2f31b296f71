#include "tuner/measure/together.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace hetero {
namespace {

using Interval = std::pair<double, double>;

// Long beside launches and wake-ups, short beside the budget.
constexpr double kWindowNs = 4e6;
constexpr double kEnoughOverlap = 0.8;
constexpr int kMostSubmissions = 256;
constexpr int kTries = 3;

int clamped(double submissions) {
  return static_cast<int>(std::clamp(std::ceil(submissions), 1.0, double{kMostSubmissions}));
}

int submissions_for(double window_ns, const Bench& bench) {
  return clamped(window_ns / std::max(1.0, bench.segment_ns));
}

// Enough that the device is still busy for the window after the last of them has been submitted, which takes the host
// time in which it works the first ones off.
int submissions_beside(double window_ns, const Bench& bench) {
  const double gained = std::max(bench.segment_ns - bench.submit_ns, 0.1 * bench.segment_ns);
  return clamped(window_ns / std::max(1.0, gained));
}

std::vector<Interval> busy(const std::vector<std::unique_ptr<Ticket>>& tickets) {
  std::vector<Interval> intervals;
  for (const auto& ticket : tickets) {
    const auto [start, end] = ticket->interval();
    intervals.emplace_back(to_ns(start), to_ns(end));
  }
  std::sort(intervals.begin(), intervals.end());
  return intervals;
}

// Both lists are sorted; a device's submissions do not overlap each other.
std::vector<Interval> common(const std::vector<Interval>& a, const std::vector<Interval>& b) {
  std::vector<Interval> result;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const double start = std::max(a[i].first, b[j].first);
    const double end = std::min(a[i].second, b[j].second);
    if (start < end) result.emplace_back(start, end);
    a[i].second < b[j].second ? ++i : ++j;
  }
  return result;
}

double total(const std::vector<Interval>& intervals) {
  double sum = 0;
  for (const auto& [start, end] : intervals) sum += end - start;
  return sum;
}

}  // namespace

TogetherTimes run_together(BenchSet& benches, Timeline& timeline, Bench& main, const std::vector<Bench*>& others,
                           double alone_op_ns) {
  TogetherTimes best;
  const double window = std::max(kWindowNs, main.segment_ns);
  const int main_submissions = submissions_for(window, main);
  double reach = 1.5;  // of the others' work beyond the main one's, alone: being slowed down stretches both
  for (int attempt = 0; attempt < kTries && best.overlap < kEnoughOverlap; ++attempt, reach *= 2) {
    struct Work {
      Bench* bench;
      int submissions;
      std::vector<std::unique_ptr<Ticket>> tickets;
    };
    std::vector<Work> work;
    for (Bench* other : others) work.push_back({other, submissions_beside(window * reach, *other), {}});
    work.push_back({&main, main_submissions, {}});
    // Who works on this thread comes last: submitting is running.
    std::stable_partition(work.begin(), work.end(), [](const Work& w) {
      return w.bench->device->facts().submit_mode == SubmitMode::kAsynchronous;
    });
    for (Work& w : work) {
      for (int i = 0; i < w.submissions; ++i) w.tickets.push_back(benches.submit(*w.bench));
    }
    for (const Work& w : work) {
      for (const auto& ticket : w.tickets) {
        Ticket* const tickets[] = {ticket.get()};
        timeline.wait_any(tickets, {quiet_waiter(w.bench->device->facts()), Nanos(0)});
      }
    }
    std::vector<Interval> mine;
    for (const Work& w : work) {
      if (w.bench == &main) mine = busy(w.tickets);
    }
    std::vector<Interval> shared = mine;
    for (const Work& w : work) {
      if (w.bench != &main) shared = common(shared, busy(w.tickets));
    }
    const double spent = total(mine);
    const double overlap = total(shared);
    // Outside the overlap, ops went by at their own pace; the rest of them shared the machine.
    const double ops = main_submissions * main.ops_per_segment - (spent - overlap) / alone_op_ns;
    if (overlap / spent > best.overlap && ops > 0) best = {overlap / ops, overlap / spent};
  }
  return best;
}

}  // namespace hetero
