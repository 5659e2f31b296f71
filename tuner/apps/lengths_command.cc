// hetero-tune lengths: what becomes of prompts that fit no graph. For each length, the time of one prefill on a static
// device and one that takes any number of rows, measured in turn: a graph made for exactly this length when the prompt
// is there, the prompt padded to the next size, a pipe of whole graphs, and what the solver chooses for this length.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/log.h"
#include "base/progress.h"
#include "base/statistics.h"
#include "runtime/device/size_list.h"
#include "runtime/llm/engine.h"
#include "runtime/model/model.h"
#include "tuner/apps/interrupt.h"
#include "tuner/apps/table.h"
#include "tuner/apps/tune_common.h"
#include "tuner/solve/graph_sizes.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

// Of a graph on demand: each costs a compilation of the whole model.
constexpr int kMostDemandRounds = 3;

struct Manner {
  std::string name;
  Plan plan;
  std::vector<double> ns;
};

struct Setting {
  ModelShape shape;
  std::vector<DeviceProfile> profiles;
  std::size_t fixed = 0;    // the static device
  std::size_t dynamic = 0;  // the other
  std::vector<std::int64_t> sizes;

  const std::string& id(std::size_t device) const { return profiles[device].device; }
};

std::vector<std::int64_t> lengths_of(const TuneFlags& flags, const ModelShape& shape) {
  std::vector<std::int64_t> lengths = parse_size_list(flags.lengths);
  for (const std::int64_t length : lengths) {
    if (length > shape.max_context || length < 2) {
      throw usage_error("a prompt of " + std::to_string(length) + " tokens is not possible with this model",
                        "give lengths from 2 to " + std::to_string(shape.max_context));
    }
  }
  return lengths;
}

Setting setting_of(const TuneFlags& flags, const ModelShape& shape) {
  Setting setting;
  setting.shape = shape;
  RealTimeline timeline;
  const std::unique_ptr<Store> store = open_store(flags, StoreAccess::kReadOnly);
  const auto devices = open_wanted(flags, timeline, store.get());
  setting.profiles = stored_profiles(*store, devices);
  const auto find = [&](auto&& wanted) {
    const auto it = std::find_if(setting.profiles.begin(), setting.profiles.end(), wanted);
    if (it == setting.profiles.end()) {
      throw usage_error("lengths compares a static device with one that takes any number of rows",
                        "name both, for example --devices cpu:0,openvino:CPU@1");
    }
    return static_cast<std::size_t>(it - setting.profiles.begin());
  };
  setting.fixed = find([](const DeviceProfile& p) { return !p.standard_sizes.empty(); });
  setting.dynamic = find([](const DeviceProfile& p) { return p.standard_sizes.empty(); });
  const DeviceProfile& fixed = setting.profiles[setting.fixed];
  setting.sizes = choose_graph_sizes(shape, CostModel(setting.profiles, &shape), solve_device(fixed), {});
  return setting;
}

// All that the static device can do on it, one way; attention and the head on the other device.
Plan plan_on_graphs(const Setting& setting, Strategy strategy, const std::vector<std::int64_t>& sizes) {
  Plan plan = single_device_plan(setting.id(setting.dynamic), "file");
  plan.devices = {setting.id(setting.dynamic), setting.id(setting.fixed)};
  plan.graph_sizes = {{setting.id(setting.fixed), sizes}};
  for (PlanBucket& bucket : plan.buckets) {
    if (bucket.phase != Phase::kPrefill) continue;
    for (BlockPlan& block : bucket.blocks) {
      if (block.block == BlockKind::kAttention || block.block == BlockKind::kHead) continue;
      block.strategy = strategy;
      block.features = {{setting.id(setting.fixed), 1}};
    }
  }
  return plan;
}

Plan solved(const Setting& setting, std::int64_t length) {
  std::vector<SolveDevice> devices;
  for (std::size_t d = 0; d < setting.profiles.size(); ++d) {
    devices.push_back(solve_device(setting.profiles[d]));
    if (d == setting.fixed) devices.back().standard_sizes = setting.sizes;
  }
  SolveOptions options;
  options.buckets = {length};
  Plan plan = solve(setting.shape, CostModel(setting.profiles, &setting.shape), devices, options).plan;
  const auto uses = [&](const std::string& id) {
    return std::find(plan.devices.begin(), plan.devices.end(), id) != plan.devices.end();
  };
  if (uses(setting.id(setting.fixed))) plan.graph_sizes[setting.id(setting.fixed)] = setting.sizes;
  return plan;
}

double prefill_ns(Engine& engine, Timeline& timeline, std::int64_t length) {
  const std::vector<TokenId> prompt(static_cast<std::size_t>(length), 1);
  engine.reset();
  const Nanos begin = timeline.now();
  engine.run(prompt, LogitsRows::kLast);
  return to_ns(timeline.now() - begin);
}

