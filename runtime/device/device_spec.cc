// Parsing of device names as users write them.
#include <charconv>
#include <set>

#include "base/error.h"
#include "runtime/device/device.h"

namespace hetero {
namespace {

int parse_core(std::string_view text, const std::string& whole) {
  int core = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), core);
  if (text.empty() || status != std::errc() || end != text.data() + text.size() || core < 0 || core > 4095) {
    throw usage_error("'" + whole + "' is not a list of cores", "write for example 0, 0-3 or 0-1.4");
  }
  return core;
}

std::vector<std::string> split(const std::string& text, std::string_view separators) {
  std::vector<std::string> parts;
  std::string part;
  for (const char c : text) {
    if (separators.find(c) != std::string_view::npos) {
      parts.push_back(part);
      part.clear();
    } else {
      part += c;
    }
  }
  parts.push_back(part);
  return parts;
}

}  // namespace

std::string_view name_of(DeviceKind kind) {
  switch (kind) {
    case DeviceKind::kCpu:
      return "cpu";
    case DeviceKind::kGpu:
      return "gpu";
    case DeviceKind::kNpu:
      return "npu";
  }
  return "cpu";
}

std::vector<int> parse_core_list(const std::string& text) {
  std::set<int> cores;
  for (const std::string& part : split(text, ",.")) {
    const std::size_t dash = part.find('-');
    const int first = parse_core(std::string_view(part).substr(0, dash), text);
    const int last = dash == std::string::npos ? first : parse_core(std::string_view(part).substr(dash + 1), text);
    if (last < first)
      throw usage_error("'" + text + "' counts cores backwards", "write the lower core first, as in 0-3");
    for (int core = first; core <= last; ++core) cores.insert(core);
  }
  return {cores.begin(), cores.end()};
}

std::string core_list_text(const std::vector<int>& cores) {
  std::string text;
  for (std::size_t i = 0; i < cores.size();) {
    std::size_t j = i;
    while (j + 1 < cores.size() && cores[j + 1] == cores[j] + 1) ++j;
    text += (text.empty() ? "" : ".") + std::to_string(cores[i]);
    if (j > i) text += "-" + std::to_string(cores[j]);
    i = j + 1;
  }
  return text;
}

DeviceSpec parse_device_spec(const std::string& text) {
  DeviceSpec spec;
  spec.text = text;
  std::string rest = text;
  if (const std::size_t mark = rest.find('?'); mark != std::string::npos) {
    for (const std::string& option : split(rest.substr(mark + 1), "&")) {
      const std::size_t equals = option.find('=');
      if (equals == std::string::npos || equals == 0) {
        throw usage_error("'" + option + "' in device '" + text + "' is not an option", "write name=value after '?'");
      }
      spec.options[option.substr(0, equals)] = option.substr(equals + 1);
    }
    rest.resize(mark);
  }
  if (const std::size_t at = rest.find('@'); at != std::string::npos) {
    spec.cores = parse_core_list(rest.substr(at + 1));
    rest.resize(at);
  }
  const std::size_t colon = rest.find(':');
  spec.provider = rest.substr(0, colon);
  if (colon != std::string::npos) spec.name = rest.substr(colon + 1);
  if (spec.provider.empty()) {
    throw usage_error("'" + text + "' is not a device", "'hetero-tune devices' lists the names");
  }
  return spec;
}

std::vector<DeviceSpec> parse_device_list(const std::string& text) {
  std::vector<DeviceSpec> specs;
  for (const std::string& part : split(text, ",+")) specs.push_back(parse_device_spec(part));
  return specs;
}

}  // namespace hetero
