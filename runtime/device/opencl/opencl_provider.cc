#include "runtime/device/opencl/opencl_provider.h"

#include <charconv>
#include <numeric>

#include "base/embedded_file.h"
#include "base/error.h"
#include "base/fingerprint.h"
#include "kernels/opencl/cl_kernel.h"
#include "runtime/device/opencl/cl_devices.h"
#include "runtime/device/opencl/opencl_device.h"

namespace hetero {

std::span<const EmbeddedFile> opencl_probe_sources();

namespace {

constexpr const char* kInstall = "install pocl-opencl-icd or your GPU vendor's OpenCL driver";

DeviceKind kind_of(const ClRootDevice& root) {
  if (root.is_cpu()) return DeviceKind::kCpu;
  return (root.type & CL_DEVICE_TYPE_GPU) != 0 ? DeviceKind::kGpu : DeviceKind::kNpu;
}

ToleranceClass tolerance_from(const std::string& text) {
  for (const ToleranceClass t : {ToleranceClass::kF32, ToleranceClass::kF16, ToleranceClass::kQ8}) {
    if (text == name_of(t)) return t;
  }
  throw usage_error("'" + text + "' is not a precision", "use f32, f16 or q8");
}

// Everything that decides which code runs, what it computes and how it is started.
std::string kernel_identity(const KernelRequest& request) {
  std::string text = opencl_sources_fingerprint() + "|" +
                     fingerprint_text(std::string(opencl_probe_sources().front().text)) + "|" +
                     std::string(name_of(request.worst)) + "|" + request.forced_id;
  for (const KernelVariant& row : catalogue()) {
    if (row.family == KernelFamily::kOpenCl) text += "|" + row.id + "#" + std::to_string(row.revision);
  }
  return text;
}

std::size_t device_index(const DeviceSpec& spec) {
  if (spec.name.empty()) return 0;
  std::size_t index = 0;
  const char* end = spec.name.data() + spec.name.size();
  const auto [stop, status] = std::from_chars(spec.name.data(), end, index);
  if (status != std::errc() || stop != end) {
    throw usage_error("'" + spec.text + "' does not name an OpenCL device", "write opencl:0 or opencl:0@1");
  }
  return index;
}

std::size_t present_index(const DeviceSpec& spec, std::size_t count) {
  const std::size_t index = device_index(spec);
  if (index >= count) {
    throw environment_error("there is no OpenCL device '" + spec.text + "' (" + std::to_string(count) + " here)",
                            count == 0 ? kInstall : "'hetero-tune devices' lists them");
  }
  return index;
}

DeviceDescription describe(const ClRootDevice& root, std::size_t index) {
  DeviceDescription d;
  d.id = "opencl:" + std::to_string(index);
  d.kind = kind_of(root);
  d.name = root.name;
  d.driver = root.driver;
  d.cores = root.cores();
  d.memory_bytes = root.memory_bytes;
  try {
    const HardwareFacts facts = cl_hardware_facts(root.device);
    d.caps["compute_units"] = std::to_string(facts.workers);
    d.caps["fp16"] = facts.cl_fp16 ? "yes" : "no";
    d.caps["subgroups"] = facts.cl_subgroups ? "yes" : "no";
    d.caps["integer_dot"] = facts.cl_integer_dot ? "yes" : "no";
    d.caps["local_bytes"] = std::to_string(facts.cl_local_bytes);
    const bool unified =
        root.is_cpu() || cl_device_value<cl_bool>(root.device, CL_DEVICE_HOST_UNIFIED_MEMORY) == CL_TRUE;
    d.caps["shared_memory"] = unified ? "yes" : "no";
    if (cl_device_value<cl_bool>(root.device, CL_DEVICE_COMPILER_AVAILABLE) != CL_TRUE) {
      d.usable = false;
      d.why_not = "its driver has no compiler; install the full driver";
    }
  } catch (const Error& error) {
    d.usable = false;
    d.why_not = error.what();
  }
  return d;
}

class OpenClProvider final : public DeviceProvider {
 public:
  std::string_view name() const override { return "opencl"; }

