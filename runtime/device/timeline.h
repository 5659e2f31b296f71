// The only clock that executor, tuner and devices may use, and the way they wait.
// The real timeline blocks; the virtual one jumps to the next event. Used by one host thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "base/units.h"

namespace hetero {

// A submission in flight. Destroying it before it is done waits for it.
class Ticket {
 public:
  virtual ~Ticket() = default;
  // Never blocks. Once true, stays true.
  virtual bool done() = 0;
  // Blocks in the driver (or on the worker's condition) until done. On a virtual timeline never called.
  virtual void block() = 0;
  // After done(): when the device began and finished, on the timeline. Throws the submission's Error if it failed.
  virtual std::pair<Nanos, Nanos> interval() = 0;
};

// How the host waits for a device. Which one suits is measured per device.
enum class Waiter : std::uint8_t {
  kDriver,    // Ticket::block()
  kPoll,      // spin on done()
  kSleepPoll  // sleep until shortly before the expected finish, then spin
};
std::string_view name_of(Waiter waiter);  // "driver", "poll", "sleep_poll"

struct WaitHint {
  Waiter waiter = Waiter::kPoll;
  Nanos expected_finish{0};  // point on the timeline; used by kSleepPoll, 0 = unknown
};

class Timeline {
 public:
  virtual ~Timeline() = default;
  virtual Nanos now() const = 0;
  // Returns when at least one ticket is done, with the index of the first such. Precondition: tickets is not empty.
  virtual std::size_t wait_any(std::span<Ticket* const> tickets, const WaitHint& hint) = 0;
  virtual bool is_virtual() const = 0;
};

// CLOCK_MONOTONIC from its own zero.
class RealTimeline final : public Timeline {
 public:
  RealTimeline();
  Nanos now() const override;
  std::size_t wait_any(std::span<Ticket* const> tickets, const WaitHint& hint) override;
  bool is_virtual() const override { return false; }

 private:
  Nanos zero_;
};

// Events in order of time, then of scheduling. Deterministic: no clock, no thread, no sleep.
class VirtualTimeline final : public Timeline {
 public:
  using EventId = std::uint64_t;
  Nanos now() const override { return now_; }
  // Runs events until a ticket is done. Throws Error when no event is left and none is.
  std::size_t wait_any(std::span<Ticket* const> tickets, const WaitHint& hint) override;
  bool is_virtual() const override { return true; }

  // `at` >= now(). The event runs on the waiting thread.
  EventId schedule(Nanos at, std::function<void()> event);
  void cancel(EventId id);  // an event that has run is ignored
  // The host itself spends time (submission cost): runs what falls due meanwhile.
  void advance(Nanos by);

  // State that the devices on this timeline share, by name (the memory bus of a simulated system). Null until the first
  // device that needs it puts it there; lives as long as the timeline.
  std::shared_ptr<void>& shared_state(const std::string& name) { return shared_state_[name]; }

 private:
  void run_next();
  Nanos now_{0};
  EventId next_id_ = 1;
  std::map<std::pair<Nanos, EventId>, std::function<void()>> events_;
  std::map<EventId, Nanos> due_;
  std::map<std::string, std::shared_ptr<void>> shared_state_;
};

}  // namespace hetero
