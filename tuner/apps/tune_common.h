// What the commands of hetero-tune share: flags, the model or its shape, the devices, the database, the words for
// plans.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "profiles/store/store.h"
#include "runtime/device/device.h"
#include "tuner/apps/search_flags.h"
#include "tuner/solve/solve.h"

namespace hetero {

enum class Output : std::uint8_t { kText, kJson };

struct TuneFlags {
  std::string model;     // GGUF file; where no device runs it: a shape document or the name of a shipped shape as well
  std::string devices;   // empty: default_devices()
  std::string database;  // empty: Store::default_path()
  std::string budget = "60s";
  std::string profile;  // simulate: see system_document()
  std::string shape;    // simulate: name of a shipped shape, or a file
  std::string trace;
  std::string strategy = "best";                          // simulate: strategies_of()
  std::string sync = "fast";                              // simulate: fast or driver
  std::string graphs = "prepared";                        // simulate: prepared, online or row counts
  std::string plan;                                       // simulate: a plan document to run; empty: solve
  std::string faults;                                     // simulate: a fault script; empty: none
  int grid = 64;                                          // simulate: SolveOptions::grid
  std::string what = "plan";                              // export
  std::string file;                                       // export: where to; import: from where
  std::string lengths = "33.65.129.200.257.320.400.500";  // lengths
  std::int64_t prompt = 256;
  std::int64_t generate = 64;
  int rounds = 7;
  bool quality = false;             // show: of the last run
  std::vector<std::string> inputs;  // merge: databases
  bool dry_run = false;             // prune: only count
  SearchFlags search;
  std::string command_line;
  Output output = Output::kText;
};

// The commands. Exit code as in base/error.h; errors are thrown.
int run_devices(const TuneFlags& flags);
int run_all(const TuneFlags& flags);
int run_measure(const TuneFlags& flags);
int run_fit(const TuneFlags& flags);
int run_solve(const TuneFlags& flags);
int run_show(const TuneFlags& flags);
int run_explain(const TuneFlags& flags);
int run_export(const TuneFlags& flags);
int run_import(const TuneFlags& flags);
int run_merge(const TuneFlags& flags);
int run_prune(const TuneFlags& flags);
int run_simulate(const TuneFlags& flags);
int run_lengths(const TuneFlags& flags);

// From a GGUF file, a shape document or a shipped name. Throws Error.
ModelShape load_shape(const std::string& model);
// The document of a shipped system profile by name, or a file's; of several, separated by commas, each laid over those
// before it.
std::string system_document(const std::string& profile);

// The devices of the flags, or the default ones. Throws environment_error when there are none.
std::vector<DeviceSpec> wanted_devices(const TuneFlags& flags);
// With the parameters of kernels that `store` knows; null: with the default ones.
std::vector<std::unique_ptr<Device>> open_wanted(const TuneFlags& flags, Timeline& timeline, const Store* store);
// What was found by taking turns, of all devices.
std::vector<ShapeChoice> stored_choices(const Store& store);

std::string database_path(const TuneFlags& flags);
// kReadOnly: throws environment_error when there is no file, naming the command that makes it.
std::unique_ptr<Store> open_store(const TuneFlags& flags, StoreAccess access);
RunInfo run_info(const TuneFlags& flags, const std::string& model_fingerprint);
// The plan for the flags' devices; without --devices the latest one for this model.
std::optional<Plan> stored_plan(const Store& store, const TuneFlags& flags, const std::string& model_fingerprint);

// Borrowed, in the same order.
std::vector<Device*> pointers(const std::vector<std::unique_ptr<Device>>& devices);
// The stored profiles of the devices as they are now, in the same order. Throws input_error when one has none.
std::vector<DeviceProfile> stored_profiles(const Store& store, const std::vector<std::unique_ptr<Device>>& devices);

SolveDevice solve_device(const DeviceProfile& profile);

// "rows cpu:0 62 % + opencl:0@1 38 %"
std::string words(const BlockPlan& block);
// "decode", "prefill 256"
std::string words(const PlanBucket& bucket);
// Blocks that are divided alike in one line each: "attention_in, ffn_in: rows ...".
std::vector<std::string> block_lines(const PlanBucket& bucket);
// "adopted, 0.62x", "cpu:0 alone, 1.04x", "not judged"
std::string verdict_words(const PlanBucket& bucket);
void print_plan(const Plan& plan);

}  // namespace hetero
