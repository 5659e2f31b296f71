#include "tuner/apps/simulate_run.h"

#include <algorithm>
#include <functional>
#include <map>
#include <utility>

#include "base/error.h"
#include "runtime/device/sim/sim_provider.h"
#include "runtime/device/sim/sim_system.h"
#include "runtime/llm/engine.h"
#include "runtime/model/decoder_graph.h"
#include "tuner/rehearse/rehearsed_plan.h"

namespace hetero {
namespace {

Plan solved(const Scenario& scenario, const ModelShape& shape, const CostModel& costs, std::int64_t prompt,
            std::int64_t generate) {
  std::vector<SolveDevice> devices;
  for (const DeviceProfile& p : scenario.profiles) devices.push_back(solve_device(p));
  SolveOptions options;
  options.buckets = scenario.steps;
  options.decode_context = prompt + generate / 2;
  options.strategies = scenario.strategies;
  options.grid = scenario.grid;
  Plan plan = rehearsed_plan(shape, costs, devices, options);
  plan.origin = "simulated";
  return plan;
}

// A model that runs on simulated devices, and the account of what each step made them do.
class Simulation {
 public:
  Simulation(const Scenario& scenario, const ModelShape& shape, const Graph& graph, const Plan& plan,
             const CostModel& costs, std::int64_t context, KeepTrace keep)
      : scenario_(scenario), keep_(keep) {
    DeviceContext device_context;
    device_context.timeline = &timeline_;
    std::vector<Device*> pointers;
    for (const std::string& name : scenario.devices) {
      devices_.push_back(open_sim_device(scenario.system, name, device_context, &shape));
      pointers.push_back(devices_.back().get());
      trace_.devices.push_back(devices_.back()->facts().id);
    }
    trace_.simulated = true;
    EngineOptions options;
    options.context = context;
    options.max_rows = scenario.steps.front();
    engine_.emplace(graph, timeline_, pointers, plan, options, &costs);
    engine_->set_trace(&trace_);
    std::map<SimDevice*, SimDevice::Limits> limits;
    for (const Fault& fault : scenario_.faults) {
      SimDevice& device = device_of(fault);
      if (fault.kind == FaultKind::kCompileFailure) limits[&device].failing_graph = fault.graph;
      if (fault.kind == FaultKind::kOutOfMemory) limits[&device].weight_bytes = fault.bytes;
    }
    for (const auto& [device, own] : limits) device->set_limits(own);
  }

  // From now on, the prompt is there.
  void start_faults() {
    SimSystem& shared = SimSystem::on(timeline_, scenario_.system.name, nullptr);
    for (const Fault& fault : scenario_.faults) {
      const std::string profile = profile_of(fault);
      const auto at = [&](double ns, std::function<void()> change) {
        timeline_.schedule(timeline_.now() + nanos_from(ns), std::move(change));
      };
      const auto marked = [this, &fault, id = device_of(fault).facts().id] { mark(fault, id); };
      if (fault.kind == FaultKind::kSlow) {
        at(fault.from_ns, [&shared, profile, marked, factor = fault.factor] {
          marked();
          shared.slow_down(profile, factor);
        });
        if (fault.for_ns > 0) {
          at(fault.from_ns + fault.for_ns,
             [&shared, profile, factor = fault.factor] { shared.slow_down(profile, 1 / factor); });
        }
      } else if (fault.kind == FaultKind::kLost) {
        at(fault.from_ns, [&shared, profile, marked] {
          marked();
          shared.lose(profile);
        });
      }
    }
  }

  // After an Error: the limits that devices have run into. What was under way ended there.
  void close_after_failure() {
    for (Span& span : trace_.spans) {
      if (span.end_ns == 0) span.start_ns = span.end_ns = to_ns(timeline_.now());
    }
    for (const Fault& fault : scenario_.faults) {
      const SimDevice& device = device_of(fault);
      const bool hit = (fault.kind == FaultKind::kCompileFailure && device.compile_failed()) ||
                       (fault.kind == FaultKind::kOutOfMemory && device.out_of_memory());
      if (hit) mark(fault, device.facts().id);
    }
  }

  // Graphs are made and weights packed before the prompt is there. The time that takes.
  double warm_up() {
    const Nanos begin = timeline_.now();
    for (std::size_t i = 0; i < scenario_.steps.size(); ++i) {
      engine_->warm_up(scenario_.steps[i], i + 1 == scenario_.steps.size() ? LogitsRows::kLast : LogitsRows::kNone);
    }
    engine_->warm_up(1, LogitsRows::kLast);
    return to_ns(timeline_.now() - begin);
  }

