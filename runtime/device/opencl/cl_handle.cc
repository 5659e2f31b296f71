#include "runtime/device/opencl/cl_handle.h"

#include <chrono>
#include <thread>

#include "base/error.h"

namespace hetero {

cl_int release_settled(cl_command_queue queue) {
  // A driver that keeps references of its own ends the wait by time.
  constexpr std::chrono::microseconds kPause{50};
  constexpr int kMostPauses = 400;
  cl_event last = nullptr;
  if (clEnqueueMarkerWithWaitList(queue, 0, nullptr, &last) == CL_SUCCESS) {
    clFinish(queue);
    cl_uint references = 2;
    for (int pause = 0; references > 1 && pause < kMostPauses; ++pause) {
      if (clGetEventInfo(last, CL_EVENT_REFERENCE_COUNT, sizeof references, &references, nullptr) != CL_SUCCESS) break;
      if (references > 1) std::this_thread::sleep_for(kPause);
    }
    clReleaseEvent(last);
  }
  return clReleaseCommandQueue(queue);
}

std::string cl_status_name(cl_int status) {
  switch (status) {
    case CL_DEVICE_NOT_FOUND:
      return "CL_DEVICE_NOT_FOUND";
    case CL_DEVICE_NOT_AVAILABLE:
      return "CL_DEVICE_NOT_AVAILABLE";
    case CL_COMPILER_NOT_AVAILABLE:
      return "CL_COMPILER_NOT_AVAILABLE";
    case CL_MEM_OBJECT_ALLOCATION_FAILURE:
      return "CL_MEM_OBJECT_ALLOCATION_FAILURE";
    case CL_OUT_OF_RESOURCES:
      return "CL_OUT_OF_RESOURCES";
    case CL_OUT_OF_HOST_MEMORY:
      return "CL_OUT_OF_HOST_MEMORY";
    case CL_PROFILING_INFO_NOT_AVAILABLE:
      return "CL_PROFILING_INFO_NOT_AVAILABLE";
    case CL_BUILD_PROGRAM_FAILURE:
      return "CL_BUILD_PROGRAM_FAILURE";
    case CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST:
      return "CL_EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST";
    case CL_DEVICE_PARTITION_FAILED:
      return "CL_DEVICE_PARTITION_FAILED";
    case CL_INVALID_VALUE:
      return "CL_INVALID_VALUE";
    case CL_INVALID_DEVICE:
      return "CL_INVALID_DEVICE";
    case CL_INVALID_BINARY:
      return "CL_INVALID_BINARY";
    case CL_INVALID_BUILD_OPTIONS:
      return "CL_INVALID_BUILD_OPTIONS";
    case CL_INVALID_KERNEL_ARGS:
      return "CL_INVALID_KERNEL_ARGS";
    case CL_INVALID_ARG_SIZE:
      return "CL_INVALID_ARG_SIZE";
    case CL_INVALID_WORK_GROUP_SIZE:
      return "CL_INVALID_WORK_GROUP_SIZE";
    case CL_INVALID_BUFFER_SIZE:
      return "CL_INVALID_BUFFER_SIZE";
    case CL_INVALID_DEVICE_PARTITION_COUNT:
      return "CL_INVALID_DEVICE_PARTITION_COUNT";
    case -1001:
      return "CL_PLATFORM_NOT_FOUND_KHR";
    default:
      return "status " + std::to_string(status);
  }
}

void cl_check(cl_int status, std::string_view doing) {
  if (status == CL_SUCCESS) return;
  throw environment_error("OpenCL cannot " + std::string(doing) + ": " + cl_status_name(status));
}

std::string cl_device_text(cl_device_id device, cl_device_info what) {
  std::size_t bytes = 0;
  cl_check(clGetDeviceInfo(device, what, 0, nullptr, &bytes), "query the device");
  std::string text(bytes, '\0');
  cl_check(clGetDeviceInfo(device, what, bytes, text.data(), nullptr), "query the device");
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

}  // namespace hetero
