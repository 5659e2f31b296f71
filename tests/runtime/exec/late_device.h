// A device that computes with the reference kernels, but as late as it may: a submission runs only when its ticket has
// been polled a random number of times. A dependency that a schedule lacks shows as a wrong answer. With memory of its
// own it computes on a copy of the arena that begins as NaN, and sees of the host's only what the segment imports (and
// the caches that attention reads), the host of its only what the segment exports (and the rows of caches it writes).
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "runtime/device/device.h"

namespace hetero {

class LateDevice final : public Device {
 public:
  LateDevice(std::string id, std::vector<std::int64_t> standard_sizes, std::uint64_t seed, bool own_memory = false);

  const DeviceFacts& facts() const override { return facts_; }
  Applicability supports(const Segment& segment) const override;
  void attach(Arena& arena) override;
  std::unique_ptr<PreparedSegment> prepare(const Segment& segment) override;
  std::unique_ptr<Ticket> submit(PreparedSegment& prepared, const Bindings& bindings) override;
  std::uint64_t weight_bytes() const override { return 0; }

  int preparations = 0;
  int submissions = 0;

 private:
  struct Prepared;
  struct LateTicket;
  void run(const Segment& segment, const Bindings& bindings);
  void compute(const Segment& segment, const Bindings& bindings);
  bool is_cache(const Region& region) const;

  DeviceFacts facts_;
  Rng rng_;
  bool own_memory_;
  Arena* host_ = nullptr;
  Arena own_;
  Arena* arena_ = nullptr;         // the one that it computes on
  std::deque<LateTicket*> queue_;  // in order
};

}  // namespace hetero