  // Appends `rows` tokens to the sequence, in one step or several.
  void run(std::int64_t rows, PhaseRun& phase) {
    const Nanos begin = timeline_.now();
    const std::vector<double> before = bytes_until_now();
    const std::size_t first_span = trace_.spans.size();
    engine_->run(std::vector<TokenId>(static_cast<std::size_t>(rows), 0), LogitsRows::kLast);
    phase.tokens += rows;
    phase.total_ns += to_ns(timeline_.now() - begin);
    const std::vector<double> after = bytes_until_now();
    phase.devices.resize(devices_.size());
    for (std::size_t d = 0; d < devices_.size(); ++d) {
      phase.devices[d].device = trace_.devices[d];
      phase.devices[d].streamed_bytes += after[d] - before[d];
    }
    account(first_span, phase);
    if (keep_ == KeepTrace::kNo) trace_.spans.clear();
  }

  Trace take_trace() { return std::move(trace_); }

 private:
  SimDevice& device_of(const Fault& fault) const {
    for (std::size_t d = 0; d < devices_.size(); ++d) {
      if (scenario_.devices[d] == fault.device) return *devices_[d];
    }
    throw input_error("a fault names device '" + fault.device + "', which takes no part");
  }
  // The device's name in its system.
  std::string profile_of(const Fault& fault) const {
    for (const DeviceProfile& p : scenario_.system.devices) {
      if (short_name(p.device) == fault.device) return p.device;
    }
    return fault.device;
  }
  void mark(const Fault& fault, const std::string& device) {
    if (keep_ == KeepTrace::kAll) trace_.marks.push_back({to_ns(timeline_.now()), device, words(fault)});
  }

  std::vector<double> bytes_until_now() const {
    std::vector<double> bytes;
    for (const auto& device : devices_) bytes.push_back(device->streamed_bytes());
    return bytes;
  }

  void account(std::size_t first_span, PhaseRun& phase) const {
    phase.example.clear();
    const std::int64_t first_step = trace_.spans[first_span].step;
    for (std::size_t i = first_span; i < trace_.spans.size(); ++i) {
      const Span& span = trace_.spans[i];
      const auto use = std::find_if(phase.devices.begin(), phase.devices.end(),
                                    [&](const DeviceUse& u) { return u.device == span.device; });
      use->busy_ns += span.end_ns - span.start_ns;
      phase.joins += static_cast<std::int64_t>(span.waits_on.size());
      if (span.step == first_step) phase.example.push_back(span);
    }
    phase.steps += trace_.spans.back().step - first_step + 1;
  }

  const Scenario& scenario_;
  KeepTrace keep_;
  VirtualTimeline timeline_;
  std::vector<std::unique_ptr<SimDevice>> devices_;
  std::optional<Engine> engine_;
  Trace trace_;
};

std::optional<double> energy_of(const PhaseRun& phase, const CostModel& costs) {
  double joules = 0;
  for (const DeviceUse& use : phase.devices) {
    if (use.busy_ns == 0) continue;
    const double watts = costs.profile(use.device).watts.value;
    if (watts == 0) return std::nullopt;
    joules += watts * use.busy_ns * 1e-9;
  }
  return joules;
}

}  // namespace

SimulatedRun run_scenario(const Scenario& scenario, const ModelShape& shape, const std::optional<Plan>& plan,
                          std::int64_t prompt, std::int64_t generate, KeepTrace keep) {
  const CostModel costs(scenario.profiles, &shape);
  const Graph graph = graph_from_shape(shape);
  SimulatedRun run;
  run.plan = plan ? *plan : solved(scenario, shape, costs, prompt, generate);
  Simulation simulation(scenario, shape, graph, run.plan, costs, prompt + generate, keep);
  try {
    run.compile_ns = simulation.warm_up();
    simulation.start_faults();
    simulation.run(prompt, run.prefill);
    run.prefill.total_ns += scenario.graph_generation_ns;
    for (std::int64_t i = 0; i < generate; ++i) simulation.run(1, run.decode);
  } catch (const Error& error) {
    if (scenario.faults.empty()) throw;
    simulation.close_after_failure();
    run.failure = error.what();
  }
  run.prefill.energy_j = energy_of(run.prefill, costs);
  run.decode.energy_j = energy_of(run.decode, costs);
  if (keep == KeepTrace::kAll) run.trace = simulation.take_trace();
  return run;
}

}  // namespace hetero
