#include "runtime/device/cpu/cpu_provider.h"

#include <hwloc.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "base/error.h"
#include "base/fingerprint.h"
#include "kernels/cpu/cpu_facts.h"
#include "runtime/device/cpu/cpu_device.h"

namespace hetero {
namespace {

struct TopologyDeleter {
  void operator()(hwloc_topology* topology) const { hwloc_topology_destroy(topology); }
};
using Topology = std::unique_ptr<hwloc_topology, TopologyDeleter>;

Topology load_topology() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  Topology topology(raw);
  if (hwloc_topology_load(raw) != 0) return nullptr;
  return topology;
}

std::string cpu_name(hwloc_topology_t topology) {
  const hwloc_obj_t package = topology != nullptr ? hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0) : nullptr;
  const char* model = package != nullptr ? hwloc_obj_get_info_by_name(package, "CPUModel") : nullptr;
  return model != nullptr ? model : "CPU";
}

std::uint64_t physical_memory_bytes() {
  return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

// "0-2.4": ranges joined by dots, since commas separate devices.
std::string instruction_sets(const HardwareFacts& facts) {
  std::string text;
  const auto add = [&](bool has, const char* name) {
    if (has) text += (text.empty() ? "" : " ") + std::string(name);
  };
  add(facts.avx2, "avx2");
  add(facts.avx512, "avx512");
  add(facts.avx512_vnni, "avx512_vnni");
  add(facts.avx512_bf16, "avx512_bf16");
  add(facts.neon, "neon");
  add(facts.neon_dotprod, "dotprod");
  add(facts.neon_i8mm, "i8mm");
  return text.empty() ? "baseline" : text;
}

// Everything that decides which code runs here and what it computes.
std::string kernel_identity(KernelFamily family, const HardwareFacts& facts, const KernelRequest& request) {
  std::string text = instruction_sets(facts) + "|" + std::string(name_of(request.worst)) + "|" + request.forced_id;
  for (const KernelVariant& row : catalogue()) {
    if (row.family == family) text += "|" + row.id + "#" + std::to_string(row.revision);
  }
  return text;
}

ToleranceClass tolerance_from(const std::string& text) {
  for (const ToleranceClass t : {ToleranceClass::kF32, ToleranceClass::kF16, ToleranceClass::kQ8}) {
    if (text == name_of(t)) return t;
  }
  throw usage_error("'" + text + "' is not a precision", "use f32, f16 or q8");
}

class CpuProvider final : public DeviceProvider {
 public:
  std::string_view name() const override { return "cpu"; }

  std::vector<DeviceDescription> discover() const override {
    const Topology topology = load_topology();
    DeviceDescription d;
    d.cores = all_cores();
    d.id = "cpu:" + core_list_text(d.cores);
    d.kind = DeviceKind::kCpu;
    d.name = cpu_name(topology.get());
    d.driver = instruction_sets(detect_cpu_facts());
    d.memory_bytes = physical_memory_bytes();
    if (topology != nullptr) {
      const auto count = [&](hwloc_obj_type_t type) {
        return std::to_string(std::max(0, hwloc_get_nbobjs_by_type(topology.get(), type)));
      };
      d.caps["cores"] = count(HWLOC_OBJ_CORE);
      d.caps["threads"] = count(HWLOC_OBJ_PU);
    }
    return {d};
  }

  std::string id_of(const DeviceSpec& spec) const override { return "cpu:" + core_list_text(cores_of(spec)); }

  std::unique_ptr<Device> open(const DeviceSpec& spec, const DeviceContext& context) const override {
    DeviceFacts facts;
    facts.cores = cores_of(spec);
    const std::vector<int> present = all_cores();
    for (const int core : facts.cores) {
      if (!std::binary_search(present.begin(), present.end(), core)) {
        throw environment_error("core " + std::to_string(core) + " of device '" + spec.text + "' is not here",
                                "this process may use cores " + core_list_text(present));
      }
    }
    KernelFamily family = KernelFamily::kCpu;
    DeviceContext chosen = context;
    for (const auto& [option, value] : spec.options) {
      if (option == "kernels" && (value == "reference" || value == "cpu")) {
        family = value == "reference" ? KernelFamily::kReference : KernelFamily::kCpu;
      } else if (option == "precision") {
        chosen.kernels.worst = tolerance_from(value);
      } else {
        throw usage_error("device '" + spec.text + "' has no option " + option + "=" + value,
                          "cpu knows kernels=cpu|reference and precision=f32|q8");
      }
    }
    HardwareFacts hardware = detect_cpu_facts();
    hardware.workers = static_cast<int>(facts.cores.size());
    facts.id = id_of(spec);
    facts.kind = DeviceKind::kCpu;
    facts.name = cpu_name(load_topology().get());
    facts.driver = instruction_sets(hardware);
    facts.family_fingerprint = fingerprint_text(facts.name + "|" + facts.driver);
    const std::string tuned = identity_of(chosen.tuned, facts.family_fingerprint);
    facts.exact_fingerprint =
        fingerprint_text(facts.name + "|" + core_list_text(facts.cores) + "|" +
                         kernel_identity(family, hardware, chosen.kernels) + (tuned.empty() ? "" : "|" + tuned));
    facts.memory_bytes = physical_memory_bytes();
    facts.submit_mode = SubmitMode::kOnCallersThread;
    facts.feature_align = 32;
    facts.waiters = {Waiter::kPoll};
    return std::make_unique<CpuDevice>(std::move(facts), hardware, family, chosen);
  }

 private:
  static std::vector<int> cores_of(const DeviceSpec& spec) {
    if (!spec.name.empty() && !spec.cores.empty()) {
      throw usage_error("device '" + spec.text + "' names its cores twice", "write cpu:0-1 or cpu@0-1");
    }
    return !spec.name.empty() ? parse_core_list(spec.name) : !spec.cores.empty() ? spec.cores : all_cores();
  }
};

}  // namespace

std::vector<int> all_cores() {
  // Read once, before any device is open: an open cpu device pins the thread that is asked here. What the process may
  // use does not change with its devices.
  static const std::vector<int> cores = [] {
    std::vector<int> found;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(getpid(), sizeof set, &set) == 0) {
      for (int core = 0; core < CPU_SETSIZE; ++core) {
        if (CPU_ISSET(core, &set)) found.push_back(core);
      }
    }
    return found;
  }();
  return cores;
}

const DeviceProvider& cpu_provider() {
  static const CpuProvider provider;
  return provider;
}

}  // namespace hetero
