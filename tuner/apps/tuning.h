// One tuning session: the stages of hetero-tune run, one after another. Each stores what it finds, and begins with what
// is stored. Devices are opened anew for measuring, since they keep every weight they have packed; those that run the
// model stay open. One thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/machine.h"
#include "base/progress.h"
#include "profiles/store/store.h"
#include "runtime/device/device.h"
#include "runtime/device/timeline.h"
#include "runtime/llm/engine.h"
#include "runtime/model/model.h"
#include "tuner/apps/kernel_choice.h"
#include "tuner/apps/tune_common.h"
#include "tuner/gate/gate.h"
#include "tuner/measure/measure.h"

namespace hetero {

class Tuning {
 public:
  // Opens a run in the database. Throws usage_error for a wrong budget and environment_error for devices that are not
  // there, both before anything is made. `flags` and `shape` outlive it.
  Tuning(const TuneFlags& flags, const ModelShape& shape);
  ~Tuning();  // a run that was not ended has failed
  Tuning(const Tuning&) = delete;
  Tuning& operator=(const Tuning&) = delete;

  // Parameters for kernels that have none yet, as far as the budget allows. False: interrupted, and the run is closed.
  bool search_kernels();
  // Between parameters that are chosen by shape, for the model's matmuls that were not decided yet. What follows opens
  // the devices with what was found. False: interrupted, and the run is closed.
  bool choose_by_shape();
  // Until `part` of the budget is spent. False: interrupted, and the run is closed.
  bool measure(double part);
  // Whole steps on each device alone, until `until` of the budget is spent. False: interrupted, and the run is closed.
  bool time_steps(const Model& model, double until);
  void fit();
  // Instead of fit(): the profiles that are stored for the devices as they are now.
  void load_profiles();
  void solve();
  void gate(const Model& model);
  void end(const std::string& outcome);

  const Plan& plan() const { return plan_; }
  const std::vector<DeviceProfile>& profiles() const { return profiles_; }
  // "done"; "budget": not everything was measured; "busy": others used the cores, and nothing here is to be trusted.
  std::string outcome_name() const;
  // The most cores that others kept busy during a stage of this run.
  double foreign_cores() const { return foreign_cores_; }

 private:
  struct Search {
    std::string device;
    std::string family;
    SearchTask task;
  };

  // Stores what the stage took, however it ends.
  class Stage {
   public:
    // `cores`: those it computes on, which others should leave alone.
    Stage(Tuning& tuning, std::string name, double budget_seconds, std::optional<std::vector<int>> cores = {});
    ~Stage();
    Stage(const Stage&) = delete;
    Stage& operator=(const Stage&) = delete;

   private:
    Tuning& tuning_;
    StageTime time_;
    Nanos begin_;
    std::optional<ForeignLoad> foreign_;
  };

  std::vector<std::unique_ptr<Device>> opened();
  // Those that run the model; they stay open, since they keep every weight they have packed.
  std::vector<Device*> running();
  EngineOptions engine_options() const;
  // Store samples of this run, tell `progress`, which outlives them, and stop at an interrupt.
  MeasureHooks measure_hooks(Progress& progress);
  GateHooks gate_hooks(Progress& progress, double budget_seconds);  // which begins now
  // Where simpler divisions are predicted nearly as fast as the best, the simplest of them becomes the candidate.
  void settle_draws();
  std::vector<Search> open_searches();
  // Counts what the store has already; the number of samples found.
  int resume(std::vector<Subject>& subjects, const std::vector<std::unique_ptr<Device>>& devices) const;

  const TuneFlags& flags_;
  const ModelShape& shape_;
  double budget_seconds_;
  std::unique_ptr<Store> store_;
  RunId run_;
  bool ended_ = false;
  RealTimeline timeline_;
  std::vector<std::unique_ptr<Device>> running_;
  std::vector<DeviceProfile> profiles_;
  Plan plan_;
  std::vector<Plan> alternatives_;  // other divisions of its buckets, for the gate
  double foreign_cores_ = 0;
  MeasureOutcome outcome_ = MeasureOutcome::kComplete;
};

}  // namespace hetero
