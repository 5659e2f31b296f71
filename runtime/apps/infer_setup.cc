#include "runtime/apps/infer_setup.h"

#include <sys/stat.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "profiles/store/store.h"
#include "runtime/device/default_devices.h"

namespace hetero {
namespace {

struct Choice {
  std::vector<DeviceSpec> specs;
  std::optional<Plan> plan;
  PlanSource source = PlanSource::kNone;
};

std::string list_text(const std::vector<std::string>& ids) {
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : ",") + id;
  return text;
}

bool exists(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0;
}

std::unique_ptr<Store> open_store(const InferFlags& flags) {
  const std::string path = flags.database.empty() ? Store::default_path() : flags.database;
  if (!exists(path)) {
    if (!flags.database.empty()) {
      throw environment_error("there is no database '" + path + "'", "'hetero-tune run --db " + path + "' makes it");
    }
    return nullptr;
  }
  return Store::open(path, StoreAccess::kReadOnly);
}

// For compiled programs, beside the default database; empty (none) where the user has no data folder.
std::string program_cache() {
  try {
    const std::string database = Store::default_path();
    return database.substr(0, database.rfind('/')) + "/programs";
  } catch (const Error&) {
    return "";
  }
}

// The plan is for the devices as they were when it was tuned; a new driver or kernel makes its figures void.
bool still_valid(const Plan& plan, const std::vector<std::unique_ptr<Device>>& devices) {
  for (const auto& device : devices) {
    const auto it = plan.device_fingerprints.find(device->facts().id);
    if (it != plan.device_fingerprints.end() && it->second != device->facts().exact_fingerprint) return false;
  }
  return true;
}

// The device that is the likeliest best alone: a GPU that is no CPU in disguise, else the cpu, else what there is.
const Device& likeliest_best(const std::vector<std::unique_ptr<Device>>& devices) {
  for (const auto& device : devices) {
    if (device->facts().kind == DeviceKind::kGpu && !device->facts().emulated) return *device;
  }
  for (const auto& device : devices) {
    if (device->facts().kind == DeviceKind::kCpu) return *device;
  }
  return *devices.front();
}

// `store`: null where there is none, or no plan is wanted.
Choice choose_devices(const InferFlags& flags, const Model& model, const Store* store) {
  Choice choice;
  if (!flags.devices.empty()) choice.specs = parse_device_list(flags.devices);
  if (flags.plan == "none") {
    if (choice.specs.empty()) choice.specs = parse_device_list("cpu");
    return choice;
  }
  if (flags.plan != "auto") {
    choice.plan = plan_from_json(read_file(flags.plan));
    choice.source = PlanSource::kFile;
    if (!choice.plan->model_fingerprint.empty() && choice.plan->model_fingerprint != fingerprint(model.shape())) {
      throw input_error("plan '" + flags.plan + "' was made for a model of another shape",
                        "tune this model: hetero-tune run --model " + flags.model);
    }
    if (choice.specs.empty()) choice.specs = parse_device_list(list_text(choice.plan->devices));
    return choice;
  }
  std::vector<DeviceSpec> wanted = choice.specs.empty() ? default_devices(discover_devices()) : choice.specs;
  if (store != nullptr) {
    std::vector<std::string> ids = ids_of(wanted);
    choice.plan = choice.specs.empty() ? store->plan_within(fingerprint(model.shape()), ids)
                                       : store->plan(fingerprint(model.shape()), ids);
  }
  if (choice.plan.has_value()) {
    choice.source = PlanSource::kTuned;
    choice.specs = wanted;
  } else if (choice.specs.empty()) {
    choice.specs = parse_device_list("cpu");
  }
  return choice;
}

}  // namespace

std::string_view name_of(PlanSource source) {
  switch (source) {
    case PlanSource::kTuned:
      return "tuned";
    case PlanSource::kSingle:
      return "single";
    case PlanSource::kNone:
      return "none";
    case PlanSource::kFile:
      return "file";
  }
  return "none";
}

std::vector<std::string> InferSetup::device_ids() const {
  std::vector<std::string> ids;
  for (const auto& device : devices) ids.push_back(device->facts().id);
  return ids;
}

