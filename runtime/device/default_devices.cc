#include "runtime/device/default_devices.h"

#include <algorithm>

namespace hetero {
namespace {

bool has_provider(const DeviceDescription& d, const std::string& name) { return d.id.rfind(name + ":", 0) == 0; }

std::string provider_of(const DeviceDescription& d) { return d.id.substr(0, d.id.find(':')); }

// A GPU that two providers list is taken for one, and the first provider's counts.
bool seen_by_another(const DeviceDescription& d, const std::vector<const DeviceDescription*>& accelerators) {
  return d.kind == DeviceKind::kGpu &&
         std::any_of(accelerators.begin(), accelerators.end(), [&](const DeviceDescription* other) {
           return other->kind == DeviceKind::kGpu && provider_of(*other) != provider_of(d);
         });
}

}  // namespace

std::vector<DeviceSpec> default_devices(const std::vector<DeviceDescription>& present) {
  const DeviceDescription* cpu = nullptr;
  const DeviceDescription* on_cores = nullptr;  // the first that computes on the processor's cores
  std::vector<const DeviceDescription*> accelerators;
  for (const DeviceDescription& d : present) {
    if (!d.usable || has_provider(d, "sim")) continue;
    if (has_provider(d, "cpu")) {
      cpu = &d;
    } else if (d.cores.empty()) {
      if (!seen_by_another(d, accelerators)) accelerators.push_back(&d);
    } else if (on_cores == nullptr) {
      on_cores = &d;
    }
  }
  std::vector<DeviceSpec> specs;
  if (!accelerators.empty() || on_cores == nullptr || cpu == nullptr || cpu->cores.size() < 2) {
    if (cpu != nullptr) specs.push_back(parse_device_spec(cpu->id));
    for (const DeviceDescription* d : accelerators) specs.push_back(parse_device_spec(d->id));
    return specs;
  }
  const auto half = cpu->cores.begin() + static_cast<std::ptrdiff_t>((cpu->cores.size() + 1) / 2);
  specs.push_back(parse_device_spec("cpu:" + core_list_text({cpu->cores.begin(), half})));
  specs.push_back(parse_device_spec(on_cores->id + "@" + core_list_text({half, cpu->cores.end()})));
  return specs;
}

}  // namespace hetero
