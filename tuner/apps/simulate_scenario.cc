#include "tuner/apps/simulate_scenario.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace hetero {
namespace {

constexpr std::int64_t kMostRows = 1024;  // of one prefill step, as in EngineOptions

// What only a simulation asks of a system. Stands in the profile's document as "simulation", which readers of profiles
// pass over; 0: not known.
struct SimulationFacts {
  double copy_ns = 0;            // a result handed over by the driver's copy calls, beside the wait for it
  double drained_launch_ns = 0;  // a submission to a queue that has run empty
  double graph_fixed_ns = 0;     // generating the graphs of one row count for a whole model: fixed + rows * per_row
  double graph_ns_per_row = 0;
};

SimulationFacts facts_in(const std::string& document) {
  SimulationFacts facts;
  const nlohmann::json root = nlohmann::json::parse(document, nullptr, false);
  const auto section = root.is_object() ? root.find("simulation") : root.end();
  if (section == root.end()) return facts;
  const auto read = [&](const char* key) {
    const auto figure = section->find(key);
    if (figure == section->end()) return 0.0;
    const auto value = figure->is_object() ? figure->find("value") : figure->end();
    if (value == figure->end() || !value->is_number() || value->get<double>() < 0) {
      throw input_error("system profile.simulation." + std::string(key) + " is not a figure",
                        "correct the document or write it anew");
    }
    return value->get<double>();
  };
  if (!section->is_object()) throw input_error("system profile.simulation must be an object", "correct the document");
  facts.copy_ns = read("copy_ns");
  facts.drained_launch_ns = read("drained_launch_ns");
  facts.graph_fixed_ns = read("graph_generation_fixed_ns");
  facts.graph_ns_per_row = read("graph_generation_ns_per_row");
  return facts;
}

std::vector<std::string> chosen_devices(const TuneFlags& flags, const SystemProfile& system) {
  std::vector<std::string> known;
  for (const DeviceProfile& p : system.devices) known.push_back(short_name(p.device));
  if (flags.devices.empty()) return known;
  std::vector<std::string> chosen;
  for (const DeviceSpec& spec : parse_device_list(flags.devices)) {
    const std::string name = short_name(spec.text);
    const bool meant =
        spec.text == name || spec.text == system.name + "/" + name || spec.text == "sim:" + system.name + "/" + name;
    if (!meant || std::find(known.begin(), known.end(), name) == known.end()) {
      std::string list;
      for (const std::string& k : known) list += (list.empty() ? "" : ", ") + k;
      throw usage_error("'" + spec.text + "' is not a device of profile '" + system.name + "'", "it has " + list);
    }
    if (std::find(chosen.begin(), chosen.end(), name) == chosen.end()) chosen.push_back(name);
  }
  return chosen;
}

// The host blocks in the driver, gets the result by a copy, and finds the queue empty when it goes on. Fast
// synchronisation (polling a flag in shared memory, buffers that both map) is what the profile's best waiter costs.
void wait_in_driver(SystemProfile& system, const SimulationFacts& facts) {
  for (DeviceProfile& p : system.devices) {
    const auto driver = p.join_ns.find("driver");
    if (driver == p.join_ns.end()) continue;
    Figure join = driver->second;
    join.value += facts.copy_ns;
    p.join_ns = {{"driver", join}};
    p.launch_ns.value = std::max(p.launch_ns.value, facts.drained_launch_ns);
  }
}

std::vector<std::int64_t> sizes_in(const std::string& text) {
  std::set<std::int64_t> sizes = {1};  // decode
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string number = text.substr(begin, end - begin);
    const bool digits = !number.empty() && number.size() < 8 && number.find_first_not_of("0123456789") == number.npos;
    if (!digits || number == "0") {
      throw usage_error("--graphs '" + text + "' is neither prepared nor online nor a list of row counts",
                        "write for example --graphs 64,256");
    }
    sizes.insert(std::stoll(number));
    begin = end + 1;
  }
  return {sizes.begin(), sizes.end()};
}

void set_sizes(SystemProfile& system, const std::vector<std::int64_t>& sizes) {
  for (DeviceProfile& p : system.devices) {
    if (!p.standard_sizes.empty()) p.standard_sizes = sizes;
  }
}