std::unique_ptr<Model> load_model(const InferFlags& flags) {
  if (flags.model.empty()) {
    throw usage_error("no model was given", "use --model FILE.gguf; scripts/fetch_model.sh gets a small one");
  }
  return Model::load(flags.model);
}

std::int64_t context_of(const InferFlags& flags, const Model& model) {
  const std::int64_t trained = model.graph().max_context;
  if (flags.context == 0) return std::min<std::int64_t>(trained, 4096);
  if (flags.context > trained) {
    throw usage_error(
        "--context " + std::to_string(flags.context) + " is more than the model's " + std::to_string(trained),
        "leave it out or give less");
  }
  return flags.context;
}

const Tokenizer& tokenizer_of(const Model& model) {
  if (model.tokenizer() == nullptr) {
    throw input_error("model '" + model.path() + "' has no vocabulary", "only --bench can run it");
  }
  return *model.tokenizer();
}

InferSetup set_up(const InferFlags& flags, std::unique_ptr<Model> model, std::int64_t context,
                  std::int64_t max_logits_rows, std::int64_t max_rows) {
  InferSetup setup;
  setup.model = std::move(model);
  const std::unique_ptr<Store> store = flags.plan == "none" ? nullptr : open_store(flags);
  Choice choice = choose_devices(flags, *setup.model, store.get());
  setup.timeline = std::make_unique<RealTimeline>();
  DeviceContext device_context;
  device_context.timeline = setup.timeline.get();
  device_context.kernels.worst = flags.precision == "f32" ? ToleranceClass::kF32 : ToleranceClass::kQ8;
  if (store != nullptr) {
    device_context.tuned = tuned_kernels(store->kernel_choices());
    device_context.by_shape = shape_choices(store->samples({.kind = SampleKind::kVariant}));
  }
  device_context.cache_dir = program_cache();
  setup.devices = open_devices(choice.specs, device_context);
  std::vector<Device*> borrowed;
  for (const auto& device : setup.devices) {
    borrowed.push_back(device.get());
    setup.emulated = setup.emulated || device->facts().emulated;
    if (!device->facts().computes && flags.bench.empty()) {
      log_warning("device '" + device->facts().id + "' computes no numbers: the answer means nothing; add " +
                  "'?compute=reference' to its name");
    }
  }
  const bool outdated = choice.source == PlanSource::kTuned && !still_valid(*choice.plan, setup.devices);
  if (outdated) choice.plan.reset();
  if (choice.source == PlanSource::kFile && !still_valid(*choice.plan, setup.devices)) {
    log_warning("plan '" + flags.plan +
                "' was made on another device, or with other drivers or kernels: it may be slow");
  }
  if (!choice.plan.has_value()) {
    const Device& best = likeliest_best(setup.devices);
    choice.plan = single_device_plan(best.facts().id, "guess");
    choice.source = PlanSource::kNone;
    if (outdated && flags.precision == "f32") {
      // Kernels of another precision take other times.
      log_warning("the tuned plan is for 8-bit activations: with --precision f32 " + best.facts().id + " runs alone");
    } else if (outdated) {
      log_warning("the tuned plan was made with other drivers or kernels: " + best.facts().id +
                  " runs alone; tune again: hetero-tune run --model " + flags.model);
    } else if (flags.plan == "auto") {
      log_note("no tuned plan for this model on " + list_text(setup.device_ids()) + ": running on " + best.facts().id +
               " alone; 'hetero-tune run --model " + flags.model + "' finds the best division");
    }
  }
  setup.plan = *choice.plan;
  setup.source = choice.source;
  if (store != nullptr) {
    std::vector<DeviceProfile> profiles;
    for (const auto& device : setup.devices) {
      if (auto p = store->profile(device->facts().id, device->facts().exact_fingerprint)) profiles.push_back(*p);
    }
    if (!profiles.empty()) setup.costs = std::make_unique<CostModel>(std::move(profiles), &setup.model->shape());
  }
  EngineOptions options;
  options.context = context;
  options.max_logits_rows = max_logits_rows;
  if (max_rows > 0) options.max_rows = max_rows;
  setup.engine =
      std::make_unique<Engine>(setup.model->graph(), *setup.timeline, borrowed, setup.plan, options, setup.costs.get());
  return setup;
}

}  // namespace hetero
