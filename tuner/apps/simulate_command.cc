// hetero-tune simulate: a model's shape on the devices of a system profile, solved and run by the real executor on a
// virtual timeline. No device and no weights are needed, and nothing here is a measurement. This file prints; the work
// is in simulate_scenario, simulate_run and simulate_lanes.
#include <cstdio>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "tuner/apps/simulate_lanes.h"
#include "tuner/apps/simulate_run.h"
#include "tuner/apps/simulate_scenario.h"
#include "tuner/apps/table.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

double per_second(double count, double ns) { return ns > 0 ? count / ns * 1e9 : 0; }
double per_token(const PhaseRun& phase, double amount) {
  return phase.tokens > 0 ? amount / static_cast<double>(phase.tokens) : 0;
}
double utilisation(const PhaseRun& phase, const DeviceUse& use) {
  return phase.total_ns > 0 ? use.busy_ns / phase.total_ns : 0;
}
// Bytes a nanosecond are 10^9 bytes a second.
double gbps(const PhaseRun& phase, double bytes) { return phase.total_ns > 0 ? bytes / phase.total_ns : 0; }

// How many blocks of the whole model run under each strategy.
std::map<std::string, int> strategy_counts(const Plan& plan, Phase phase, std::int64_t rows, const ModelShape& shape) {
  std::map<std::string, int> counts;
  const PlanBucket* const bucket = bucket_for(plan, phase, rows);
  if (bucket == nullptr) return counts;
  const auto count = [&](BlockKind kind, int layer) {
    if (const BlockPlan* division = block_plan_for(*bucket, kind, layer)) {
      ++counts[std::string(name_of(division->strategy))];
    }
  };
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (int kind = 0; kind < static_cast<int>(BlockKind::kHead); ++kind) count(static_cast<BlockKind>(kind), layer);
  }
  count(BlockKind::kHead, -1);
  return counts;
}

std::string counts_text(const std::map<std::string, int>& counts) {
  std::string text;
  for (const auto& [name, count] : counts) text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + name;
  return text;
}

std::string number(double value, int digits) {
  char text[48];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

void print_phase(const char* name, const PhaseRun& phase, const std::vector<std::string>& devices) {
  if (phase.tokens == 0) return;
  Table table({std::string(name) + ": device", "busy", "bandwidth"});
  double bytes = 0;
  for (const DeviceUse& use : phase.devices) {
    bytes += use.streamed_bytes;
    table.add({short_name(use.device), number(100 * utilisation(phase, use), 0) + " %",
               number(gbps(phase, use.streamed_bytes), 1) + " GB/s"});
  }
  if (phase.devices.size() > 1) table.add({"together", "", number(gbps(phase, bytes), 1) + " GB/s"});
  std::printf("%s", table.text().c_str());
  if (phase.energy_j) {
    std::printf("%.2f J, %.2f W, %.1f mJ a token (simulated; devices while active)\n", *phase.energy_j,
                *phase.energy_j / (phase.total_ns * 1e-9), per_token(phase, *phase.energy_j * 1e3));
  }
  std::printf("%s\n", lanes_text(phase.example, devices).c_str());
}

Json phase_json(const PhaseRun& phase) {
  Json devices = Json::array();
  for (const DeviceUse& use : phase.devices) {
    devices.push_back({{"device", use.device},
                       {"busy_ms", use.busy_ns / 1e6},
                       {"utilisation", utilisation(phase, use)},
                       {"gb_per_s", gbps(phase, use.streamed_bytes)}});
  }
  Json json = {{"steps", phase.steps}, {"joins", phase.joins}, {"devices", std::move(devices)}};
  json["energy_j"] = phase.energy_j ? Json(*phase.energy_j) : Json(nullptr);
  return json;
}

}  // namespace

int run_simulate(const TuneFlags& flags) {
  const Scenario scenario = make_scenario(flags);
  const ModelShape shape = load_shape(flags.shape);
  std::optional<Plan> given;
  if (!flags.plan.empty()) given = plan_from_json(read_file(flags.plan));
  const SimulatedRun run = run_scenario(scenario, shape, given, flags.prompt, flags.generate,
                                        flags.trace.empty() ? KeepTrace::kNo : KeepTrace::kAll);
  if (!flags.trace.empty()) write_file(flags.trace, to_chrome_json(run.trace));
  if (run.failure) {
    throw environment_error(*run.failure, flags.trace.empty() ? "--trace FILE keeps what happened until then"
                                                              : "'" + flags.trace + "' has what happened until then");
  }

  std::vector<std::string> devices;
  for (const DeviceUse& use : run.prefill.devices) devices.push_back(use.device);
  const double prefill_rate = per_second(static_cast<double>(run.prefill.tokens), run.prefill.total_ns);
  const double decode_rate = per_second(static_cast<double>(run.decode.tokens), run.decode.total_ns);
  const double tpot_ns = per_token(run.decode, run.decode.total_ns);
  const auto prefill_counts = strategy_counts(run.plan, Phase::kPrefill, scenario.steps.front(), shape);
  const auto decode_counts = strategy_counts(run.plan, Phase::kDecode, 1, shape);
  if (flags.output == Output::kText) {
    std::printf("simulated: %s on %s\n", shape.name.c_str(), scenario.system.title.c_str());
    std::printf("prefill %lld tokens: %.1f tok/s, first token after %s (%s)\n", static_cast<long long>(flags.prompt),
                prefill_rate, format_duration_ns(run.prefill.total_ns).c_str(), counts_text(prefill_counts).c_str());
    if (flags.generate > 0) {
      std::printf("decode: %.2f tok/s, %s a token (%s)\n", decode_rate, format_duration_ns(tpot_ns).c_str(),
                  counts_text(decode_counts).c_str());
    }
    std::printf("\n");
    print_phase("prefill", run.prefill, devices);
    if (flags.generate > 0) print_phase("decode", run.decode, devices);
    print_plan(run.plan);
    return 0;
  }
  Json document;
  document["provenance"] = "simulated";
  document["profile"] = scenario.system.name;
  document["shape"] = shape.name;
  document["devices"] = devices;
  document["sync"] = flags.sync;
  document["strategy"] = flags.strategy;
  document["graphs"] = {{"manner", flags.graphs},
                        {"generated_ms", scenario.graph_generation_ns / 1e6},
                        {"compiled_before_ms", run.compile_ns / 1e6}};
  document["prefill"] = {{"tokens", flags.prompt},
                         {"tok_per_s", prefill_rate},
                         {"ttft_ms", run.prefill.total_ns / 1e6},
                         {"strategy_counts", prefill_counts}};
  document["prefill"].update(phase_json(run.prefill));
  document["decode"] = {{"tokens", flags.generate},
                        {"tok_per_s", decode_rate},
                        {"tpot_ms", tpot_ns / 1e6},
                        {"strategy_counts", decode_counts}};
  document["decode"].update(phase_json(run.decode));
  const bool known = run.prefill.energy_j && run.decode.energy_j;
  document["energy_j"] = known ? Json(*run.prefill.energy_j + *run.decode.energy_j) : Json(nullptr);
  document["plan"] = Json::parse(to_json(run.plan));
  std::printf("%s\n", document.dump(2).c_str());
  return 0;
}

}  // namespace hetero
