// hetero-tune export and import: documents out of the database and into it.
#include <cstdio>

#include "base/error.h"
#include "base/log.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

std::string exported(const TuneFlags& flags) {
  const ModelShape shape = load_shape(flags.model);
  if (flags.what == "shape") return to_json(shape);
  const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadOnly);
  const std::optional<Plan> plan = stored_plan(*store, flags, fingerprint(shape));
  if (!plan) {
    throw input_error("there is no plan for this model on these devices",
                      "hetero-tune run --model " + flags.model + " makes one");
  }
  if (flags.what == "plan") return to_json(*plan);
  SystemProfile system;
  system.name = "measured";
  system.title = run_info(flags, "").cpu;
  for (const auto& [device, exact] : plan->device_fingerprints) {
    if (std::optional<DeviceProfile> profile = store->profile(device, exact))
      system.devices.push_back(std::move(*profile));
  }
  return to_json(system);
}

}  // namespace

int run_export(const TuneFlags& flags) {
  const std::string text = exported(flags);
  if (flags.file.empty()) {
    std::printf("%s\n", text.c_str());
  } else {
    write_file(flags.file, text + "\n");
  }
  return 0;
}

int run_import(const TuneFlags& flags) {
  const std::string text = read_file(flags.file);
  // The schema's name stands in the document; each reader refuses the others'.
  if (text.find("\"hetero.plan\"") != std::string::npos) {
    const Plan plan = plan_from_json(text);
    const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadWrite);
    const RunId run = store->begin_run(run_info(flags, plan.model_fingerprint));
    store->put_plan(run, plan);
    store->end_run(run, "done");
    log_note("stored a plan for " + std::to_string(plan.devices.size()) + " devices");
    return 0;
  }
  if (text.find("\"hetero.system_profile\"") != std::string::npos) {
    const SystemProfile system = system_profile_from_json(text);
    const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadWrite);
    const RunId run = store->begin_run(run_info(flags, ""));
    for (const DeviceProfile& profile : system.devices) store->put_profile(run, profile);
    store->end_run(run, "done");
    log_note("stored " + std::to_string(system.devices.size()) + " device profiles");
    return 0;
  }
  throw input_error("'" + flags.file + "' is neither a plan nor a system profile",
                    "use a file that 'hetero-tune export' wrote");
}

}  // namespace hetero
