// hetero-tune run, measure, fit, solve: the stages, one after another or alone. Each reads what the one before stored.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "runtime/model/model.h"
#include "tuner/apps/interrupt.h"
#include "tuner/apps/tune_common.h"
#include "tuner/apps/tuning.h"

namespace hetero {
namespace {

// Of the budget, for ops by themselves, and until whole steps are timed; the gate has the rest and whatever they leave.
constexpr double kMeasurePart = 0.55;
constexpr double kStepsUntil = 0.7;

int say_interrupted(const TuneFlags& flags) {
  log_note("interrupted; what was measured is in " + database_path(flags) + ", the same command goes on from there");
  return static_cast<int>(ExitCode::kCheckFailed);
}

void say_if_busy(const Tuning& tuning) {
  if (tuning.outcome_name() != "busy") return;
  char cores[32];
  std::snprintf(cores, sizeof cores, "%.1f", tuning.foreign_cores());
  log_warning(std::string("not trustworthy: other processes kept ") + cores +
              " of the devices' cores busy while it ran; stop them and give the same command again");
}

void print_result(const TuneFlags& flags, const Tuning& tuning) {
  if (flags.output == Output::kJson) {
    nlohmann::ordered_json document;
    document["outcome"] = tuning.outcome_name();
    document["foreign_cores"] = tuning.foreign_cores();
    document["database"] = database_path(flags);
    document["plan"] = nlohmann::ordered_json::parse(to_json(tuning.plan()));
    std::printf("%s\n", document.dump(2).c_str());
    return;
  }
  print_plan(tuning.plan());
  say_if_busy(tuning);
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
  if (!tuning.search_kernels() || !tuning.choose_by_shape() || !tuning.measure(kMeasurePart) ||
      !tuning.time_steps(*model, kStepsUntil)) {
    return say_interrupted(flags);
  }
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
  if (!tuning.choose_by_shape() || !tuning.measure(1)) return say_interrupted(flags);
  tuning.end(tuning.outcome_name());
  say_if_busy(tuning);
  log_note(tuning.outcome_name() != "budget" ? "everything has been measured; next: hetero-tune fit"
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
