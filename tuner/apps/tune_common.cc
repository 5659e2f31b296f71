#include "tuner/apps/tune_common.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <fstream>
#include <optional>
#include <random>
#include <sstream>

#include "base/error.h"
#include "base/machine.h"
#include "runtime/device/default_devices.h"
#include "runtime/model/model.h"
#include "tuner/apps/table.h"

namespace hetero {
namespace {

bool exists(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

// Where hetero-infer looks for compiled programs too.
std::string cache_folder() {
  const std::string store = Store::default_path();
  return store.substr(0, store.rfind('/')) + "/programs";
}

// Nanoseconds since 1970 first, so that names sort as runs began; then chance.
std::string new_uid() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now).count();
  std::random_device random;
  char text[64];
  std::snprintf(text, sizeof text, "%020lld-%08x%08x", static_cast<long long>(ns), random(), random());
  return text;
}

}  // namespace

ModelShape load_shape(const std::string& model) {
  if (model.empty()) throw usage_error("no model was given", "use --model FILE.gguf");
  if (const std::string* shipped = shipped_model_shape(model); shipped != nullptr)
    return model_shape_from_json(*shipped);
  if (ends_with(model, ".json")) return model_shape_from_json(read_file(model));
  if (!exists(model) && model.find('/') == std::string::npos && !ends_with(model, ".gguf")) {
    throw environment_error("there is no file or shape '" + model + "'",
                            "shapes that are known: " + list_of(shipped_model_shape_names()));
  }
  return Model::load(model)->shape();
}

std::string system_document(const std::string& profile) {
  std::string document;
  std::istringstream names(profile);
  for (std::string name; std::getline(names, name, ',');) {
    const std::string* const shipped = shipped_system_profile(name);
    if (shipped == nullptr && !exists(name)) {
      throw environment_error("there is no file or profile '" + name + "'",
                              "profiles that are known: " + list_of(shipped_system_profile_names()));
    }
    const std::string text = shipped != nullptr ? *shipped : read_file(name);
    document = document.empty() ? text : overlay(document, text);
  }
  return document;
}

std::vector<DeviceSpec> wanted_devices(const TuneFlags& flags) {
  std::vector<DeviceSpec> specs =
      flags.devices.empty() ? default_devices(discover_devices()) : parse_device_list(flags.devices);
  if (specs.empty()) throw environment_error("there is no usable device", "'hetero-tune devices' says why");
  return specs;
}

std::vector<ShapeChoice> stored_choices(const Store& store) {
  return shape_choices(store.samples({.kind = SampleKind::kVariant}));
}

std::vector<std::unique_ptr<Device>> open_wanted(const TuneFlags& flags, Timeline& timeline, const Store* store) {
  DeviceContext context;
  context.timeline = &timeline;
  if (store != nullptr) {
    context.tuned = tuned_kernels(store->kernel_choices());
    context.by_shape = stored_choices(*store);
  }
  context.cache_dir = cache_folder();
  return open_devices(wanted_devices(flags), context);
}

std::string database_path(const TuneFlags& flags) {
  return flags.database.empty() ? Store::default_path() : flags.database;
}

std::unique_ptr<Store> open_store(const TuneFlags& flags, StoreAccess access) {
  const std::string path = database_path(flags);
  if (access == StoreAccess::kReadOnly && !exists(path)) {
    throw environment_error("there is no database '" + path + "'", "'hetero-tune run --model FILE.gguf' makes it");
  }
  return Store::open(path, access);
}

RunInfo run_info(const TuneFlags& flags, const std::string& model_fingerprint) {
  RunInfo info;
  info.program_version = HETERO_VERSION;
  char host[256] = "";
  if (gethostname(host, sizeof host - 1) == 0) info.host = host;
  info.cpu = cpu_name();
  info.started_utc = utc_now();
  info.build_type = HETERO_BUILD_TYPE;
  info.command = flags.command_line;
  double load = 0;
  if (getloadavg(&load, 1) == 1) info.load_average = load;
  info.model_fingerprint = model_fingerprint;
  info.uid = new_uid();
  return info;
}