// From a device that has compiled nothing: the graphs of this length and the prefill.
double on_demand_ns(const TuneFlags& flags, const Setting& setting, const Model& model, std::int64_t length,
                    const EngineOptions& options) {
  RealTimeline timeline;
  DeviceContext context;  // without a cache of graphs
  context.timeline = &timeline;
  std::vector<DeviceSpec> specs = wanted_devices(flags);
  specs[setting.fixed].options["sizes"] = size_list_text({1, length});
  const auto devices = open_devices(specs, context);
  Engine engine(model.graph(), timeline, pointers(devices), plan_on_graphs(setting, Strategy::kSingle, {1, length}),
                options);
  engine.warm_up(1, LogitsRows::kLast);  // the weights of the head and of other devices
  const Nanos begin = timeline.now();
  engine.warm_up(length, LogitsRows::kLast);
  prefill_ns(engine, timeline, length);
  return to_ns(timeline.now() - begin);
}

std::string ms(const std::vector<double>& ns) {
  char text[64];
  std::snprintf(text, sizeof text, "%.1f +- %.1f", median_of(ns) / 1e6, mad_of(ns) / 1e6);
  return text;
}

std::string ratio(double a, double b) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f", b > 0 ? a / b : 0);
  return text;
}

Json figures(const std::vector<double>& ns) {
  Json samples = Json::array();
  for (const double v : ns) samples.push_back(v / 1e6);
  return {{"median", median_of(ns) / 1e6}, {"mad", mad_of(ns) / 1e6}, {"samples", samples}};
}

}  // namespace

int run_lengths(const TuneFlags& flags) {
  if (flags.model.empty()) throw usage_error("no model was given", "use --model FILE.gguf");
  const std::unique_ptr<Model> model = Model::load(flags.model);
  const std::vector<std::int64_t> lengths = lengths_of(flags, model->shape());
  const Setting setting = setting_of(flags, model->shape());
  EngineOptions options;
  options.context = lengths.back();
  options.max_rows = std::min<std::int64_t>(options.max_rows, options.context);
  watch_for_interrupt();

  Progress progress("lengths");
  const auto rounds = static_cast<std::size_t>(flags.rounds);
  const std::size_t demand_rounds = std::min<std::size_t>(rounds, kMostDemandRounds);
  Table table({"length", "on demand", "padded", "pipe", "solver", "solver / best other", "padded / solver"});
  Json document = Json::array();
  for (std::size_t i = 0; i < lengths.size() && !interrupted(); ++i) {
    const std::int64_t length = lengths[i];
    progress.update(static_cast<double>(i) / static_cast<double>(lengths.size()), std::to_string(length), 0);
    std::vector<double> demand;
    for (std::size_t r = 0; r < demand_rounds && !interrupted(); ++r) {
      demand.push_back(on_demand_ns(flags, setting, *model, length, options));
    }
    std::vector<Manner> manners = {{"padded", plan_on_graphs(setting, Strategy::kPad, setting.sizes), {}},
                                   {"pipe", plan_on_graphs(setting, Strategy::kSingle, setting.sizes), {}},
                                   {"solver", solved(setting, length), {}}};
    RealTimeline timeline;
    const auto devices = open_wanted(flags, timeline, open_store(flags, StoreAccess::kReadOnly).get());
    bool emulated = false;
    for (const auto& device : devices) emulated = emulated || device->facts().emulated;
    Engine engine(model->graph(), timeline, pointers(devices), manners.front().plan, options);
    for (std::size_t r = 0; r < rounds && !interrupted(); ++r) {
      for (std::size_t m = 0; m < manners.size(); ++m) {
        Manner& manner = manners[(r + m) % manners.size()];
        engine.set_plan(manner.plan);
        engine.warm_up(length, LogitsRows::kLast);
        manner.ns.push_back(prefill_ns(engine, timeline, length));
      }
    }
    if (manners.back().ns.empty()) break;
    const double solver = median_of(manners[2].ns);
    const double other = std::min({median_of(demand), median_of(manners[0].ns), median_of(manners[1].ns)});
    table.add({std::to_string(length), ms(demand), ms(manners[0].ns), ms(manners[1].ns), ms(manners[2].ns),
               ratio(solver, other), ratio(median_of(manners[0].ns), solver)});
    Json entry = {{"tokens", length}, {"emulated", emulated}, {"sizes", setting.sizes}};
    entry["on_demand_ms"] = figures(demand);
    for (const Manner& manner : manners) entry[manner.name + "_ms"] = figures(manner.ns);
    const PlanBucket& bucket = *bucket_for(manners[2].plan, Phase::kPrefill, length);
    entry["solver_predicted_ms"] = bucket.predicted_ns / 1e6;
    entry["solver"] = block_lines(bucket);
    document.push_back(std::move(entry));
  }
  if (flags.output == Output::kJson) {
    std::printf("%s\n", document.dump(2).c_str());
  } else {
    std::printf("prefill in ms, median +- MAD of %zu interleaved runs (on demand: %zu); graphs of %s rows\n%s", rounds,
                demand_rounds, size_list_text(setting.sizes).c_str(), table.text().c_str());
  }
  return interrupted() ? static_cast<int>(ExitCode::kCheckFailed) : 0;
}

}  // namespace hetero