  std::vector<DeviceDescription> discover() const override {
    std::vector<DeviceDescription> all;
    std::vector<std::string> complaints;
    const std::vector<ClRootDevice> roots = list_cl_devices(complaints);
    for (std::size_t i = 0; i < roots.size(); ++i) all.push_back(describe(roots[i], i));
    if (roots.empty() && complaints.empty()) complaints.push_back(std::string("no OpenCL device; ") + kInstall);
    for (const std::string& complaint : complaints) {
      DeviceDescription d;
      d.id = "opencl";
      d.kind = DeviceKind::kGpu;
      d.name = "OpenCL";
      d.usable = false;
      d.why_not = complaint;
      all.push_back(std::move(d));
    }
    return all;
  }

  std::string id_of(const DeviceSpec& spec) const override {
    return "opencl:" + std::to_string(device_index(spec)) +
           (spec.cores.empty() ? "" : "@" + core_list_text(spec.cores));
  }

  std::unique_ptr<Device> open(const DeviceSpec& spec, const DeviceContext& context) const override {
    DeviceContext chosen = context;
    OpenClOptions options;
    for (const auto& [option, value] : spec.options) {
      if (option == "staged" && (value == "0" || value == "1")) {
        options.sharing = value == "1" ? ArenaSharing::kStaged : ArenaSharing::kShared;
      } else if (option == "doorbell" && (value == "0" || value == "1")) {
        options.doorbell = value == "1";
      } else if (option == "precision") {
        chosen.kernels.worst = tolerance_from(value);
      } else {
        throw usage_error("device '" + spec.text + "' has no option " + option + "=" + value,
                          "opencl knows staged=0|1, doorbell=0|1 and precision=f32|f16|q8");
      }
    }
    std::vector<std::string> complaints;
    const std::vector<ClRootDevice> roots = list_cl_devices(complaints);
    if (roots.empty() && !complaints.empty()) throw environment_error(complaints.front(), kInstall);
    const std::size_t index = present_index(spec, roots.size());
    const ClRootDevice& root = roots[index];
    ClSubDevice part;
    if (!spec.cores.empty()) part = restrict_to_cores(root, spec.cores, spec.text);

    DeviceFacts facts;
    facts.cores = spec.cores.empty() ? root.cores() : spec.cores;
    facts.id = id_of(spec);
    facts.kind = kind_of(root);
    facts.name = root.name;
    facts.driver = root.driver;
    facts.family_fingerprint = fingerprint_text(root.name + "|" + root.driver);
    facts.exact_fingerprint = fingerprint_text(
        root.name + "|" + root.driver + "|" + std::to_string(root.compute_units) + "|" +
        (facts.cores.empty() ? "" : core_list_text(facts.cores)) + "|" +
        (options.sharing == ArenaSharing::kStaged ? "staged" : "shared") + (options.doorbell ? "" : "|no doorbell") +
        "|" + kernel_identity(chosen.kernels) + "|" + identity_of(chosen.tuned, facts.family_fingerprint));
    facts.memory_bytes = root.memory_bytes;
    facts.submit_mode = SubmitMode::kAsynchronous;
    // A host that polls on the device's own cores takes them from it.
    const bool takes_all_cores = root.is_cpu() && static_cast<int>(facts.cores.size()) == root.compute_units;
    facts.waiters = takes_all_cores ? std::vector{Waiter::kDriver, Waiter::kSleepPoll, Waiter::kPoll}
                                    : std::vector{Waiter::kPoll, Waiter::kSleepPoll, Waiter::kDriver};
    return std::make_unique<OpenClDevice>(std::move(facts), root, std::move(part), options, chosen);
  }
};

}  // namespace

const DeviceProvider& opencl_provider() {
  static const OpenClProvider provider;
  return provider;
}

}  // namespace hetero
