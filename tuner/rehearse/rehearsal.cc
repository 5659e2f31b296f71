#include "tuner/rehearse/rehearsal.h"

#include <algorithm>
#include <utility>

#include "runtime/device/sim/sim_device.h"
#include "runtime/device/sim/sim_system.h"
#include "runtime/exec/executor.h"
#include "runtime/model/decoder_graph.h"

namespace hetero {
namespace {

DeviceFacts facts_of(const DeviceProfile& profile) {
  DeviceFacts facts;
  facts.id = profile.device;
  facts.name = "rehearsed " + profile.name;
  facts.standard_sizes = profile.standard_sizes;
  facts.feature_align = std::max<std::int64_t>(1, profile.feature_align);
  facts.memory_bytes = profile.memory_bytes;
  facts.emulated = true;
  facts.computes = false;
  return facts;
}

StepArenaSizes sizes_for(const std::vector<DeviceProfile>& profiles, std::int64_t max_rows, std::int64_t context) {
  StepArenaSizes sizes;
  sizes.max_rows = max_rows;
  sizes.max_context = std::max(max_rows, context);
  sizes.devices = static_cast<int>(profiles.size());
  for (const DeviceProfile& profile : profiles) {
    for (const std::int64_t size : profile.standard_sizes) sizes.pad_rows = std::max(sizes.pad_rows, size);
  }
  return sizes;
}

}  // namespace

struct Rehearsal::Stage {
  Stage(const ModelShape& shape, const std::vector<DeviceProfile>& profiles, std::int64_t max_rows,
        std::int64_t context)
      : graph(graph_from_shape(shape)), arena(graph, sizes_for(profiles, max_rows, context)) {
    const auto costs = std::make_shared<const CostModel>(profiles, &shape);
    SimSystem& system = SimSystem::on(timeline, "rehearsal", costs);
    for (const DeviceProfile& profile : profiles) {
      auto queue = std::make_unique<VirtualQueue>(timeline, system, profile.device);
      devices.push_back(std::make_unique<SimDevice>(facts_of(profile), profile.device, SimCompute::kNone, costs,
                                                    timeline, std::move(queue)));
      devices.back()->attach(arena.arena());
      pointers.push_back(devices.back().get());
      facts.push_back(&devices.back()->facts());
    }
  }

  Graph graph;
  StepArena arena;
  VirtualTimeline timeline;
  std::vector<std::unique_ptr<SimDevice>> devices;
  std::vector<Device*> pointers;
  std::vector<const DeviceFacts*> facts;
};

Rehearsal::Rehearsal(const ModelShape& shape, const std::vector<DeviceProfile>& profiles, std::int64_t max_rows,
                     std::int64_t context)
    : stage_(std::make_unique<Stage>(shape, profiles, max_rows, context)) {}

Rehearsal::~Rehearsal() = default;

double Rehearsal::step_ns(const PlanBucket& bucket, std::int64_t position) {
  Executor executor(stage_->timeline, stage_->pointers, std::vector<Waiter>(stage_->pointers.size(), Waiter::kPoll));
  const auto prepared = executor.prepare(
      build_schedule(stage_->graph, stage_->arena, bucket, bucket.tokens, LogitsRows::kLast, stage_->facts));
  const Nanos begin = stage_->timeline.now();
  executor.run(*prepared, Bindings{position}, nullptr, 0);
  return to_ns(stage_->timeline.now() - begin);
}

std::map<std::string, std::uint64_t> Rehearsal::weight_bytes() const {
  std::map<std::string, std::uint64_t> bytes;
  for (const auto& device : stage_->devices) bytes[device->facts().id] = device->weight_bytes();
  return bytes;
}

}  // namespace hetero
