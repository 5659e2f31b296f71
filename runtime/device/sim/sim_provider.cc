#include "runtime/device/sim/sim_provider.h"

#include <optional>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/fingerprint.h"
#include "profiles/cost_model.h"
#include "profiles/device_profile.h"
#include "runtime/device/sim/emulated_queue.h"
#include "runtime/device/sim/sim_device.h"
#include "runtime/device/sim/sim_system.h"
#include "runtime/device/size_list.h"

namespace hetero {
namespace {

// "snapdragon-8-gen-3/npu" -> system "snapdragon-8-gen-3", device "npu".
struct SimName {
  std::string system;
  std::string device;
};

SimName parse_name(const DeviceSpec& spec) {
  const std::size_t slash = spec.name.rfind('/');
  if (slash == std::string::npos || slash == 0 || slash + 1 == spec.name.size()) {
    throw usage_error("device '" + spec.text + "' does not say which device of which system to simulate",
                      "write for example sim:snapdragon-8-gen-3/npu or sim:./my-phone.json/npu");
  }
  return {spec.name.substr(0, slash), spec.name.substr(slash + 1)};
}

std::string comma_list(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

SystemProfile load_system(const std::string& name) {
  if (!name.ends_with(".json")) {
    const std::string* shipped = shipped_system_profile(name);
    if (shipped == nullptr) {
      throw environment_error(
          "there is no system profile '" + name + "'",
          "shipped are: " + comma_list(shipped_system_profile_names()) + "; or give the path of a .json file");
    }
    return system_profile_from_json(*shipped);
  }
  return system_profile_from_json(read_file(name));
}

// What comes after the system's name: "npu" of "snapdragon-8-gen-3/npu".
std::string short_name(const DeviceProfile& profile) {
  return profile.device.substr(profile.device.rfind('/') + 1);  // npos + 1 == 0: the whole
}

const DeviceProfile& device_in(const SystemProfile& system, const SimName& name) {
  std::vector<std::string> known;
  for (const DeviceProfile& profile : system.devices) {
    known.push_back(short_name(profile));
    if (known.back() == name.device) return profile;
  }
  throw environment_error("system profile '" + name.system + "' has no device '" + name.device + "'",
                          "it has: " + comma_list(known));
}

DeviceKind kind_of(const DeviceProfile& profile) {
  for (const DeviceKind kind : {DeviceKind::kCpu, DeviceKind::kGpu}) {
    if (profile.kind == name_of(kind)) return kind;
  }
  return DeviceKind::kNpu;
}

struct SimOptions {
  SimCompute compute = SimCompute::kNone;
  std::optional<int> host_core;
  std::vector<std::int64_t> sizes;    // empty: the profile's
  std::optional<OperandOrder> order;  // none: as measured
};

SimOptions parse_options(const DeviceSpec& spec) {
  SimOptions options;
  for (const auto& [name, value] : spec.options) {
    if (name == "compute" && (value == "none" || value == "reference")) {
      options.compute = value == "reference" ? SimCompute::kReference : SimCompute::kNone;
    } else if (name == "host") {
      const std::vector<int> cores = parse_core_list(value);
      if (cores.size() != 1) {
        throw usage_error("device '" + spec.text + "' asks for several host cores",
                          "an emulated device computes on one");
      }
      options.host_core = cores.front();
    } else if (name == "sizes") {
      options.sizes = parse_size_list(value);
    } else if (const auto order = order_option(value); name == "order" && order) {
      options.order = *order;
    } else {
      throw usage_error("device '" + spec.text + "' has no option " + name + "=" + value,
                        "sim knows compute=none|reference, sizes=1.32.64, order=auto|activations|weights and "
                        "host=<core>");
    }
  }
  if (!spec.cores.empty()) {
    throw usage_error("device '" + spec.text + "' stands on no core", "name its worker's core with ?host=1");
  }
  return options;
}

// A sample is valid as long as the whole profile and what passes for its time stay the same.
std::string exact_fingerprint(const SystemProfile& system, const DeviceProfile& profile, const SimOptions& options) {
  const std::string numbers = options.compute == SimCompute::kReference ? "reference" : "none";
  const std::string order = options.order ? "|" + std::string(name_of(*options.order)) + " first" : "";
  const std::string sizes = options.sizes.empty() ? "" : "|sizes " + size_list_text(options.sizes);
  return fingerprint_text(to_json(system) + "|" + profile.device + "|" + numbers + sizes + order);
}

DeviceFacts facts_of(const DeviceSpec& spec, const SystemProfile& system, const DeviceProfile& profile,
                     const SimOptions& options, const Timeline& timeline) {
  const std::string manner = timeline.is_virtual() ? "simulated" : "emulated";
  DeviceFacts facts;
  facts.id = "sim:" + spec.name;
  facts.kind = kind_of(profile);
  facts.name = manner + " " + profile.name;
  facts.driver = manner + " from profile " + system.name;
  facts.family_fingerprint = fingerprint_text("sim|" + profile.device);
  facts.exact_fingerprint = exact_fingerprint(system, profile, options);
  facts.computes = options.compute == SimCompute::kReference;
  if (options.host_core && !timeline.is_virtual()) facts.cores = {*options.host_core};
  facts.memory_bytes = profile.memory_bytes;
  facts.standard_sizes = profile.standard_sizes;
  if (!options.sizes.empty()) {
    if (profile.standard_sizes.empty()) {
      throw usage_error("device '" + spec.text + "' takes any number of rows", "leave 'sizes' out");
    }
    facts.standard_sizes = options.sizes;
  }
  facts.feature_align = profile.feature_align;
  facts.emulated = true;
  facts.waiters = {Waiter::kDriver, Waiter::kPoll, Waiter::kSleepPoll};
  return facts;
}

DeviceDescription describe(const SystemProfile& system, const DeviceProfile& profile) {
  DeviceDescription d;
  d.id = "sim:" + system.name + "/" + short_name(profile);
  d.kind = kind_of(profile);
  d.name = "simulated " + profile.name;
  d.driver = "profile " + system.name;
  d.memory_bytes = profile.memory_bytes;
  d.caps["numbers"] = "?compute=reference";
  d.caps["arithmetic"] = profile.half_precision ? "f16" : "f32";
  if (!profile.standard_sizes.empty()) {
    std::vector<std::string> sizes;
    for (const std::int64_t size : profile.standard_sizes) sizes.push_back(std::to_string(size));
    d.caps["static_rows"] = comma_list(sizes);
  }
  return d;
}

// Whose times of a matmul a device takes: of the order that its operands have, or of the better one in any case.
enum class OrderTimes : std::uint8_t { kOwn, kBetter };

std::unique_ptr<SimDevice> open_device(const SystemProfile& system, const DeviceSpec& spec, const SimOptions& options,
                                       const DeviceContext& context, OrderTimes order_times,
                                       const ModelShape* model = nullptr) {
  const SimName name = parse_name(spec);
  const DeviceProfile& profile = device_in(system, name);
  auto costs = std::make_shared<const CostModel>(system.devices, model);
  std::unique_ptr<SimQueue> queue;
  if (auto* timeline = dynamic_cast<VirtualTimeline*>(context.timeline)) {
    queue = std::make_unique<VirtualQueue>(*timeline, SimSystem::on(*timeline, name.system, costs), profile.device);
  } else {
    const auto driver = profile.join_ns.find("driver");
    const double driver_join_ns = driver == profile.join_ns.end() ? 0 : driver->second.value;
    queue = std::make_unique<EmulatedQueue>(*context.timeline, EmulationOptions{driver_join_ns, options.host_core});
  }
  DeviceFacts facts = facts_of(spec, system, profile, options, *context.timeline);
  std::optional<OperandOrders> orders;
  if (order_times == OrderTimes::kOwn) orders.emplace(options.order, context, facts);
  return std::make_unique<SimDevice>(std::move(facts), profile.device, options.compute, std::move(costs),
                                     *context.timeline, std::move(queue), std::move(orders));
}

class SimProvider final : public DeviceProvider {
 public:
  std::string_view name() const override { return "sim"; }

  std::vector<DeviceDescription> discover() const override {
    std::vector<DeviceDescription> found;
    for (const std::string& name : shipped_system_profile_names()) {
      try {
        const SystemProfile system = load_system(name);
        for (const DeviceProfile& profile : system.devices) found.push_back(describe(system, profile));
      } catch (const Error& error) {
        DeviceDescription broken;
        broken.id = "sim:" + name;
        broken.kind = DeviceKind::kNpu;
        broken.name = "simulated " + name;
        broken.usable = false;
        broken.why_not = error.what();
        found.push_back(std::move(broken));
      }
    }
    return found;
  }

  std::unique_ptr<Device> open(const DeviceSpec& spec, const DeviceContext& context) const override {
    const SimOptions options = parse_options(spec);
    return open_device(load_system(parse_name(spec).system), spec, options, context, OrderTimes::kOwn);
  }
};

}  // namespace

const DeviceProvider& sim_provider() {
  static const SimProvider provider;
  return provider;
}

std::unique_ptr<SimDevice> open_sim_device(const SystemProfile& system, const std::string& device,
                                           const DeviceContext& context, const ModelShape* model) {
  DeviceSpec spec;
  spec.provider = "sim";
  spec.name = system.name + "/" + device;
  spec.text = "sim:" + spec.name;
  return open_device(system, spec, {}, context, OrderTimes::kBetter, model);
}

}  // namespace hetero
