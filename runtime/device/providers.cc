// The list of device providers, and the opening of several devices at once.
#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/device.h"
#include "runtime/device/opencl/opencl_provider.h"
#include "runtime/device/openvino/openvino_provider.h"
#include "runtime/device/sim/sim_provider.h"

namespace hetero {
namespace {

const DeviceProvider& provider_named(const DeviceSpec& spec) {
  std::string known;
  for (const DeviceProvider* provider : device_providers()) {
    if (provider->name() == spec.provider) return *provider;
    known += (known.empty() ? "" : ", ") + std::string(provider->name());
  }
  throw environment_error("there is no device '" + spec.text + "' (known kinds: " + known + ")",
                          "'hetero-tune devices' lists what is here");
}

void claim_cores(const Device& device, std::map<int, std::string>& owners) {
  for (const int core : device.facts().cores) {
    const auto [it, fresh] = owners.emplace(core, device.facts().id);
    if (!fresh) {
      throw usage_error(
          "devices " + it->second + " and " + device.facts().id + " would share core " + std::to_string(core),
          "give them disjoint cores, for example cpu:0 and opencl:0@1");
    }
  }
}

// A bare "cpu" takes the cores that the others leave.
bool is_bare_cpu(const DeviceSpec& spec) { return spec.provider == "cpu" && spec.name.empty() && spec.cores.empty(); }

}  // namespace

const std::vector<const DeviceProvider*>& device_providers() {
  static const std::vector<const DeviceProvider*> providers = {&cpu_provider(), &opencl_provider(),
                                                               &openvino_provider(), &sim_provider()};
  return providers;
}

std::vector<DeviceDescription> discover_devices() {
  std::vector<DeviceDescription> all;
  for (const DeviceProvider* provider : device_providers()) {
    for (DeviceDescription& description : provider->discover()) all.push_back(std::move(description));
  }
  return all;
}

std::vector<std::string> ids_of(const std::vector<DeviceSpec>& specs) {
  std::set<int> taken;
  for (const DeviceSpec& spec : specs) {
    taken.insert(spec.cores.begin(), spec.cores.end());
    if (const auto host = spec.options.find("host"); host != spec.options.end()) {
      for (const int core : parse_core_list(host->second)) taken.insert(core);
    }
  }
  std::vector<std::string> ids;
  for (DeviceSpec spec : specs) {
    if (is_bare_cpu(spec)) {
      for (const int core : all_cores()) {
        if (!taken.contains(core)) spec.cores.push_back(core);
      }
    }
    ids.push_back(provider_named(spec).id_of(spec));
  }
  return ids;
}

std::vector<std::unique_ptr<Device>> open_devices(const std::vector<DeviceSpec>& specs, const DeviceContext& context) {
  std::vector<std::unique_ptr<Device>> devices(specs.size());
  std::map<int, std::string> owners;
  std::set<std::string> ids;
  const Device* on_callers_thread = nullptr;
  // The bare cpu last: it takes what is left.
  for (const bool bare_cpu : {false, true}) {
    for (std::size_t i = 0; i < specs.size(); ++i) {
      DeviceSpec spec = specs[i];
      if (is_bare_cpu(spec) != bare_cpu) continue;
      if (bare_cpu) {
        for (const int core : all_cores()) {
          if (!owners.contains(core)) spec.cores.push_back(core);
        }
        if (spec.cores.empty()) {
          throw usage_error("no core is left for '" + spec.text + "'", "give the devices disjoint cores");
        }
      }
      devices[i] = provider_named(spec).open(spec, context);
      if (!ids.insert(devices[i]->facts().id).second) {
        throw usage_error("device '" + devices[i]->facts().id + "' is named twice", "name each device once");
      }
      claim_cores(*devices[i], owners);
      if (devices[i]->facts().submit_mode != SubmitMode::kOnCallersThread) continue;
      if (on_callers_thread != nullptr) {
        throw usage_error("devices " + on_callers_thread->facts().id + " and " + devices[i]->facts().id +
                              " would take turns on one thread",
                          "name their cores together, for example cpu:0-1");
      }
      on_callers_thread = devices[i].get();
    }
  }
  return devices;
}

}  // namespace hetero
