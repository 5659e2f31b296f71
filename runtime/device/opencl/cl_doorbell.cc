#include "runtime/device/opencl/cl_doorbell.h"

#include <algorithm>
#include <atomic>
#include <chrono>

namespace hetero {
namespace {

using Clock = std::chrono::steady_clock;

// Longer than the gaps between the segments of a decode step, shorter than anybody minds a busy core.
constexpr std::chrono::microseconds kWatch{2000};
constexpr std::uint32_t kProbeRounds = 4'000'000;  // some milliseconds

// The words of hetero_doorbell, a cache line each.
enum Word : std::size_t { kArrived, kRung, kHeard, kWords };
constexpr std::size_t kLineWords = 16;

}  // namespace

std::unique_ptr<ClDoorbell> ClDoorbell::make(cl_context context, cl_command_queue queue, cl_program program,
                                             int workers) {
  std::unique_ptr<ClDoorbell> made(new ClDoorbell(context, queue, program, workers));
  if (!made->answers()) return nullptr;
  made->calibrate();
  return made;
}

ClDoorbell::ClDoorbell(cl_context context, cl_command_queue queue, cl_program program, int workers)
    : queue_(queue),
      workers_(static_cast<std::size_t>(std::max(workers, 1))),
      memory_(kWords * kLineWords * sizeof(std::uint32_t)),
      words_(reinterpret_cast<std::uint32_t*>(memory_.data())),
      rounds_(kProbeRounds) {
  cl_int status = CL_SUCCESS;
  buffer_ = ClBuffer(
      clCreateBuffer(context, CL_MEM_READ_WRITE | CL_MEM_USE_HOST_PTR, memory_.size(), memory_.data(), &status));
  cl_check(status, "share a page with the device");
  kernel_ = ClKernelObject(clCreateKernel(program, "hetero_doorbell", &status));
  cl_check(status, "create a kernel");
  cl_mem memory = buffer_.get();
  cl_check(clSetKernelArg(kernel_.get(), 0, sizeof memory, &memory), "set an argument");
}

ClDoorbell::~ClDoorbell() {
  ring();
  clFinish(queue_);  // the watching kernel reads memory that goes away now
}

std::uint32_t& ClDoorbell::word(std::size_t line) const { return words_[line * kLineWords]; }

void ClDoorbell::launch(std::uint32_t number, std::uint32_t rounds) {
  const std::size_t one = 1;
  cl_check(clSetKernelArg(kernel_.get(), 1, sizeof number, &number), "set an argument");
  cl_check(clSetKernelArg(kernel_.get(), 2, sizeof rounds, &rounds), "set an argument");
  cl_check(clEnqueueNDRangeKernel(queue_, kernel_.get(), 1, nullptr, &workers_, &one, 0, nullptr, nullptr),
           "start a kernel");
}

std::uint32_t ClDoorbell::enqueue() {
  launch(next_, rounds_);
  return next_++;
}

void ClDoorbell::ring_before(std::uint32_t latest) {
  std::atomic_ref(word(kRung)).store(latest - 1, std::memory_order_release);
}

bool ClDoorbell::done(std::uint32_t number) const {
  // The difference, so that numbers may wrap around.
  return static_cast<std::int32_t>(std::atomic_ref(word(kArrived)).load(std::memory_order_acquire) - number) >= 0;
}

// Rings while the kernel watches, and asks whether it heard. Several times: a thread that the system takes off its core
// meanwhile rings too late.
bool ClDoorbell::answers() {
  launch(next_++, 1);  // whatever is compiled at the first launch
  cl_check(clFinish(queue_), "run a kernel");
  for (int attempt = 0; attempt < 8; ++attempt) {
    const std::uint32_t number = enqueue();
    cl_check(clFlush(queue_), "start the queue");
    const auto give_up = Clock::now() + std::chrono::milliseconds(20);
    while (!done(number) && Clock::now() < give_up) {
    }
    ring();
    cl_check(clFinish(queue_), "run a kernel");
    if (std::atomic_ref(word(kHeard)).load() == number) return true;
  }
  return false;
}

void ClDoorbell::calibrate() {
  const auto start = Clock::now();
  enqueue();
  cl_check(clFinish(queue_), "run a kernel");
  const std::chrono::duration<double> took = Clock::now() - start;
  rounds_ = static_cast<std::uint32_t>(std::clamp(kProbeRounds * (kWatch / took), 1.0, 1e9));
}

}  // namespace hetero
