#include "runtime/device/opencl/cl_devices.h"

#include <CL/cl_ext.h>

#include <numeric>

#include "base/error.h"
#include "kernels/cpu/cpu_facts.h"
#include "runtime/device/placement.h"

namespace hetero {
namespace {

std::string platform_text(cl_platform_id platform, cl_platform_info what) {
  std::size_t bytes = 0;
  cl_check(clGetPlatformInfo(platform, what, 0, nullptr, &bytes), "query the platform");
  std::string text(bytes, '\0');
  cl_check(clGetPlatformInfo(platform, what, bytes, text.data(), nullptr), "query the platform");
  while (!text.empty() && text.back() == '\0') text.pop_back();
  return text;
}

void add_devices(cl_platform_id platform, std::vector<ClRootDevice>& all) {
  cl_uint count = 0;
  const cl_int status = clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, 0, nullptr, &count);
  if (status == CL_DEVICE_NOT_FOUND) return;
  cl_check(status, "list the devices");
  std::vector<cl_device_id> ids(count);
  cl_check(clGetDeviceIDs(platform, CL_DEVICE_TYPE_ALL, count, ids.data(), nullptr), "list the devices");
  const std::string platform_name = platform_text(platform, CL_PLATFORM_NAME);
  for (cl_device_id id : ids) {
    ClRootDevice d;
    d.device = id;
    d.type = cl_device_value<cl_device_type>(id, CL_DEVICE_TYPE);
    d.name = cl_device_text(id, CL_DEVICE_NAME);
    d.driver = platform_name + " " + cl_device_text(id, CL_DRIVER_VERSION);
    d.compute_units = static_cast<int>(cl_device_value<cl_uint>(id, CL_DEVICE_MAX_COMPUTE_UNITS));
    d.memory_bytes = cl_device_value<cl_ulong>(id, CL_DEVICE_GLOBAL_MEM_SIZE);
    all.push_back(std::move(d));
  }
}

}  // namespace

std::vector<int> ClRootDevice::cores() const {
  std::vector<int> cores;
  if (is_cpu()) {
    cores.resize(static_cast<std::size_t>(compute_units));
    std::iota(cores.begin(), cores.end(), 0);
  }
  return cores;
}

std::vector<ClRootDevice> list_cl_devices(std::vector<std::string>& complaints) {
  const DriverThreadsOnTheirCores guard;
  std::vector<ClRootDevice> all;
  cl_uint count = 0;
  if (clGetPlatformIDs(0, nullptr, &count) != CL_SUCCESS || count == 0) return all;
  std::vector<cl_platform_id> platforms(count);
  if (clGetPlatformIDs(count, platforms.data(), nullptr) != CL_SUCCESS) return all;
  for (cl_platform_id platform : platforms) {
    try {
      add_devices(platform, all);
    } catch (const Error& error) {
      complaints.emplace_back(error.what());
    }
  }
  return all;
}

ClSubDevice restrict_to_cores(const ClRootDevice& root, const std::vector<int>& cores, const std::string& spec) {
  if (!root.is_cpu()) throw usage_error("device '" + spec + "' is no CPU and has no cores to choose", "leave '@' out");
  for (std::size_t i = 1; i < cores.size(); ++i) {
    if (cores[i] != cores[i - 1] + 1) {
      throw usage_error("an OpenCL device cannot be restricted to scattered cores, as in '" + spec + "'",
                        "name cores that follow each other, for example @2-3");
    }
  }
  if (cores.back() >= root.compute_units) {
    throw environment_error("device '" + spec + "' has no core " + std::to_string(cores.back()),
                            "it has cores 0 to " + std::to_string(root.compute_units - 1));
  }
  if (static_cast<int>(cores.size()) == root.compute_units) return ClSubDevice();
  // Units are handed out in order: what lies before the wanted ones is a part of its own, given back at once.
  std::vector<cl_device_partition_property> counts = {CL_DEVICE_PARTITION_BY_COUNTS};
  if (cores.front() > 0) counts.push_back(cores.front());
  counts.push_back(static_cast<cl_device_partition_property>(cores.size()));
  const cl_uint parts = static_cast<cl_uint>(counts.size() - 1);
  counts.push_back(CL_DEVICE_PARTITION_BY_COUNTS_LIST_END);
  counts.push_back(0);
  std::vector<ClSubDevice> made(parts);
  std::vector<cl_device_id> ids(parts);
  cl_check(clCreateSubDevices(root.device, counts.data(), parts, ids.data(), nullptr),
           "restrict device '" + spec + "' to its cores");
  for (cl_uint i = 0; i < parts; ++i) made[i] = ClSubDevice(ids[i]);
  return std::move(made.back());
}

HardwareFacts cl_hardware_facts(cl_device_id device) {
  const std::string extensions = cl_device_text(device, CL_DEVICE_EXTENSIONS) + " ";
  const auto has = [&](const char* name) { return extensions.find(std::string(name) + " ") != std::string::npos; };
  HardwareFacts facts;
  facts.workers = static_cast<int>(cl_device_value<cl_uint>(device, CL_DEVICE_MAX_COMPUTE_UNITS));
  facts.cl_is_cpu = (cl_device_value<cl_device_type>(device, CL_DEVICE_TYPE) & CL_DEVICE_TYPE_CPU) != 0;
  // PoCL compiles for this processor, and its compiler takes functions with a target of their own.
  if (facts.cl_is_cpu && cl_device_text(device, CL_DEVICE_VERSION).find("PoCL") != std::string::npos) {
    facts.avx512_vnni = detect_cpu_facts().avx512_vnni;
  }
  facts.cl_fp16 = has("cl_khr_fp16");
  facts.cl_subgroups = has("cl_khr_subgroups") || has("cl_intel_subgroups");
  facts.cl_c3 = cl_device_text(device, CL_DEVICE_VERSION).starts_with("OpenCL 3.");
  if (facts.cl_c3 && has("cl_khr_integer_dot_product")) {
    cl_device_integer_dot_product_acceleration_properties_khr by_hardware = {};
    facts.cl_integer_dot =
        clGetDeviceInfo(device, CL_DEVICE_INTEGER_DOT_PRODUCT_ACCELERATION_PROPERTIES_4x8BIT_PACKED_KHR,
                        sizeof by_hardware, &by_hardware, nullptr) == CL_SUCCESS &&
        by_hardware.mixed_signedness_accelerated == CL_TRUE;
  }
  facts.cl_local_bytes = static_cast<std::int64_t>(cl_device_value<cl_ulong>(device, CL_DEVICE_LOCAL_MEM_SIZE));
  facts.cl_max_work_group =
      static_cast<std::int64_t>(cl_device_value<std::size_t>(device, CL_DEVICE_MAX_WORK_GROUP_SIZE));
  return facts;
}

}  // namespace hetero
