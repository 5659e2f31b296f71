// The processor's cores as a device: runs a segment on a pinned thread team, on the caller's thread first of all.
// Used by the thread that opened it, which stays pinned to the device's first core.
#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "base/aligned_buffer.h"
#include "runtime/device/cpu/thread_team.h"
#include "runtime/device/device.h"

namespace hetero {

class CpuDevice final : public Device {
 public:
  // `family` is kCpu, or kReference for the slow, obvious path that answers are checked against.
  CpuDevice(DeviceFacts facts, const HardwareFacts& hardware, KernelFamily family, const DeviceContext& context);
  ~CpuDevice() override;

  const DeviceFacts& facts() const override { return facts_; }
  Applicability supports(const Segment& segment) const override;
  KernelUse kernel_for(const OpDesc& op) const override;
  void attach(Arena& arena) override { arena_ = &arena; }
  std::unique_ptr<PreparedSegment> prepare(const Segment& segment) override;
  std::unique_ptr<Ticket> submit(PreparedSegment& prepared, const Bindings& bindings) override;
  std::uint64_t weight_bytes() const override { return weight_bytes_; }

 private:
  struct Prepared;
  using WeightKey = std::tuple<const std::byte*, std::int64_t, std::int64_t, std::int64_t, std::int64_t, const void*>;
  struct PackedWeight {
    WeightSlice slice;                  // what the reference reads
    const std::byte* packed = nullptr;  // what the other kernels read
  };
  const std::byte* packed_weight(const WeightSlice& slice, const HostKernel& kernel);

  DeviceFacts facts_;
  HardwareFacts hardware_;
  KernelFamily family_;
  KernelRequest request_;
  TunedKernels tuned_;
  Timeline& timeline_;
  ThreadTeam team_;
  Arena* arena_ = nullptr;
  AlignedBuffer workspace_;
  BufferPool weight_memory_;
  std::map<WeightKey, std::unique_ptr<PackedWeight>> weights_;
  std::uint64_t weight_bytes_ = 0;
};

}  // namespace hetero
