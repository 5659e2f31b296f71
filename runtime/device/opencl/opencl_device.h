// An OpenCL device: a whole segment is one flush of kernels on an in-order queue.
// Used by one thread at a time.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/aligned_buffer.h"
#include "runtime/device/device.h"
#include "runtime/device/opencl/cl_arena.h"
#include "runtime/device/opencl/cl_devices.h"
#include "runtime/device/opencl/cl_doorbell.h"
#include "runtime/device/opencl/cl_programs.h"

namespace hetero {

struct OpenClOptions {
  ArenaSharing sharing = ArenaSharing::kShared;  // kStaged forces copies even where memory could be shared
  bool doorbell = true;                          // false: the driver is woken at each submission, whatever is possible
};

class OpenClDevice final : public Device {
 public:
  // `part` is the sub-device to use, empty for the whole of `root`. Throws environment_error when the driver fails or
  // the work strays from facts.cores.
  OpenClDevice(DeviceFacts facts, const ClRootDevice& root, ClSubDevice part, const OpenClOptions& options,
               const DeviceContext& context);
  ~OpenClDevice() override;

  const DeviceFacts& facts() const override { return facts_; }
  Applicability supports(const Segment& segment) const override;
  KernelUse kernel_for(const OpDesc& op) const override;
  void attach(Arena& arena) override;
  std::unique_ptr<PreparedSegment> prepare(const Segment& segment) override;
  std::unique_ptr<Ticket> submit(PreparedSegment& prepared, const Bindings& bindings) override;
  std::uint64_t weight_bytes() const override { return weight_bytes_; }

  // Whether the attached arena is the host's memory (no copies) or staged.
  ArenaSharing sharing() const { return arena_->sharing(); }
  bool has_doorbell() const { return doorbell_ != nullptr; }

 private:
  struct Step;
  struct Prepared;
  class EventTicket;
  cl_mem constants_for(const Op& op, const ClPacking& packing);
  void make_step(const Op& op, Step& step);
  void warm_up(Step& step);
  void verify_placement(cl_program probes);
  void calibrate_clock(cl_program probes);
  Nanos on_timeline(cl_ulong device_ns) const { return Nanos(static_cast<std::int64_t>(device_ns) - clock_offset_); }

  DeviceFacts facts_;
  HardwareFacts hardware_;
  KernelRequest request_;
  TunedKernels tuned_;
  Timeline& timeline_;
  bool host_memory_;  // the device reads the host's memory directly
  ArenaSharing wanted_sharing_;

  ClSubDevice part_;
  cl_device_id device_;
  ClContext context_;
  ClQueue queue_;
  std::unique_ptr<ClPrograms> programs_;
  cl_program probes_ = nullptr;
  std::int64_t clock_offset_ = 0;         // device clock minus timeline
  std::unique_ptr<ClDoorbell> doorbell_;  // null: the driver is woken each time

  Arena* host_arena_ = nullptr;
  std::unique_ptr<ClArena> arena_;
  BufferPool constants_memory_;  // where the device reads the host's memory; else empty
  std::map<std::string, ClBuffer> constants_;
  std::uint64_t weight_bytes_ = 0;
};

}  // namespace hetero
