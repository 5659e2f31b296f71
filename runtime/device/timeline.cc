#include "runtime/device/timeline.h"

#include <sched.h>

#include <chrono>
#include <thread>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

// Sleeping is left early by this much, since a sleep oversleeps by about 60 us on Linux (timer slack and wake-up).
constexpr Nanos kSleepMargin = std::chrono::microseconds(120);
// Spins before the core is offered to others: a device's worker may live on this very core.
constexpr int kSpinsBeforeYield = 512;

Nanos monotonic_now() { return std::chrono::duration_cast<Nanos>(std::chrono::steady_clock::now().time_since_epoch()); }

inline void relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::size_t first_done(std::span<Ticket* const> tickets) {
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    if (tickets[i]->done()) return i;
  }
  return tickets.size();
}

}  // namespace

std::string_view name_of(Waiter waiter) {
  switch (waiter) {
    case Waiter::kDriver:
      return "driver";
    case Waiter::kPoll:
      return "poll";
    case Waiter::kSleepPoll:
      return "sleep_poll";
  }
  return "poll";
}

RealTimeline::RealTimeline() : zero_(monotonic_now()) {}

Nanos RealTimeline::now() const { return monotonic_now() - zero_; }

std::size_t RealTimeline::wait_any(std::span<Ticket* const> tickets, const WaitHint& hint) {
  std::size_t i = first_done(tickets);
  if (i < tickets.size()) return i;
  if (hint.waiter == Waiter::kDriver && tickets.size() == 1) {
    tickets[0]->block();
    return 0;
  }
  if (hint.waiter == Waiter::kSleepPoll && hint.expected_finish > Nanos(0)) {
    const Nanos pause = hint.expected_finish - kSleepMargin - now();
    if (pause > Nanos(0)) std::this_thread::sleep_for(pause);
  }
  for (int spins = 0; (i = first_done(tickets)) == tickets.size(); ++spins) {
    if (spins < kSpinsBeforeYield) {
      relax();
    } else {
      sched_yield();
    }
  }
  return i;
}

std::size_t VirtualTimeline::wait_any(std::span<Ticket* const> tickets, const WaitHint&) {
  for (;;) {
    const std::size_t i = first_done(tickets);
    if (i < tickets.size()) return i;
    if (events_.empty()) throw environment_error("the simulation waits for something that never happens");
    run_next();
  }
}

VirtualTimeline::EventId VirtualTimeline::schedule(Nanos at, std::function<void()> event) {
  const EventId id = next_id_++;
  const Nanos when = at < now_ ? now_ : at;
  events_.emplace(std::pair(when, id), std::move(event));
  due_.emplace(id, when);
  return id;
}

void VirtualTimeline::cancel(EventId id) {
  const auto it = due_.find(id);
  if (it == due_.end()) return;
  events_.erase({it->second, id});
  due_.erase(it);
}

void VirtualTimeline::advance(Nanos by) {
  const Nanos end = now_ + by;
  while (!events_.empty() && events_.begin()->first.first <= end) run_next();
  now_ = end;
}

void VirtualTimeline::run_next() {
  auto node = events_.extract(events_.begin());
  now_ = node.key().first;
  due_.erase(node.key().second);
  node.mapped()();
}

}  // namespace hetero
