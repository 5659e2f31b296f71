// hetero-tune run, measure, fit, solve: the stages, one after another or alone. Each reads what the one before stored.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "runtime/llm/engine.h"
#include "runtime/model/model.h"
#include "tuner/apps/tune_common.h"
#include "tuner/fit/fit.h"
#include "tuner/gate/gate.h"
#include "tuner/measure/measure.h"

namespace hetero {
namespace {

// Of the budget; the gate has the rest and whatever measuring leaves over.
constexpr double kMeasurePart = 0.65;
// A gate that cannot finish a single bucket is none: it gets this much even where the budget has been spent.
constexpr double kLeastGateSeconds = 5;
constexpr std::int64_t kRoomToDecode = 128;

// Set by the signal, read between two samples. A flag of the process, as signals are.
volatile std::sig_atomic_t g_interrupted = 0;

void watch_for_interrupt() {
  std::signal(SIGINT, [](int) {
    g_interrupted = 1;
    std::signal(SIGINT, SIG_DFL);  // the second one ends it at once
  });
}
bool interrupted() { return g_interrupted != 0; }

std::vector<Device*> pointers(const std::vector<std::unique_ptr<Device>>& devices) {
  std::vector<Device*> list;
  for (const auto& device : devices) list.push_back(device.get());
  return list;
}

// Of every status: what a device refused counts too.
std::vector<Sample> samples_of(const Store& store, const DeviceFacts& facts) {
  std::vector<Sample> samples = store.samples({facts.exact_fingerprint, std::nullopt, std::nullopt, false});
  std::erase_if(samples, [&](const Sample& s) { return s.device != facts.id; });
  return samples;
}

// Checked before anything is opened: a wrong flag makes no database.
double budget_seconds(const TuneFlags& flags) {
  const double seconds = to_ns(parse_duration(flags.budget)) / 1e9;
  if (seconds <= 0) throw usage_error("--budget must be more than nothing", "for example --budget 60s");
  return seconds;
}

// A device that is not there makes no database and no run.
std::unique_ptr<Store> open_store_for_devices(const TuneFlags& flags) {
  RealTimeline timeline;
  open_wanted(flags, timeline);
  return open_store(flags, StoreAccess::kReadWrite);
}

// One tuning session: the devices are opened anew for every stage, since they keep every weight they have packed.
class Tuning {
 public:
  Tuning(const TuneFlags& flags, const ModelShape& shape)
      : flags_(flags),
        shape_(shape),
        budget_seconds_(budget_seconds(flags)),
        store_(open_store_for_devices(flags)),
        run_(store_->begin_run(run_info(flags, fingerprint(shape)))) {
    store_->put_shape(shape_);
  }
  ~Tuning() {
    if (ended_) return;
    try {
      store_->end_run(run_, "failed");
    } catch (const Error&) {
      // The error that is under way says more than this one would.
    }
  }
  Tuning(const Tuning&) = delete;
  Tuning& operator=(const Tuning&) = delete;

  // False: interrupted, and the run is closed.
  bool measure(double part) {
    const std::vector<std::unique_ptr<Device>> devices = open_wanted(flags_, timeline_);
    MeasureOptions options;
    options.budget_seconds = part * budget_seconds_;
    options.rounds = flags_.rounds;
    options.context = std::min<std::int64_t>(options.context, std::max<std::int64_t>(1, shape_.max_context));
    std::erase_if(options.buckets, [&](std::int64_t m) { return m > options.context; });
    std::vector<const DeviceFacts*> facts;
    for (const auto& device : devices) facts.push_back(&device->facts());
    std::vector<Subject> subjects = subjects_for(shape_, facts, options);
    const int resumed = resume(subjects, devices);
    if (resumed > 0) log_note("going on with " + std::to_string(resumed) + " samples from " + database_path(flags_));

    Progress progress("measuring");
    MeasureHooks hooks;
    hooks.store = [&](const std::vector<Sample>& samples) { store_->add_samples(run_, samples); };
    hooks.progress = [&](const MeasureProgress& p) { progress.update(p.fraction, p.now, p.seconds_left); };
    hooks.stop = interrupted;
    outcome_ = hetero::measure(std::move(subjects), pointers(devices), timeline_, options, hooks);
    if (outcome_ != MeasureOutcome::kInterrupted) return true;
    end("interrupted");
    return false;
  }

