// hetero-tune devices: what is here, what each can do, and why something is not usable.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tuner/apps/table.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

std::string core_text(const std::vector<int>& cores) {
  std::string text;
  for (std::size_t i = 0; i < cores.size();) {
    std::size_t last = i;
    while (last + 1 < cores.size() && cores[last + 1] == cores[last] + 1) ++last;
    text += (text.empty() ? "" : ".") + std::to_string(cores[i]);
    if (last > i) text += "-" + std::to_string(cores[last]);
    i = last + 1;
  }
  return text.empty() ? "-" : text;
}

nlohmann::ordered_json json_of(const DeviceDescription& d) {
  nlohmann::ordered_json row;
  row["id"] = d.id;
  row["kind"] = name_of(d.kind);
  row["name"] = d.name;
  row["driver"] = d.driver;
  row["usable"] = d.usable;
  row["why_not"] = d.usable ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(d.why_not);
  row["cores"] = d.cores.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(d.cores);
  row["memory_bytes"] = d.memory_bytes;
  row["caps"] = d.caps;
  return row;
}

}  // namespace

int run_devices(const TuneFlags& flags) {
  const std::vector<DeviceDescription> devices = discover_devices();
  if (flags.output == Output::kJson) {
    nlohmann::ordered_json list = nlohmann::ordered_json::array();
    for (const DeviceDescription& d : devices) list.push_back(json_of(d));
    std::printf("%s\n", list.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    return 0;
  }
  Table table({"id", "kind", "cores", "memory", "name"});
  for (const DeviceDescription& d : devices) {
    table.add({d.id, std::string(name_of(d.kind)), core_text(d.cores),
               d.memory_bytes == 0 ? "-" : format_bytes(d.memory_bytes),
               shortened(d.name + (d.driver.empty() ? "" : ", " + d.driver), 50)});
  }
  std::printf("%s", table.text().c_str());
  for (const DeviceDescription& d : devices) {
    if (!d.usable) std::printf("%s cannot be used: %s\n", d.id.c_str(), d.why_not.c_str());
  }
  return 0;
}

}  // namespace hetero
