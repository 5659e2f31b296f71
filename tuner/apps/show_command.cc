// hetero-tune show: what the database holds, or how far its last run can be trusted; tables fit 100 columns.
#include <cstdio>
#include <nlohmann/json.hpp>

#include "tuner/apps/kernel_choice.h"
#include "tuner/apps/quality.h"
#include "tuner/apps/table.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

struct Shown {
  std::vector<Store::RunRow> runs;
  std::vector<DeviceProfile> profiles;
  std::vector<KernelChoice> kernels;
  std::vector<ShapeChoice> by_shape;
  std::vector<std::pair<std::string, Plan>> plans;  // model name, plan
  std::int64_t samples = 0;
};

Shown collect(const Store& store) {
  Shown shown;
  shown.runs = store.runs();
  shown.samples = store.sample_count();
  for (Store::ProfileRow& row : store.profiles()) shown.profiles.push_back(std::move(row.profile));
  shown.kernels = store.kernel_choices();
  shown.by_shape = stored_choices(store);
  for (Store::PlanRow& row : store.plans()) {
    const std::optional<ModelShape> shape = store.shape(row.plan.model_fingerprint);
    const std::string model = shape && !shape->name.empty() ? shape->name : row.plan.model_fingerprint;
    shown.plans.emplace_back(model, std::move(row.plan));
  }
  return shown;
}

std::string devices_of(const Plan& plan) {
  std::string text;
  for (const std::string& id : plan.devices) text += (text.empty() ? "" : " + ") + id;
  return text;
}

void print_tables(const Shown& shown) {
  Table runs({"run", "started", "outcome", "samples", "command"});
  for (const Store::RunRow& r : shown.runs) {
    runs.add({std::to_string(r.id), r.info.started_utc, r.outcome.empty() ? "unfinished" : r.outcome,
              std::to_string(r.samples), shortened(r.info.command, 48)});
  }
  std::printf("%s\n", runs.text().c_str());

  Table profiles({"device", "kind", "stream GB/s", "launch", "join (best)", "weights", "name"});
  const CostModel costs(shown.profiles);
  for (const DeviceProfile& p : shown.profiles) {
    char rate[32];
    std::snprintf(rate, sizeof rate, "%.1f", p.bandwidth_gbps.value);
    std::string formats;
    for (const MatmulCurve& curve : p.matmul) formats += (formats.empty() ? "" : " ") + std::string(info(curve.w).name);
    const std::string waiter = costs.best_waiter(p.device);
    profiles.add({shortened(p.device, 24), p.kind, rate, format_duration_ns(p.launch_ns.value),
                  format_duration_ns(costs.join(p.device, waiter).median_ns) + " " + waiter, shortened(formats, 16),
                  shortened(p.name, 20)});
  }
  std::printf("%s\n", profiles.text().c_str());

  for (const KernelChoice& choice : shown.kernels) std::printf("%s\n", words(choice).c_str());
  for (const ShapeChoice& choice : shown.by_shape) std::printf("%s\n", words(choice).c_str());
  if (!shown.kernels.empty() || !shown.by_shape.empty()) std::printf("\n");

  for (const auto& [model, plan] : shown.plans) {
    std::printf("plan for %s on %s\n\n", model.c_str(), devices_of(plan).c_str());
    print_plan(plan);
    std::printf("\n");
  }
  if (shown.plans.empty()) std::printf("no plan yet: hetero-tune run --model FILE.gguf makes one\n");
}

}  // namespace

int run_show(const TuneFlags& flags) {
  const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadOnly);
  if (flags.quality) {
    const Quality quality = quality_of(*store);
    if (flags.output == Output::kJson) {
      print_quality_json(quality);
    } else {
      print_quality(quality);
    }
    return 0;
  }
  const Shown shown = collect(*store);
  if (flags.output == Output::kText) {
    print_tables(shown);
    return 0;
  }
  nlohmann::ordered_json document;
  document["database"] = database_path(flags);
  document["samples"] = shown.samples;
  document["runs"] = nlohmann::ordered_json::array();
  for (const Store::RunRow& r : shown.runs) {
    document["runs"].push_back({{"id", r.id},
                                {"started_utc", r.info.started_utc},
                                {"outcome", r.outcome},
                                {"samples", r.samples},
                                {"command", r.info.command},
                                {"cpu", r.info.cpu},
                                {"load_average", r.info.load_average}});
  }
  document["profiles"] = nlohmann::ordered_json::parse(to_json(SystemProfile{"measured", "", shown.profiles}));
  document["kernels"] = nlohmann::ordered_json::array();
  for (const KernelChoice& c : shown.kernels) {
    document["kernels"].push_back({{"variant", c.variant},
                                   {"revision", c.revision},
                                   {"family_fingerprint", c.family_fingerprint},
                                   {"subject", c.subject},
                                   {"params", c.params},
                                   {"best_ns", c.best_ns},
                                   {"default_ns", c.default_ns}});
  }
  document["by_shape"] = nlohmann::ordered_json::array();
  for (const ShapeChoice& c : shown.by_shape) {
    nlohmann::ordered_json timed = nlohmann::ordered_json::array();
    for (const TimedParams& t : c.timed) timed.push_back({{"params", t.params}, {"ns", t.ns}, {"samples", t.samples}});
    document["by_shape"].push_back({{"variant", c.variant},
                                    {"exact_fingerprint", c.exact_fingerprint},
                                    {"subject", canonical_text(c.op)},
                                    {"timed", std::move(timed)}});
  }
  document["plans"] = nlohmann::ordered_json::array();
  for (const auto& [model, plan] : shown.plans) {
    document["plans"].push_back({{"model", model}, {"plan", nlohmann::ordered_json::parse(to_json(plan))}});
  }
  std::printf("%s\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace hetero
