// hetero-tune export, import, merge and prune: documents out of the database and into it, and databases as wholes.
#include <cstdio>
#include <map>

#include "base/error.h"
#include "base/log.h"
#include "profiles/store/merge.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

// "AMD EPYC, measured 2026-11-22": the processor of the run and its day. No day where the run measured nothing, as one
// that imported the profile.
std::string title_of(const Store& store, RunId id) {
  for (const Store::RunRow& run : store.runs()) {
    if (run.id != id) continue;
    const std::string day = run.info.started_utc.substr(0, run.info.started_utc.find('T'));
    return run.info.cpu + (run.samples > 0 ? ", measured " + day : "");
  }
  return "";
}

// The latest profile of each device of the flags, or of every device. One fitted under another driver counts as older.
SystemProfile latest_profiles(const Store& store, const TuneFlags& flags) {
  std::map<std::string, DeviceProfile> latest;
  std::map<std::string, RunId> run_of;
  for (Store::ProfileRow& row : store.profiles()) {
    run_of[row.profile.device] = row.run;
    latest[row.profile.device] = std::move(row.profile);
  }
  std::vector<std::string> ids;
  if (flags.devices.empty()) {
    for (const auto& [id, profile] : latest) ids.push_back(id);
  } else {
    ids = ids_of(parse_device_list(flags.devices));
  }
  SystemProfile system;
  system.name = "measured";
  for (const std::string& id : ids) {
    const auto found = latest.find(id);
    if (found == latest.end()) {
      throw input_error("there is no profile of '" + id + "'",
                        "hetero-tune run --model FILE.gguf --devices " + id + " makes one");
    }
    system.title = title_of(store, run_of[id]);
    system.devices.push_back(std::move(found->second));
  }
  if (ids.empty()) throw input_error("there is no profile yet", "hetero-tune run --model FILE.gguf makes one");
  return system;
}

std::string exported(const TuneFlags& flags) {
  if (flags.what == "profile") return to_json(latest_profiles(*open_store(flags, StoreAccess::kReadOnly), flags));
  if (flags.model.empty()) throw usage_error("--model is missing", "a " + flags.what + " belongs to a model");
  const ModelShape shape = load_shape(flags.model);
  if (flags.what == "shape") return to_json(shape);
  const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadOnly);
  const std::optional<Plan> plan = stored_plan(*store, flags, fingerprint(shape));
  if (!plan) {
    throw input_error("there is no plan for this model on these devices",
                      "hetero-tune run --model " + flags.model + " makes one");
  }
  return to_json(*plan);
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

int run_merge(const TuneFlags& flags) {
  const MergeCounts counts = merge_databases(flags.inputs, flags.file);
  if (flags.output == Output::kJson) {
    std::printf("{\"runs\": %lld, \"samples\": %lld, \"documents\": %lld}\n", static_cast<long long>(counts.runs),
                static_cast<long long>(counts.samples), static_cast<long long>(counts.documents));
  } else {
    log_note(flags.file + " has " + std::to_string(counts.runs) + " runs, " + std::to_string(counts.samples) +
             " samples, " + std::to_string(counts.documents) + " documents");
  }
  return 0;
}

int run_prune(const TuneFlags& flags) {
  const PruneCounts counts =
      prune_database(database_path(flags), flags.dry_run ? PruneMode::kCount : PruneMode::kRemove);
  if (flags.output == Output::kJson) {
    std::printf("{\"samples\": %lld, \"documents\": %lld, \"runs\": %lld}\n", static_cast<long long>(counts.samples),
                static_cast<long long>(counts.documents), static_cast<long long>(counts.runs));
  } else {
    log_note(std::string(flags.dry_run ? "would remove " : "removed ") + std::to_string(counts.samples) + " samples, " +
             std::to_string(counts.documents) + " documents, " + std::to_string(counts.runs) + " runs");
  }
  return 0;
}

}  // namespace hetero