  void fit() {
    const std::vector<std::unique_ptr<Device>> devices = open_wanted(flags_, timeline_);
    for (const auto& device : devices) {
      profiles_.push_back(hetero::fit(device->facts(), samples_of(*store_, device->facts())));
      store_->put_profile(run_, profiles_.back());
    }
  }

  // The profiles that are stored for the devices as they are now.
  void load_profiles() {
    const std::vector<std::unique_ptr<Device>> devices = open_wanted(flags_, timeline_);
    for (const auto& device : devices) {
      const DeviceFacts& facts = device->facts();
      std::optional<DeviceProfile> profile = store_->profile(facts.id, facts.exact_fingerprint);
      if (!profile) {
        throw input_error("there is no profile of '" + facts.id + "' as it is now",
                          "run 'hetero-tune run' or 'hetero-tune fit'");
      }
      profiles_.push_back(std::move(*profile));
    }
  }

  void solve() {
    std::vector<SolveDevice> devices;
    for (const DeviceProfile& profile : profiles_) devices.push_back(solve_device(profile));
    SolveOptions options;
    std::erase_if(options.buckets, [&](std::int64_t m) { return m > shape_.max_context; });
    plan_ = hetero::solve(shape_, CostModel(profiles_), devices, options).plan;
    // The plan was made for all of them, also for one that it leaves idle: under this list it is found again.
    for (const DeviceProfile& profile : profiles_) {
      if (std::find(plan_.devices.begin(), plan_.devices.end(), profile.device) == plan_.devices.end()) {
        plan_.devices.push_back(profile.device);
      }
      plan_.device_fingerprints[profile.device] = profile.exact_fingerprint;
    }
  }

  void gate(const Model& model) {
    const std::vector<std::unique_ptr<Device>> devices = open_wanted(flags_, timeline_);
    const CostModel costs(profiles_);
    EngineOptions engine_options;
    std::int64_t largest = 1;
    for (const PlanBucket& bucket : plan_.buckets) largest = std::max(largest, bucket.tokens);
    engine_options.context = std::min(std::max<std::int64_t>(1, shape_.max_context), largest + kRoomToDecode);
    engine_options.max_rows = std::min(largest, engine_options.context);
    Engine engine(model.graph(), timeline_, pointers(devices), plan_, engine_options, &costs);

    Progress progress("gate");
    GateOptions options;
    const Nanos begin = timeline_.now();
    options.budget_seconds = std::max(kLeastGateSeconds, budget_seconds_ - to_ns(begin) / 1e9);
    GateHooks hooks;
    hooks.store = [&](const std::vector<Sample>& samples) { store_->add_samples(run_, samples); };
    hooks.progress = [&](double fraction, const std::string& now) {
      progress.update(fraction, now, options.budget_seconds - to_ns(timeline_.now() - begin) / 1e9);
    };
    hooks.stop = interrupted;
    plan_ = hetero::gate(engine, plan_, options, hooks);
    if (!interrupted()) store_->put_plan(run_, plan_);
  }

  void end(const std::string& outcome) {
    store_->end_run(run_, outcome);
    ended_ = true;
  }
  const Plan& plan() const { return plan_; }
  const std::vector<DeviceProfile>& profiles() const { return profiles_; }
  std::string outcome_name() const { return outcome_ == MeasureOutcome::kBudgetSpent ? "budget" : "done"; }

 private:
  // Counts what the store has already; the number of samples found.
  int resume(std::vector<Subject>& subjects, const std::vector<std::unique_ptr<Device>>& devices) const {
    std::map<std::tuple<SampleKind, std::string, std::string, std::string>, int> have;
    for (const auto& device : devices) {
      for (const Sample& s : samples_of(*store_, device->facts())) {
        if (s.status == SampleStatus::kOk) ++have[{s.kind, s.device, s.subject, s.active_with}];
      }
    }
    int found = 0;
    for (Subject& s : subjects) {
      s.have = have[{s.kind, s.device, s.subject, s.active_with}];
      found += s.have;
    }
    return found;
  }

