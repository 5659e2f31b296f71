// A user's own figures over those of a shipped profile, document over document, so that what a document leaves out
// stays. Pure.
#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "profiles/device_profile.h"
#include "profiles/json_util.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

// What names an entry of a list: a system's devices, a device's matmul curves, its other ops, its slow-downs, its
// steps.
constexpr std::array<const char*, 5> kNames = {"device", "w", "kind", "with", "model"};

const char* name_key(const Json& list) {
  for (const char* key : kNames) {
    const bool all =
        std::all_of(list.begin(), list.end(), [&](const Json& e) { return e.is_object() && e.contains(key); });
    if (!list.empty() && all) return key;
  }
  return nullptr;
}

// The system (depth 0) and its devices (2) are merged member by member, the list of devices (1) device by device; of a
// device's lists, entries of the same name are replaced whole: a curve is one measurement.
void lay_over(Json& base, const Json& over, int depth) {
  constexpr int kDevices = 1;
  constexpr int kDevice = 2;
  if (base.is_object() && over.is_object() && depth <= kDevice) {
    for (const auto& [key, value] : over.items()) {
      if (base.contains(key)) {
        lay_over(base[key], value, depth + 1);
      } else {
        base[key] = value;
      }
    }
    return;
  }
  const char* const key = over.is_array() && depth <= kDevice + 1 ? name_key(over) : nullptr;
  if (base.is_array() && key != nullptr) {
    for (const Json& entry : over) {
      const auto same = std::find_if(base.begin(), base.end(), [&](const Json& e) {
        return e.is_object() && e.contains(key) && e[key] == entry[key];
      });
      if (same == base.end()) {
        base.push_back(entry);
      } else if (depth == kDevices) {
        lay_over(*same, entry, kDevice);
      } else {
        *same = entry;
      }
    }
    return;
  }
  // {"poll": figure, ...} grows; a figure is one.
  if (base.is_object() && over.is_object() && !over.contains("value")) {
    base.update(over);
    return;
  }
  base = over;
}

}  // namespace

std::string overlay(const std::string& base, const std::string& over) {
  system_profile_from_json(base);  // both by themselves: an error names what is wrong where it stands
  system_profile_from_json(over);
  Json document = Json::parse(base);
  lay_over(document, Json::parse(over), 0);
  const std::string text = document_text(document);
  system_profile_from_json(text);
  return text;
}

}  // namespace hetero
