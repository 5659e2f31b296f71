// OpenCL handles that release themselves, and status codes as Errors. Move-only; no thread rule beyond OpenCL's own.
#pragma once

#ifndef CL_TARGET_OPENCL_VERSION
#define CL_TARGET_OPENCL_VERSION 120
#endif
#include <CL/cl.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace hetero {

template <typename T, cl_int (*Release)(T)>
class ClHandle {
 public:
  ClHandle() = default;
  explicit ClHandle(T raw) : raw_(raw) {}
  ~ClHandle() {
    if (raw_ != nullptr) Release(raw_);
  }
  ClHandle(ClHandle&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
  ClHandle& operator=(ClHandle&& other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ClHandle(const ClHandle&) = delete;
  ClHandle& operator=(const ClHandle&) = delete;
  T get() const { return raw_; }
  T* out() { return &raw_; }  // for calls that fill an empty handle in

 private:
  T raw_ = nullptr;
};

// Waits for the queue and until the driver has let go of its last command, then releases it. PoCL's workers release a
// command's event after clFinish() has told that it is done: a context that went away meanwhile would be used again.
cl_int release_settled(cl_command_queue queue);

using ClSubDevice = ClHandle<cl_device_id, clReleaseDevice>;  // releasing a root device has no effect
using ClContext = ClHandle<cl_context, clReleaseContext>;
using ClQueue = ClHandle<cl_command_queue, release_settled>;
using ClBuffer = ClHandle<cl_mem, clReleaseMemObject>;
using ClProgram = ClHandle<cl_program, clReleaseProgram>;
using ClKernelObject = ClHandle<cl_kernel, clReleaseKernel>;
using ClEvent = ClHandle<cl_event, clReleaseEvent>;

// "CL_OUT_OF_RESOURCES", or the number of a code without a name here.
std::string cl_status_name(cl_int status);

// Throws environment_error "OpenCL cannot <doing>: CL_..." unless the status is CL_SUCCESS.
void cl_check(cl_int status, std::string_view doing);

// Device queries. Throw environment_error.
std::string cl_device_text(cl_device_id device, cl_device_info what);
template <typename T>
T cl_device_value(cl_device_id device, cl_device_info what) {
  T value{};
  cl_check(clGetDeviceInfo(device, what, sizeof value, &value, nullptr), "query the device");
  return value;
}

}  // namespace hetero