std::optional<Plan> stored_plan(const Store& store, const TuneFlags& flags, const std::string& model_fingerprint) {
  if (!flags.devices.empty()) return store.plan(model_fingerprint, ids_of(parse_device_list(flags.devices)));
  std::optional<Plan> latest;
  for (Store::PlanRow& row : store.plans()) {
    if (row.plan.model_fingerprint == model_fingerprint) latest = std::move(row.plan);
  }
  return latest;
}

std::vector<Device*> pointers(const std::vector<std::unique_ptr<Device>>& devices) {
  std::vector<Device*> list;
  for (const auto& device : devices) list.push_back(device.get());
  return list;
}

std::vector<DeviceProfile> stored_profiles(const Store& store, const std::vector<std::unique_ptr<Device>>& devices) {
  std::vector<DeviceProfile> profiles;
  for (const auto& device : devices) {
    const DeviceFacts& facts = device->facts();
    std::optional<DeviceProfile> profile = store.profile(facts.id, facts.exact_fingerprint);
    if (!profile) {
      throw input_error("there is no profile of '" + facts.id + "' as it is now",
                        "run 'hetero-tune run' or 'hetero-tune fit'");
    }
    profiles.push_back(std::move(*profile));
  }
  return profiles;
}

SolveDevice solve_device(const DeviceProfile& profile) {
  return {profile.device, profile.standard_sizes, profile.feature_align, profile.memory_bytes};
}

std::string words(const BlockPlan& block) {
  const auto shares = [](const std::vector<Share>& list) {
    std::string text;
    for (const Share& share : list) {
      if (!text.empty()) text += " + ";
      text += share.device;
      if (list.size() > 1) text += " " + std::to_string(std::lround(100 * share.fraction)) + " %";
    }
    return text;
  };
  std::string text(name_of(block.strategy));
  if (!block.rows.empty()) text += " " + shares(block.rows);
  if (!block.features.empty()) text += (block.rows.empty() ? " " : ", features ") + shares(block.features);
  return text;
}

std::string words(const PlanBucket& bucket) {
  return bucket.phase == Phase::kDecode ? "decode" : "prefill " + std::to_string(bucket.tokens);
}

std::vector<std::string> block_lines(const PlanBucket& bucket) {
  std::vector<std::pair<std::string, std::string>> groups;  // division -> blocks
  for (const BlockPlan& block : bucket.blocks) {
    std::string name(name_of(block.block));
    if (block.layer >= 0) name += " of layer " + std::to_string(block.layer);
    const std::string division = words(block);
    const auto same = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == division; });
    if (same == groups.end()) {
      groups.emplace_back(division, name);
    } else {
      same->second += ", " + name;
    }
  }
  std::vector<std::string> lines;
  for (const auto& [division, blocks] : groups)
    lines.push_back((groups.size() == 1 ? "all blocks" : blocks) + ": " + division);
  return lines;
}

std::string verdict_words(const PlanBucket& bucket) {
  if (!bucket.verdict) return "not judged";
  char ratio[32];
  std::snprintf(ratio, sizeof ratio, "%.2fx", bucket.verdict->plan_over_single);
  return (bucket.verdict->adopted ? "adopted, " : bucket.verdict->best_single + " alone, ") + ratio;
}

void print_plan(const Plan& plan) {
  Table table({"bucket", "predicted", "gate: time of plan/single"});
  for (const PlanBucket& bucket : plan.buckets) {
    table.add({words(bucket), bucket.predicted_ns > 0 ? format_duration_ns(bucket.predicted_ns) : "-",
               verdict_words(bucket)});
  }
  std::printf("%s\n", table.text().c_str());
  for (const auto& [id, sizes] : plan.graph_sizes) {
    std::string rows;
    for (const std::int64_t size : sizes) rows += (rows.empty() ? "" : ", ") + std::to_string(size);
    std::printf("graphs of %s: %s rows\n\n", id.c_str(), rows.c_str());
  }
  for (const PlanBucket& bucket : plan.buckets) {
    std::printf("%s\n", words(bucket).c_str());
    if (bucket.verdict) std::printf("  %s\n", bucket.verdict->reason.c_str());
    for (const std::string& line : block_lines(bucket)) std::printf("  %s\n", line.c_str());
  }
}

}  // namespace hetero
