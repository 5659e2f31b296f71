#include "runtime/device/sim/sim_system.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

class VirtualTicket final : public Ticket {
 public:
  VirtualTicket(VirtualTimeline& timeline, std::shared_ptr<const SimSystem::Job> job)
      : timeline_(timeline), job_(std::move(job)) {}
  bool done() override { return job_->seen; }
  void block() override {
    Ticket* const self = this;
    timeline_.wait_any({&self, 1}, {});
  }
  std::pair<Nanos, Nanos> interval() override {
    if (!job_->failure.empty()) throw environment_error(job_->failure);
    return {job_->start, job_->finish};
  }

 private:
  VirtualTimeline& timeline_;
  std::shared_ptr<const SimSystem::Job> job_;
};

}  // namespace

SimSystem::SimSystem(VirtualTimeline& timeline, std::shared_ptr<const CostModel> costs)
    : timeline_(timeline), costs_(std::move(costs)) {}

SimSystem& SimSystem::on(VirtualTimeline& timeline, const std::string& name, std::shared_ptr<const CostModel> costs) {
  std::shared_ptr<void>& state = timeline.shared_state("sim:" + name);
  if (state == nullptr) state = std::make_shared<SimSystem>(timeline, std::move(costs));
  return *static_cast<SimSystem*>(state.get());
}

std::shared_ptr<SimSystem::Job> SimSystem::push(const std::string& device, SimWork work) {
  auto job = std::make_shared<Job>();
  job->work = std::move(work);
  Lane& lane = lanes_[lane_of(device)];
  if (lane.lost) {
    fail(*job, device);
    return job;
  }
  lane.waiting.push_back(job);
  start_waiting();
  return job;
}

void SimSystem::slow_down(const std::string& device, double factor) {
  lanes_[lane_of(device)].injected *= factor;
  update_slowdowns();
}

void SimSystem::lose(const std::string& device) {
  Lane& lane = lanes_[lane_of(device)];
  lane.lost = true;
  if (lane.running != nullptr) {
    timeline_.cancel(lane.finish_event);
    fail(*lane.running, device);
    lane.running = nullptr;
  }
  for (const std::shared_ptr<Job>& job : lane.waiting) fail(*job, device);
  lane.waiting.clear();
  update_slowdowns();
}

void SimSystem::fail(Job& job, const std::string& device) const {
  if (job.start == Nanos(0)) job.start = timeline_.now();
  job.finish = timeline_.now();
  job.seen = true;
  job.failure = "device '" + device + "' was lost (an injected fault)";
}

std::size_t SimSystem::lane_of(const std::string& device) {
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    if (lanes_[i].device == device) return i;
  }
  lanes_.emplace_back().device = device;
  return lanes_.size() - 1;
}

void SimSystem::start_waiting() {
  for (Lane& lane : lanes_) {
    if (lane.running != nullptr || lane.waiting.empty()) continue;
    lane.running = std::move(lane.waiting.front());
    lane.waiting.pop_front();
    lane.running->start = timeline_.now();
    lane.left_ns = lane.running->work.duration_ns;
    lane.settled = timeline_.now();
    lane.slowdown = 0;  // no factor yet: update_slowdowns() schedules the finish
  }
  update_slowdowns();
}

void SimSystem::update_slowdowns() {
  std::vector<std::string> active;
  for (const Lane& lane : lanes_) {
    if (lane.running != nullptr) active.push_back(lane.device);
  }
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    Lane& lane = lanes_[i];
    if (lane.running == nullptr) continue;
    const double slowdown =
        std::max(1.0, costs_->slowdown(lane.device, active, lane.running->work.phase)) * lane.injected;
    if (slowdown == lane.slowdown) continue;
    if (lane.slowdown > 0) {
      lane.left_ns = std::max(0.0, lane.left_ns - to_ns(timeline_.now() - lane.settled) / lane.slowdown);
    }
    lane.slowdown = slowdown;
    lane.settled = timeline_.now();
    schedule_finish(i);
  }
}

void SimSystem::schedule_finish(std::size_t lane) {
  timeline_.cancel(lanes_[lane].finish_event);
  const Nanos at = timeline_.now() + nanos_from(lanes_[lane].left_ns * lanes_[lane].slowdown);
  lanes_[lane].finish_event = timeline_.schedule(at, [this, lane] { finish(lane); });
}

void SimSystem::finish(std::size_t lane) {
  const std::shared_ptr<Job> job = std::move(lanes_[lane].running);
  lanes_[lane].running = nullptr;
  job->finish = timeline_.now();
  const double join_ns = costs_->join(lanes_[lane].device).median_ns;
  timeline_.schedule(timeline_.now() + nanos_from(join_ns), [job] { job->seen = true; });
  start_waiting();
}

VirtualQueue::VirtualQueue(VirtualTimeline& timeline, SimSystem& system, std::string device)
    : timeline_(timeline), system_(system), device_(std::move(device)) {}

std::unique_ptr<Ticket> VirtualQueue::push(SimWork work) {
  if (work.compute) work.compute();
  work.compute = nullptr;
  return std::make_unique<VirtualTicket>(timeline_, system_.push(device_, std::move(work)));
}

void VirtualQueue::occupy_host(double ns) { timeline_.advance(nanos_from(ns)); }

}  // namespace hetero