  const TuneFlags& flags_;
  const ModelShape& shape_;
  double budget_seconds_;
  std::unique_ptr<Store> store_;
  RunId run_;
  bool ended_ = false;
  RealTimeline timeline_;
  std::vector<DeviceProfile> profiles_;
  Plan plan_;
  MeasureOutcome outcome_ = MeasureOutcome::kComplete;
};

int say_interrupted(const TuneFlags& flags) {
  log_note("interrupted; what was measured is in " + database_path(flags) + ", the same command goes on from there");
  return static_cast<int>(ExitCode::kCheckFailed);
}

void print_result(const TuneFlags& flags, const Tuning& tuning) {
  if (flags.output == Output::kJson) {
    nlohmann::ordered_json document;
    document["outcome"] = tuning.outcome_name();
    document["database"] = database_path(flags);
    document["plan"] = nlohmann::ordered_json::parse(to_json(tuning.plan()));
    std::printf("%s\n", document.dump(2).c_str());
    return;
  }
  print_plan(tuning.plan());
  if (tuning.outcome_name() == "budget") {
    log_note("the budget was spent before everything had been measured: the same command goes on from there");
  }
}

const ModelShape& shape_checked(const ModelShape& shape) {
  if (shape.layers <= 0) throw input_error("the model has no layers");
  return shape;
}

}  // namespace

int run_all(const TuneFlags& flags) {
  if (flags.model.empty()) throw usage_error("no model was given", "use --model FILE.gguf");
  const std::unique_ptr<Model> model = Model::load(flags.model);
  watch_for_interrupt();
  Tuning tuning(flags, shape_checked(model->shape()));
  if (!tuning.measure(kMeasurePart)) return say_interrupted(flags);
  tuning.fit();
  tuning.solve();
  tuning.gate(*model);
  if (interrupted()) {
    tuning.end("interrupted");
    return say_interrupted(flags);
  }
  tuning.end(tuning.outcome_name());
  print_result(flags, tuning);
  return 0;
}

int run_measure(const TuneFlags& flags) {
  const ModelShape shape = load_shape(flags.model);
  watch_for_interrupt();
  Tuning tuning(flags, shape_checked(shape));
  if (!tuning.measure(1)) return say_interrupted(flags);
  tuning.end(tuning.outcome_name());
  log_note(tuning.outcome_name() == "done" ? "everything has been measured; next: hetero-tune fit"
                                           : "the budget was spent; the same command goes on");
  return 0;
}

int run_fit(const TuneFlags& flags) {
  const ModelShape shape = load_shape(flags.model);
  open_store(flags, StoreAccess::kReadOnly);  // refuses one that is not there: only measuring makes it
  Tuning tuning(flags, shape_checked(shape));
  tuning.fit();
  tuning.end("done");
  if (flags.output == Output::kJson) {
    std::printf("%s\n", to_json(SystemProfile{"fitted", "fitted on this machine", tuning.profiles()}).c_str());
    return 0;
  }
  for (const DeviceProfile& p : tuning.profiles()) {
    std::printf("%s: %.1f GB/s, launch %s, %zu weight formats\n", p.device.c_str(), p.bandwidth_gbps.value,
                format_duration_ns(p.launch_ns.value).c_str(), p.matmul.size());
  }
  return 0;
}

int run_solve(const TuneFlags& flags) {
  const ModelShape shape = load_shape(flags.model);
  open_store(flags, StoreAccess::kReadOnly);  // as fit does
  Tuning tuning(flags, shape_checked(shape));
  tuning.load_profiles();
  tuning.solve();
  tuning.end("done");
  log_note("this plan has not passed the gate and is not stored: 'hetero-tune run' does both");
  if (flags.output == Output::kJson) {
    std::printf("%s\n", to_json(tuning.plan()).c_str());
  } else {
    print_plan(tuning.plan());
  }
  return 0;
}

}  // namespace hetero