// Graphs for exactly the rows of this prompt.
void generate_online(Scenario& scenario, const SimulationFacts& facts) {
  if (facts.graph_fixed_ns == 0 && facts.graph_ns_per_row == 0) {
    throw usage_error("profile '" + scenario.system.name + "' does not say what generating graphs costs",
                      "use --graphs prepared or a list of row counts");
  }
  const std::set<std::int64_t> rows(scenario.steps.begin(), scenario.steps.end());
  for (const std::int64_t r : rows) {
    scenario.graph_generation_ns += facts.graph_fixed_ns + facts.graph_ns_per_row * static_cast<double>(r);
  }
  std::set<std::int64_t> sizes = rows;
  sizes.insert(1);
  set_sizes(scenario.system, {sizes.begin(), sizes.end()});
}

// Every step is padded to the next standard size: only those graphs are left, so nothing else can be chosen.
void pad_only(Scenario& scenario) {
  for (DeviceProfile& p : scenario.system.devices) {
    if (p.standard_sizes.empty()) continue;
    std::set<std::int64_t> sizes = {1};
    for (const std::int64_t rows : scenario.steps) {
      const auto next = std::lower_bound(p.standard_sizes.begin(), p.standard_sizes.end(), rows);
      sizes.insert(next == p.standard_sizes.end() ? p.standard_sizes.back() : *next);
    }
    p.standard_sizes.assign(sizes.begin(), sizes.end());
  }
}

// The profile under the id that its simulated device has in plans.
DeviceProfile in_plans(DeviceProfile p, const std::string& system) {
  const auto id = [&](const std::string& device) { return "sim:" + system + "/" + short_name(device); };
  p.device = id(p.device);
  std::map<std::string, Figure> together;
  for (const auto& [other, figure] : p.bandwidth_together_gbps) together[id(other)] = figure;
  p.bandwidth_together_gbps = std::move(together);
  for (Slowdown& slowdown : p.slowdowns) {
    for (std::string& other : slowdown.with) other = id(other);
    std::sort(slowdown.with.begin(), slowdown.with.end());
  }
  return p;
}

}  // namespace

std::string short_name(const std::string& device) { return device.substr(device.rfind('/') + 1); }

std::vector<Strategy> strategies_of(const std::string& text) {
  if (text == "best") return {};
  if (text == "layer") return {Strategy::kSingle, Strategy::kPad};
  if (text == "tensor") {
    return {Strategy::kSingle, Strategy::kRows, Strategy::kSequence, Strategy::kHybrid, Strategy::kPad};
  }
  std::vector<Strategy> list;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string name = text.substr(begin, end - begin);
    try {
      list.push_back(strategy_from_name(name));
    } catch (const Error&) {
      throw usage_error("there is no strategy '" + name + "'",
                        "best, layer, tensor, or some of single, rows, sequence, hybrid, pad, paired");
    }
    begin = end + 1;
  }
  return list;
}

Scenario make_scenario(const TuneFlags& flags) {
  Scenario scenario;
  const std::string document = system_document(flags.profile);
  scenario.system = system_profile_from_json(document);
  scenario.strategies = strategies_of(flags.strategy);
  scenario.grid = flags.grid;
  for (std::int64_t left = flags.prompt; left > 0; left -= kMostRows) {
    scenario.steps.push_back(std::min(left, kMostRows));
  }
  const SimulationFacts facts = facts_in(document);
  if (flags.sync == "driver") wait_in_driver(scenario.system, facts);
  if (flags.graphs == "online") {
    generate_online(scenario, facts);
  } else if (flags.graphs != "prepared") {
    set_sizes(scenario.system, sizes_in(flags.graphs));
  }
  if (scenario.strategies == std::vector<Strategy>{Strategy::kPad}) pad_only(scenario);
  scenario.devices = chosen_devices(flags, scenario.system);
  for (const DeviceProfile& p : scenario.system.devices) {
    if (std::find(scenario.devices.begin(), scenario.devices.end(), short_name(p.device)) == scenario.devices.end()) {
      continue;
    }
    scenario.profiles.push_back(in_plans(p, scenario.system.name));
  }
  if (!flags.faults.empty()) {
    scenario.faults = faults_from_json(read_file(flags.faults));
    for (const Fault& fault : scenario.faults) {
      if (std::find(scenario.devices.begin(), scenario.devices.end(), fault.device) == scenario.devices.end()) {
        throw input_error("'" + flags.faults + "' names device '" + fault.device + "', which takes no part",
                          "name one of --devices by its short name");
      }
    }
  }
  return scenario;
}

}  // namespace hetero
