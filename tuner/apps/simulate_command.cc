// hetero-tune simulate: a model's shape on the devices of a system profile, solved and run by the real executor on a
// virtual timeline. No device and no weights are needed, and nothing here is a measurement.
#include <algorithm>
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "runtime/llm/engine.h"
#include "runtime/model/decoder_graph.h"
#include "tuner/apps/tune_common.h"

namespace hetero {
namespace {

constexpr std::int64_t kMostRows = 1024;  // of one prefill step, as in EngineOptions
const char* const kPrefix = "sim:";

// The profile under the name that its simulated device has in plans.
DeviceProfile renamed(DeviceProfile p) {
  p.device = kPrefix + p.device;
  std::map<std::string, Figure> together;
  for (const auto& [other, figure] : p.bandwidth_together_gbps) together[kPrefix + other] = figure;
  p.bandwidth_together_gbps = std::move(together);
  for (Slowdown& slowdown : p.slowdowns) {
    for (std::string& other : slowdown.with) other = kPrefix + other;
  }
  return p;
}

// "npu" is short for "sim:<system>/npu".
std::string short_name(const DeviceProfile& p) { return p.device.substr(p.device.rfind('/') + 1); }

std::vector<DeviceProfile> chosen_profiles(const TuneFlags& flags, const SystemProfile& system) {
  std::vector<DeviceProfile> chosen;
  if (flags.devices.empty()) {
    for (const DeviceProfile& p : system.devices) chosen.push_back(renamed(p));
    return chosen;
  }
  for (const DeviceSpec& spec : parse_device_list(flags.devices)) {
    const auto found = std::find_if(system.devices.begin(), system.devices.end(), [&](const DeviceProfile& p) {
      return spec.text == short_name(p) || spec.text == p.device || spec.text == kPrefix + p.device;
    });
    if (found == system.devices.end()) {
      std::string known;
      for (const DeviceProfile& p : system.devices) known += (known.empty() ? "" : ", ") + short_name(p);
      throw usage_error("'" + spec.text + "' is not a device of profile '" + system.name + "'", "it has " + known);
    }
    chosen.push_back(renamed(*found));
  }
  return chosen;
}

// How many blocks of the whole model run under each strategy.
nlohmann::ordered_json strategy_counts(const Plan& plan, Phase phase, std::int64_t rows, const Graph& graph) {
  nlohmann::ordered_json counts = nlohmann::ordered_json::object();
  const PlanBucket* const bucket = bucket_for(plan, phase, rows);
  if (bucket == nullptr) return counts;
  std::map<Strategy, int> found;
  for (const Block& block : graph.blocks) {
    if (const BlockPlan* division = block_plan_for(*bucket, block.kind, block.layer)) ++found[division->strategy];
  }
  for (const auto& [strategy, count] : found) counts[std::string(name_of(strategy))] = count;
  return counts;
}

std::string counts_text(const nlohmann::ordered_json& counts) {
  std::string text;
  for (const auto& [name, count] : counts.items())
    text += (text.empty() ? "" : ", ") + std::to_string(count.get<int>()) + " " + name;
  return text;
}

struct Figures {
  double prefill_ns = 0;
  double decode_ns = 0;  // of one token
};

Figures run_once(Engine& engine, std::int64_t prompt, std::int64_t generate) {
  const Timeline& timeline = engine.executor().timeline();
  const std::vector<TokenId> tokens(static_cast<std::size_t>(prompt), 0);
  engine.warm_up(prompt, LogitsRows::kLast);
  engine.warm_up(1, LogitsRows::kLast);
  Figures figures;
  const Nanos begin = timeline.now();
  engine.run(tokens, LogitsRows::kLast);
  const Nanos first = timeline.now();
  for (std::int64_t i = 0; i < generate; ++i) engine.run(std::span(tokens).first(1), LogitsRows::kLast);
  figures.prefill_ns = to_ns(first - begin);
  if (generate > 0) figures.decode_ns = to_ns(timeline.now() - first) / static_cast<double>(generate);
  return figures;
}

double per_second(double count, double ns) { return ns > 0 ? count / ns * 1e9 : 0; }

}  // namespace

int run_simulate(const TuneFlags& flags) {
  const SystemProfile system = load_system(flags.profile);
  const ModelShape shape = load_shape(flags.shape);
  const std::vector<DeviceProfile> profiles = chosen_profiles(flags, system);
  const CostModel costs(profiles);

  std::vector<SolveDevice> solve_devices;
  std::string list;
  // The provider knows a shipped profile by its name and any other by its file.
  const std::string source = shipped_system_profile(flags.profile) != nullptr ? system.name : flags.profile;
  for (const DeviceProfile& p : profiles) {
    solve_devices.push_back(solve_device(p));
    list += (list.empty() ? "" : ",") + (kPrefix + source + "/" + p.device.substr(p.device.rfind('/') + 1));
  }
  SolveOptions options;
  options.buckets = {std::min(flags.prompt, kMostRows)};
  options.decode_context = flags.prompt + flags.generate / 2;
  Plan plan = solve(shape, costs, solve_devices, options).plan;
  plan.origin = "simulated";

  VirtualTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  const std::vector<std::unique_ptr<Device>> devices = open_devices(parse_device_list(list), context);
  std::vector<Device*> pointers;
  for (const auto& device : devices) pointers.push_back(device.get());
  const Graph graph = graph_from_shape(shape);
  EngineOptions engine_options;
  engine_options.context = flags.prompt + flags.generate;
  engine_options.max_rows = std::min(flags.prompt, kMostRows);
  Engine engine(graph, timeline, pointers, plan, engine_options, &costs);
  Trace trace;
  trace.simulated = true;
  for (const auto& device : devices) trace.devices.push_back(device->facts().id);
  if (!flags.trace.empty()) engine.set_trace(&trace);
  const Figures figures = run_once(engine, flags.prompt, flags.generate);
  if (!flags.trace.empty()) write_file(flags.trace, to_chrome_json(trace));

  const double prefill_rate = per_second(static_cast<double>(flags.prompt), figures.prefill_ns);
  const double decode_rate = per_second(1, figures.decode_ns);
  const nlohmann::ordered_json prefill_counts = strategy_counts(plan, Phase::kPrefill, engine_options.max_rows, graph);
  const nlohmann::ordered_json decode_counts = strategy_counts(plan, Phase::kDecode, 1, graph);
  if (flags.output == Output::kText) {
    std::printf("simulated: %s on %s\n", shape.name.c_str(), system.title.c_str());
    std::printf("prefill %lld tokens: %.1f tok/s, first token after %s (%s)\n", static_cast<long long>(flags.prompt),
                prefill_rate, format_duration_ns(figures.prefill_ns).c_str(), counts_text(prefill_counts).c_str());
    std::printf("decode: %.2f tok/s, %s a token (%s)\n\n", decode_rate, format_duration_ns(figures.decode_ns).c_str(),
                counts_text(decode_counts).c_str());
    print_plan(plan);
    return 0;
  }
  nlohmann::ordered_json document;
  document["provenance"] = "simulated";
  document["profile"] = system.name;
  document["shape"] = shape.name;
  document["devices"] = trace.devices;
  document["prefill"] = {{"tokens", flags.prompt},
                         {"tok_per_s", prefill_rate},
                         {"ttft_ms", figures.prefill_ns / 1e6},
                         {"strategy_counts", prefill_counts}};
  document["decode"] = {{"tokens", flags.generate},
                        {"tok_per_s", decode_rate},
                        {"tpot_ms", figures.decode_ns / 1e6},
                        {"strategy_counts", decode_counts}};
  document["energy_j"] = nullptr;
  document["plan"] = nlohmann::ordered_json::parse(to_json(plan));
  std::printf("%s\n", document.dump(2).c_str());
  return 0;
}

}  // namespace hetero
