// The profile database: SQLite, one file, append only. The only code that sees sqlite3.
// One Store per thread; several processes may use one file.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "profiles/device_profile.h"
#include "profiles/kernel_choice.h"
#include "profiles/measurement.h"
#include "profiles/model_shape.h"
#include "profiles/plan.h"

namespace hetero {

using RunId = std::int64_t;

enum class StoreAccess : std::uint8_t { kReadOnly, kReadWrite };

class Store {
 public:
  // kReadWrite creates the file (and its folder) and migrates older versions. Throws input_error (not a database of
  // ours, newer version) or environment_error (cannot be created, disk full); neither changes an existing file.
  static std::unique_ptr<Store> open(const std::string& path, StoreAccess access);
  ~Store();

  // Whether the file begins as a database does, ours or another's. No: also what cannot be read.
  static bool is_database(const std::string& path);

  // $XDG_DATA_HOME/hetero/profiles.db, or ~/.local/share/hetero/profiles.db.
  static std::string default_path();

  RunId begin_run(const RunInfo& info);
  void end_run(RunId run, const std::string& outcome);  // "done", "interrupted", "budget", "failed"
  void add_stage(RunId run, const StageTime& stage);
  std::vector<StageTime> stages(RunId run) const;
  // One transaction: all or none.
  void add_samples(RunId run, const std::vector<Sample>& samples);

  struct SampleQuery {
    std::string exact_fingerprint = {};  // empty: any
    std::optional<SampleKind> kind = {};
    std::optional<std::string> subject = {};
    bool trusted_only = true;  // status ok only
    std::optional<RunId> run = {};
  };
  std::vector<Sample> samples(const SampleQuery& query) const;
  std::int64_t sample_count() const;
  struct StatusCount {
    RunId run = 0;
    SampleStatus status = SampleStatus::kOk;
    std::int64_t samples = 0;
  };
  // Of every run with samples, ascending by run; only statuses that occur.
  std::vector<StatusCount> status_counts() const;

  // Documents. The latest of a key is the one in force; earlier ones stay.
  void put_profile(RunId run, const DeviceProfile& profile);
  std::optional<DeviceProfile> profile(const std::string& device, const std::string& exact_fingerprint) const;
  struct ProfileRow {
    RunId run = 0;  // that fitted or imported it
    DeviceProfile profile;
  };
  // All that are in force, the latest last.
  std::vector<ProfileRow> profiles() const;
  void put_kernel_choice(RunId run, const KernelChoice& choice);
  // All that are in force (one for each family, variant, revision and shape class), the latest last.
  std::vector<KernelChoice> kernel_choices() const;
  void put_plan(RunId run, const Plan& plan);
  // The latest plan for this model on exactly these devices (any order).
  std::optional<Plan> plan(const std::string& model_fingerprint, const std::vector<std::string>& devices) const;
  // The latest plan for this model whose devices are all among these.
  std::optional<Plan> plan_within(const std::string& model_fingerprint, const std::vector<std::string>& devices) const;
  struct PlanRow {
    RunId run = 0;  // that solved or imported it
    Plan plan;
  };
  // All that are in force (one for each model and set of devices), the latest last.
  std::vector<PlanRow> plans() const;
  void put_shape(const ModelShape& shape);
  std::optional<ModelShape> shape(const std::string& model_fingerprint) const;

  struct RunRow {
    RunId id = 0;
    RunInfo info;
    std::string outcome;  // empty: running or killed
    std::int64_t samples = 0;
  };
  std::vector<RunRow> runs() const;

 private:
  struct State;
  explicit Store(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hetero
