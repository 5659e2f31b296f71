#include "runtime/device/openvino/openvino_provider.h"

#include <algorithm>
#include <cctype>

#include "base/error.h"
#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/openvino/openvino_device.h"
#include "runtime/device/size_list.h"

namespace hetero {
namespace {

// What is measured and offered; a plan names those of them that pay (tuner/solve/graph_sizes.h). Powers of two and what
// lies between, so that a run of rows is few graphs.
const std::vector<std::int64_t> kSizes = {1, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024};

bool is_cpu(const std::string& name) { return name == "CPU"; }
bool is_gpu(const std::string& name) { return name.starts_with("GPU"); }

DeviceKind kind_of(const std::string& name) {
  return is_cpu(name) ? DeviceKind::kCpu : is_gpu(name) ? DeviceKind::kGpu : DeviceKind::kNpu;
}

// "cpu" and "CPU" are one device.
std::string name_of(const DeviceSpec& spec) {
  std::string name = spec.name;
  for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  if (name.empty()) {
    throw usage_error("'" + spec.text + "' does not name an OpenVINO device", "write openvino:NPU or openvino:CPU@1");
  }
  if (!spec.cores.empty() && !is_cpu(name)) {
    throw usage_error("device '" + spec.text + "' computes on no core of the processor", "leave '@cores' out");
  }
  return name;
}

// The least exact arithmetic that the caller bears and the device has. `wanted`: by option, or empty.
ToleranceClass precision_of(const DeviceSpec& spec, const std::string& name, const std::string& wanted,
                            ToleranceClass worst) {
  const std::vector<ToleranceClass> has = is_cpu(name)   ? std::vector{ToleranceClass::kQ8, ToleranceClass::kF32}
                                          : is_gpu(name) ? std::vector{ToleranceClass::kF16, ToleranceClass::kF32}
                                                         : std::vector{ToleranceClass::kF16};
  std::string known;
  for (const ToleranceClass t : has) {
    if (wanted.empty() ? t <= worst : wanted == hetero::name_of(t)) return t;
    known += (known.empty() ? "" : " or ") + std::string(hetero::name_of(t));
  }
  const std::string asked = wanted.empty() ? std::string(hetero::name_of(worst)) : wanted;
  throw usage_error("device '" + spec.text + "' does not compute in " + asked, "it has " + known);
}

OpenVinoOptions parse_options(const DeviceSpec& spec, const std::string& name, const DeviceContext& context,
                              std::vector<std::int64_t>& sizes) {
  OpenVinoOptions options;
  std::string precision;
  bool cache = !is_cpu(name);
  for (const auto& [option, value] : spec.options) {
    if (option == "precision") {
      precision = value;
    } else if (option == "sizes") {
      sizes = parse_size_list(value);
    } else if (option == "weights" && (value == "stored" || requantisation_from(value))) {
      options.requantise = requantisation_from(value);
    } else if (const auto order = order_option(value); option == "order" && order) {
      options.order = *order;
    } else if (option == "cache" && (value == "0" || value == "1")) {
      cache = value == "1";
    } else {
      throw usage_error("device '" + spec.text + "' has no option " + option + "=" + value,
                        "openvino knows precision=f32|f16|q8, sizes=1.32.64, weights=stored|i4g128|i4row|i8g32, "
                        "order=auto|activations|weights and cache=0|1");
    }
  }
  options.settings.device = name;
  options.settings.precision = precision_of(spec, name, precision, context.kernels.worst);
  if (cache) options.settings.cache_dir = context.cache_dir;
  return options;
}

DeviceDescription describe(ov::Core& core, const std::string& name) {
  DeviceDescription d;
  d.id = "openvino:" + name;
  d.kind = kind_of(name);
  try {
    d.name = ov_property(core, name, "FULL_DEVICE_NAME");
    d.driver = ov_version(core, name);
    if (is_cpu(name)) d.cores = all_cores();
    d.memory_bytes = ov_memory_bytes(core, name);
    d.caps["arithmetic"] = ov_property(core, name, "OPTIMIZATION_CAPABILITIES");
    std::string sizes;
    for (const std::int64_t size : kSizes) sizes += (sizes.empty() ? "" : ", ") + std::to_string(size);
    d.caps["static_rows"] = sizes;
  } catch (const std::exception& error) {
    d.usable = false;
    d.why_not = ov_reason(error);
  }
  return d;
}

class OpenVinoProvider final : public DeviceProvider {
 public:
  std::string_view name() const override { return "openvino"; }

  std::vector<DeviceDescription> discover() const override {
    std::vector<DeviceDescription> all;
    try {
      ov::Core core;
      for (const std::string& device : core.get_available_devices()) all.push_back(describe(core, device));
    } catch (const std::exception& error) {
      DeviceDescription d;
      d.id = "openvino";
      d.kind = DeviceKind::kNpu;
      d.name = "OpenVINO";
      d.usable = false;
      d.why_not = ov_reason(error);
      all.push_back(std::move(d));
    }
    return all;
  }

  std::string id_of(const DeviceSpec& spec) const override {
    return "openvino:" + name_of(spec) + (spec.cores.empty() ? "" : "@" + core_list_text(spec.cores));
  }

  std::unique_ptr<Device> open(const DeviceSpec& spec, const DeviceContext& context) const override {
    const std::string device = name_of(spec);
    DeviceFacts facts;
    facts.standard_sizes = kSizes;
    OpenVinoOptions options = parse_options(spec, device, context, facts.standard_sizes);
    facts.id = id_of(spec);
    facts.kind = kind_of(device);
    if (is_cpu(device)) {
      facts.cores = spec.cores.empty() ? all_cores() : spec.cores;
      const std::vector<int> present = all_cores();
      for (const int core : facts.cores) {
        if (!std::binary_search(present.begin(), present.end(), core)) {
          throw environment_error("core " + std::to_string(core) + " of device '" + spec.text + "' is not here",
                                  "this process may use cores " + core_list_text(present));
        }
      }
      options.settings.threads = static_cast<int>(facts.cores.size());
    }
    facts.submit_mode = SubmitMode::kAsynchronous;
    // A host that polls on the device's own cores takes them from it.
    const bool takes_all_cores = is_cpu(device) && facts.cores.size() == all_cores().size();
    facts.waiters = takes_all_cores ? std::vector{Waiter::kDriver, Waiter::kSleepPoll, Waiter::kPoll}
                                    : std::vector{Waiter::kPoll, Waiter::kSleepPoll, Waiter::kDriver};
    try {
      return std::make_unique<OpenVinoDevice>(std::move(facts), std::move(options), context);
    } catch (const Error&) {
      throw;
    } catch (const std::exception& error) {
      throw environment_error("OpenVINO fails on '" + spec.text + "': " + ov_reason(error), "update its driver");
    }
  }
};

}  // namespace

const DeviceProvider& openvino_provider() {
  static const OpenVinoProvider provider;
  return provider;
}

}  // namespace hetero
