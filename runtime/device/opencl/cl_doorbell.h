// Handing work to a device whose driver threads run on the host's cores, without the driver's wake-up.
//
// Such a driver's worker sleeps when its queue is empty, and waking it costs the host tens of microseconds (PoCL 3.1:
// 45 to 60). So behind every submission stands a small kernel that says "all before me is done" in a word of shared
// memory and then watches another word, the bell, for a while: the worker stays awake on its core, the next submission
// is queued behind the watching kernel, and ringing the bell lets it through. The watch ends by itself, so that an idle
// device is idle and nothing hangs when nobody rings.
#pragma once

#include <cstdint>
#include <memory>

#include "base/aligned_buffer.h"
#include "runtime/device/opencl/cl_handle.h"

namespace hetero {

class ClDoorbell {
 public:
  // Null where a running kernel does not see the host's writes or the host not the kernel's. `queue` is in order and
  // outlives the doorbell; `workers` work-groups watch, so that every worker stays awake. Throws environment_error.
  static std::unique_ptr<ClDoorbell> make(cl_context context, cl_command_queue queue, cl_program program, int workers);
  ~ClDoorbell();

  // Enqueues the watching kernel behind what is in the queue. The number under which done() tells of it.
  std::uint32_t enqueue();
  // Lets the kernels behind every earlier watch through, but not those behind `latest`.
  void ring_before(std::uint32_t latest);
  // Ends every watch.
  void ring() { ring_before(next_); }
  // Whether all that was enqueued before watch `number` is done. Never blocks; acquires what the kernels wrote.
  bool done(std::uint32_t number) const;

 private:
  ClDoorbell(cl_context context, cl_command_queue queue, cl_program program, int workers);
  void launch(std::uint32_t number, std::uint32_t rounds);
  bool answers();
  void calibrate();

  std::uint32_t& word(std::size_t line) const;

  cl_command_queue queue_;
  std::size_t workers_;
  AlignedBuffer memory_;
  std::uint32_t* words_;  // memory_
  ClBuffer buffer_;
  ClKernelObject kernel_;
  std::uint32_t rounds_;  // how long one watch lasts
  std::uint32_t next_ = 1;
};

}  // namespace hetero
