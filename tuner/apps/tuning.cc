#include "tuner/apps/tuning.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/log.h"
#include "tuner/apps/interrupt.h"
#include "tuner/fit/fit.h"
#include "tuner/gate/single_steps.h"
#include "tuner/measure/variants.h"
#include "tuner/solve/families.h"
#include "tuner/solve/graph_sizes.h"

namespace hetero {
namespace {

// Of the budget, for kernels that were never searched. A search that has time for a few configurations only is luck.
constexpr double kSearchPart = 0.25;
constexpr double kLeastSearchSeconds = 15;
// Time for less than two searches is better spent on measuring, unless one is all there is to do.
constexpr double kLeastSearchesSeconds = 2 * kLeastSearchSeconds;
constexpr double kVariantPart = 0.15;           // for kernels whose parameters are chosen by shape
constexpr double kSecondsPerConfiguration = 2;  // where there are too few of them to fill that
// A gate that cannot finish a single bucket is none: it gets this much even where the budget has been spent.
constexpr double kLeastGateSeconds = 5;
constexpr std::int64_t kRoomToDecode = 128;
// Of a core, taken by others throughout a stage. A desktop at rest takes a few hundredths.
constexpr double kBusyCores = 0.15;
constexpr double kLeastLoadSeconds = 1;  // ticks are coarse

// Predictions that are no further apart than this are a draw: the noise of the samples would decide otherwise, and
// another run choose otherwise.
constexpr double kDraw = 0.05;

// The head has one row: families that divide rows of the prompt have nothing to say about it.
void take_head(PlanBucket& bucket, const Plan& plan) {
  const PlanBucket* const from = bucket_for(plan, bucket.phase, bucket.tokens);
  for (BlockPlan& block : bucket.blocks) {
    const BlockPlan* const head = from == nullptr ? nullptr : block_plan_for(*from, BlockKind::kHead, -1);
    if (block.block == BlockKind::kHead && head != nullptr) block = *head;
  }
}

std::vector<int> cores_of(const std::vector<std::unique_ptr<Device>>& devices) {
  std::vector<int> cores;
  for (const auto& device : devices) {
    cores.insert(cores.end(), device->facts().cores.begin(), device->facts().cores.end());
  }
  return cores;
}

// Whether an op was timed as the device computes it now: its parameters may have been chosen since, by its shape. What
// older versions stored names none, and had the defaults.
bool as_now(const Device& device, const Sample& sample) {
  if (sample.kind != SampleKind::kOp) return true;
  const KernelUse use = device.kernel_for(parse_op_desc(sample.subject));
  if (use.row == nullptr || use.row->scope != ParamScope::kShape) return true;
  return (sample.params.empty() ? default_params(*use.row) : sample.params) ==
         (use.params.empty() ? default_params(*use.row) : use.params);
}

// Of every status: what a device refused counts too.
std::vector<Sample> samples_of(const Store& store, const Device& device) {
  const DeviceFacts& facts = device.facts();
  std::vector<Sample> samples = store.samples({facts.exact_fingerprint, std::nullopt, std::nullopt, false});
  std::erase_if(samples, [&](const Sample& s) { return s.device != facts.id || !as_now(device, s); });
  return samples;
}

double least_seconds(const SearchTask& task) {
  double configurations = 1;
  for (const Parameter& p : parameters_of(*task.variant, shape_class_of(task.op))) {
    configurations *= static_cast<double>(p.values.size());
  }
  return std::min(kLeastSearchSeconds, kSecondsPerConfiguration * configurations);
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
  open_wanted(flags, timeline, nullptr);
  return open_store(flags, StoreAccess::kReadWrite);
}

}  // namespace

Tuning::Tuning(const TuneFlags& flags, const ModelShape& shape)
    : flags_(flags),
      shape_(shape),
      budget_seconds_(budget_seconds(flags)),
      store_(open_store_for_devices(flags)),
      run_(store_->begin_run(run_info(flags, fingerprint(shape)))) {
  store_->put_shape(shape_);
}

Tuning::~Tuning() {
  if (ended_) return;
  try {
    store_->end_run(run_, "failed");
  } catch (const Error&) {
    // The error that is under way says more than this one would.
  }
}

Tuning::Stage::Stage(Tuning& tuning, std::string name, double budget_seconds, std::optional<std::vector<int>> cores)
    : tuning_(tuning), time_{std::move(name), 0, budget_seconds}, begin_(tuning.timeline_.now()) {
  if (cores) foreign_.emplace(std::move(*cores));
}

Tuning::Stage::~Stage() {
  time_.seconds = to_ns(tuning_.timeline_.now() - begin_) / 1e9;
  if (foreign_ && time_.seconds > kLeastLoadSeconds) {
    tuning_.foreign_cores_ = std::max(tuning_.foreign_cores_, foreign_->cores());
  }
  try {
    tuning_.store_->add_stage(tuning_.run_, time_);
  } catch (const Error&) {
    // What the stage threw, or the next write, says more.
  }
}

bool Tuning::search_kernels() {
  std::vector<Search> searches = open_searches();
  if (searches.empty()) return true;
  double least = 0;
  std::size_t fitting = 0;
  const double all_seconds = kSearchPart * budget_seconds_;
  for (const Search& s : searches) {
    least += least_seconds(s.task);
    if (least <= all_seconds) ++fitting;
  }
  if (all_seconds < std::min(least, kLeastSearchesSeconds)) fitting = 0;
  if (fitting < searches.size()) {
    log_note(std::to_string(searches.size() - fitting) + " of " + std::to_string(searches.size()) +
             " kernels and shapes keep their default parameters; --budget " +
             std::to_string(std::lround(std::ceil(least / kSearchPart))) + "s and more searches for better ones");
  }
  if (fitting == 0) return true;
  searches.resize(fitting);
  const Stage stage(*this, "search", all_seconds);
  Progress progress("kernel parameters");
  for (std::size_t i = 0; i < searches.size() && !interrupted(); ++i) {
    const auto& [device, family, task] = searches[i];
    // What one leaves over, the others have.
    const double spent = to_ns(timeline_.now()) / 1e9;
    KernelSearchOptions options;
    options.seconds = std::max(1.0, (all_seconds - spent) / static_cast<double>(searches.size() - i));
    KernelSearch search(task.op, device, *task.variant, options);
    search.progress = [&, what = task.variant->id + " " + std::string(name_of(shape_class_of(task.op))) + " on " +
                                 device + ": "](double, const std::string& now, double) {
      const double seconds = to_ns(timeline_.now()) / 1e9;
      progress.update(seconds / all_seconds, what + now, all_seconds - seconds);
    };
    search.run();
    const std::optional<KernelChoice> choice = decide(search, task.op, *task.variant, family);
    if (!choice) continue;
    store_->put_kernel_choice(run_, *choice);
    log_note(words(*choice));
  }
  if (!interrupted()) return true;
  end("interrupted");
  return false;
}

bool Tuning::choose_by_shape() {
  const std::vector<std::unique_ptr<Device>> devices = opened();
  VariantOptions options;
  options.budget_seconds = kVariantPart * budget_seconds_;
  const std::vector<VariantContest> contests =
      variant_contests(shape_, pointers(devices), stored_choices(*store_), options);
  if (contests.empty()) return true;
  const Stage stage(*this, "variants", options.budget_seconds, cores_of(devices));
  Progress progress("kernels by shape");
  const MeasureOutcome outcome = time_variants(contests, timeline_, options, measure_hooks(progress));
  if (outcome == MeasureOutcome::kBudgetSpent) {
    log_note("not every kernel that is chosen by shape was timed; the same command goes on from there");
  }
  if (outcome != MeasureOutcome::kInterrupted) return true;
  end("interrupted");
  return false;
}

bool Tuning::measure(double part) {
  const std::vector<std::unique_ptr<Device>> devices = opened();
  MeasureOptions options;
  options.budget_seconds = std::max(0.0, part * budget_seconds_ - to_ns(timeline_.now()) / 1e9);
  options.rounds = flags_.rounds;
  options.context = std::min<std::int64_t>(options.context, std::max<std::int64_t>(1, shape_.max_context));
  std::erase_if(options.buckets, [&](std::int64_t m) { return m > options.context; });
  std::vector<const DeviceFacts*> facts;
  for (const auto& device : devices) facts.push_back(&device->facts());
  std::vector<Subject> subjects = subjects_for(shape_, facts, options);
  const int resumed = resume(subjects, devices);
  if (resumed > 0) log_note("going on with " + std::to_string(resumed) + " samples from " + database_path(flags_));

  const Stage stage(*this, "measure", options.budget_seconds, cores_of(devices));
  Progress progress("measuring");
  outcome_ = hetero::measure(std::move(subjects), pointers(devices), timeline_, options, measure_hooks(progress));
  if (outcome_ != MeasureOutcome::kInterrupted) return true;
  end("interrupted");
  return false;
}

bool Tuning::time_steps(const Model& model, double until) {
  const std::vector<Device*> devices = running();
  SingleStepOptions options;
  options.budget_seconds = std::max(0.0, until * budget_seconds_ - to_ns(timeline_.now()) / 1e9);
  const std::string id = fingerprint(shape_);
  for (Device* device : devices) {
    for (const Sample& s : samples_of(*store_, *device)) {
      if (s.kind == SampleKind::kStep && s.subject == step_subject(id)) {
        ++options.have[{s.device, s.param("rows")}];
      }
    }
  }
  const Stage stage(*this, "steps", options.budget_seconds, cores_of(running_));
  Engine engine(model.graph(), timeline_, devices, single_device_plan(devices.front()->facts().id, "single"),
                engine_options());
  Progress progress("whole steps");
  time_single_steps(engine, id, options, gate_hooks(progress, options.budget_seconds));
  if (!interrupted()) return true;
  end("interrupted");
  return false;
}

void Tuning::fit() {
  const Stage stage(*this, "fit", 0);
  const std::vector<std::unique_ptr<Device>> devices = opened();
  for (const auto& device : devices) {
    const std::vector<Sample> samples = samples_of(*store_, *device);
    std::map<std::string, ModelShape> shapes;
    for (const Sample& s : samples) {
      const std::string model = model_of_step(s.subject);
      if (model.empty() || shapes.contains(model)) continue;
      if (std::optional<ModelShape> shape = store_->shape(model)) shapes.emplace(model, std::move(*shape));
    }
    profiles_.push_back(hetero::fit(device->facts(), samples, shapes));
    store_->put_profile(run_, profiles_.back());
  }
}

void Tuning::load_profiles() { profiles_ = stored_profiles(*store_, opened()); }

void Tuning::solve() {
  const Stage stage(*this, "solve", 0);
  std::vector<SolveDevice> devices;
  for (const DeviceProfile& profile : profiles_) devices.push_back(solve_device(profile));
  SolveOptions options;
  std::erase_if(options.buckets, [&](std::int64_t m) { return m > shape_.max_context; });
  const CostModel costs(profiles_, &shape_);
  for (SolveDevice& device : devices) device.standard_sizes = choose_graph_sizes(shape_, costs, device, {});
  plan_ = hetero::solve(shape_, costs, devices, options).plan;
  for (const auto& strategies : strategy_families()) {
    options.strategies = strategies;
    alternatives_.push_back(hetero::solve(shape_, costs, devices, options).plan);
    for (PlanBucket& bucket : alternatives_.back().buckets) take_head(bucket, plan_);
  }
  settle_draws();
  for (const SolveDevice& device : devices) {
    if (!device.standard_sizes.empty()) plan_.graph_sizes[device.id] = device.standard_sizes;
  }
  // The plan was made for all of them, also for one that it leaves idle: under this list it is found again.
  for (const DeviceProfile& profile : profiles_) {
    if (std::find(plan_.devices.begin(), plan_.devices.end(), profile.device) == plan_.devices.end()) {
      plan_.devices.push_back(profile.device);
    }
    plan_.device_fingerprints[profile.device] = profile.exact_fingerprint;
  }
}

void Tuning::settle_draws() {
  alternatives_.push_back(plan_);
  for (PlanBucket& bucket : plan_.buckets) {
    for (const Plan& simpler : alternatives_) {
      const PlanBucket* const other = bucket_for(simpler, bucket.phase, bucket.tokens);
      if (other == nullptr || other->predicted_ns <= 0) continue;
      if (other->predicted_ns > (1 + kDraw) * bucket.predicted_ns) continue;
      bucket = *other;
      break;
    }
  }
}

void Tuning::gate(const Model& model) {
  const std::vector<Device*> devices = running();
  const CostModel costs(profiles_, &shape_);
  Engine engine(model.graph(), timeline_, devices, plan_, engine_options(), &costs);

  Progress progress("gate");
  GateOptions options;
  options.budget_seconds = std::max(kLeastGateSeconds, budget_seconds_ - to_ns(timeline_.now()) / 1e9);
  const Stage stage(*this, "gate", options.budget_seconds, cores_of(running_));
  plan_ = hetero::gate(engine, plan_, alternatives_, options, gate_hooks(progress, options.budget_seconds));
  if (!interrupted()) store_->put_plan(run_, plan_);
}

std::string Tuning::outcome_name() const {
  if (foreign_cores_ > kBusyCores) return "busy";
  return outcome_ == MeasureOutcome::kBudgetSpent ? "budget" : "done";
}

void Tuning::end(const std::string& outcome) {
  store_->add_stage(run_, {"run", to_ns(timeline_.now()) / 1e9, budget_seconds_});
  store_->end_run(run_, outcome);
  ended_ = true;
}

std::vector<std::unique_ptr<Device>> Tuning::opened() { return open_wanted(flags_, timeline_, store_.get()); }

std::vector<Device*> Tuning::running() {
  if (running_.empty()) running_ = opened();
  return pointers(running_);
}

MeasureHooks Tuning::measure_hooks(Progress& progress) {
  MeasureHooks hooks;
  hooks.store = [this](const std::vector<Sample>& samples) { store_->add_samples(run_, samples); };
  hooks.progress = [&](const MeasureProgress& p) { progress.update(p.fraction, p.now, p.seconds_left); };
  hooks.stop = interrupted;
  return hooks;
}

GateHooks Tuning::gate_hooks(Progress& progress, double budget_seconds) {
  GateHooks hooks;
  hooks.store = [this](const std::vector<Sample>& samples) { store_->add_samples(run_, samples); };
  hooks.progress = [this, &progress, budget_seconds, begin = timeline_.now()](double part, const std::string& now) {
    progress.update(part, now, budget_seconds - to_ns(timeline_.now() - begin) / 1e9);
  };
  hooks.stop = interrupted;
  return hooks;
}

EngineOptions Tuning::engine_options() const {
  const std::vector<std::int64_t> lengths = SolveOptions().buckets;
  const std::int64_t largest = *std::max_element(lengths.begin(), lengths.end());
  EngineOptions options;
  options.context = std::min(std::max<std::int64_t>(1, shape_.max_context), largest + kRoomToDecode);
  options.max_rows = std::min(largest, options.context);
  return options;
}

// Devices of one family share what is found. In turn the most important of each device, the second ones and so on.
std::vector<Tuning::Search> Tuning::open_searches() {
  const std::vector<std::unique_ptr<Device>> devices = opened();
  std::vector<std::vector<SearchTask>> tasks;
  std::size_t most = 0;
  for (const auto& device : devices) {
    tasks.push_back(search_tasks(shape_, *device, store_->kernel_choices()));
    most = std::max(most, tasks.back().size());
  }
  std::vector<Search> searches;
  for (std::size_t rank = 0; rank < most; ++rank) {
    for (std::size_t d = 0; d < devices.size(); ++d) {
      if (rank >= tasks[d].size()) continue;
      const SearchTask& task = tasks[d][rank];
      const std::string& family = devices[d]->facts().family_fingerprint;
      const bool planned = std::any_of(searches.begin(), searches.end(), [&](const Search& s) {
        return s.family == family && s.task.variant == task.variant &&
               shape_class_of(s.task.op) == shape_class_of(task.op);
      });
      if (!planned) searches.push_back({devices[d]->facts().id, family, task});
    }
  }
  return searches;
}

int Tuning::resume(std::vector<Subject>& subjects, const std::vector<std::unique_ptr<Device>>& devices) const {
  std::map<std::tuple<SampleKind, std::string, std::string, std::string>, int> have;
  for (const auto& device : devices) {
    for (const Sample& s : samples_of(*store_, *device)) {
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

}  // namespace hetero
