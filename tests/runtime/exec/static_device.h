// A static device over a real one: the same kernels, but graphs of a few row counts only, under an id of its own. What
// a plan makes of a prompt's length is tested at the speed of the processor.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "runtime/device/device.h"

namespace hetero {

class StaticDevice final : public Device {
 public:
  // `inner` is dynamic.
  StaticDevice(std::string id, std::vector<std::int64_t> standard_sizes, std::unique_ptr<Device> inner)
      : inner_(std::move(inner)), facts_(inner_->facts()) {
    facts_.id = std::move(id);
    facts_.standard_sizes = std::move(standard_sizes);
  }

  const DeviceFacts& facts() const override { return facts_; }
  Applicability supports(const Segment& segment) const override {
    for (const Op& op : segment.ops) {
      const auto& sizes = facts_.standard_sizes;
      if (std::find(sizes.begin(), sizes.end(), op.desc.m) == sizes.end()) {
        return Applicability::no("no graph for " + canonical_text(op.desc));
      }
      if (op.desc.m != segment.ops.front().desc.m) {
        return Applicability::no("a graph has one number of rows: " + canonical_text(op.desc));
      }
    }
    return inner_->supports(segment);
  }
  void attach(Arena& arena) override { inner_->attach(arena); }
  std::unique_ptr<PreparedSegment> prepare(const Segment& segment) override {
    ++preparations;
    return inner_->prepare(segment);
  }
  std::unique_ptr<Ticket> submit(PreparedSegment& prepared, const Bindings& bindings) override {
    ++submissions;
    return inner_->submit(prepared, bindings);
  }
  std::uint64_t weight_bytes() const override { return inner_->weight_bytes(); }

  int preparations = 0;
  int submissions = 0;

 private:
  std::unique_ptr<Device> inner_;
  DeviceFacts facts_;
};

}  // namespace hetero
