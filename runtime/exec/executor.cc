#include "runtime/exec/executor.h"

#include <algorithm>
#include <deque>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

// What a segment has to read at this position: weights, and the cache up to the rows that its attention sees.
double streamed_bytes_of(const Segment& segment, std::int64_t position) {
  double bytes = 0;
  for (const Op& op : segment.ops) bytes += streamed_bytes(at_position(op, position));
  return bytes;
}

// The progress of one run: what may be submitted, what is in flight, what is done.
class Run {
 public:
  Run(Timeline& timeline, const std::vector<Device*>& devices, const std::vector<Waiter>& waiters,
      PreparedSchedule& prepared, const Bindings& bindings, Trace* trace, std::int64_t step)
      : timeline_(timeline),
        devices_(devices),
        waiters_(waiters),
        prepared_(prepared),
        bindings_(bindings),
        trace_(trace),
        step_(step),
        waiting_for_(prepared.segments.size()),
        expected_finish_(prepared.segments.size()),
        tickets_(prepared.segments.size()),
        queue_(devices.size()),
        in_flight_(devices.size()) {
    const auto& segments = prepared.schedule.segments;
    for (std::size_t i = 0; i < segments.size(); ++i) {
      waiting_for_[i] = static_cast<int>(segments[i].waits_on.size());
      queue_[static_cast<std::size_t>(segments[i].device)].push_back(i);
    }
    if (trace_ != nullptr) first_span_ = begin_spans();
  }

  void finish() {
    std::size_t done = 0;
    while (done < tickets_.size()) {
      const bool ran_here = submit_ready();
      done += collect();
      if (!ran_here && done < tickets_.size() && !any_ready()) wait();
    }
  }

 private:
  const ScheduledSegment& segment(std::size_t i) const { return prepared_.schedule.segments[i]; }
  bool ready(const std::deque<std::size_t>& queue) const { return !queue.empty() && waiting_for_[queue.front()] == 0; }
  bool any_ready() const {
    return std::any_of(queue_.begin(), queue_.end(), [&](const auto& q) { return ready(q); });
  }

  // Asynchronous devices first: the caller's own work would keep them waiting. Then one segment on the caller's thread,
  // after which the others are looked at again. True when such a segment ran.
  bool submit_ready() {
    for (const SubmitMode mode : {SubmitMode::kAsynchronous, SubmitMode::kOnCallersThread}) {
      for (std::size_t d = 0; d < devices_.size(); ++d) {
        if (devices_[d]->facts().submit_mode != mode) continue;
        while (ready(queue_[d])) {
          submit(d);
          if (mode == SubmitMode::kOnCallersThread) return true;
        }
      }
    }
    return false;
  }

  void submit(std::size_t d) {
    const std::size_t i = queue_[d].front();
    queue_[d].pop_front();
    const Nanos now = timeline_.now();
    if (trace_ != nullptr) span(i).submit_ns = to_ns(now);
    // A device works through its queue: it begins with this one when it is through with what it has.
    const Nanos begins = in_flight_[d].empty() ? now : std::max(now, expected_finish_[in_flight_[d].back()]);
    expected_finish_[i] = begins + nanos_from(predicted_ns(i));
    tickets_[i] = devices_[d]->submit(*prepared_.segments[i], bindings_);
    in_flight_[d].push_back(i);
  }

  double predicted_ns(std::size_t i) const { return segment(i).predicted.at(bindings_.position); }

  // Takes finished segments off the devices' queues. The number taken.
  std::size_t collect() {
    std::size_t taken = 0;
    for (auto& flying : in_flight_) {
      while (!flying.empty() && tickets_[flying.front()]->done()) {
        const std::size_t i = flying.front();
        flying.pop_front();
        ++taken;
        const auto [start, end] = tickets_[i]->interval();
        if (trace_ != nullptr) {
          span(i).start_ns = to_ns(start);
          span(i).end_ns = to_ns(end);
          span(i).joined_ns = to_ns(timeline_.now());
        }
        tickets_[i].reset();
        for (const int dependent : prepared_.dependents[i]) --waiting_for_[static_cast<std::size_t>(dependent)];
      }
    }
    return taken;
  }

  void wait() {
    std::vector<Ticket*>& heads = heads_;
    heads.clear();
    WaitHint hint;
    for (std::size_t d = 0; d < in_flight_.size(); ++d) {
      if (in_flight_[d].empty()) continue;
      heads.push_back(tickets_[in_flight_[d].front()].get());
      const std::size_t head = in_flight_[d].front();
      // Several at once are polled.
      hint.waiter = heads.size() == 1 ? waiters_[d] : Waiter::kPoll;
      hint.expected_finish = predicted_ns(head) > 0 ? expected_finish_[head] : Nanos(0);
    }
    if (heads.empty()) throw environment_error("the schedule has a cycle", "this is a defect: please report the plan");
    timeline_.wait_any(heads, hint);
  }

  std::size_t begin_spans() {
    const std::size_t first = trace_->spans.size();
    for (const ScheduledSegment& s : prepared_.schedule.segments) {
      Span span;
      span.step = step_;
      span.device = devices_[static_cast<std::size_t>(s.device)]->facts().id;
      span.label = s.segment.label;
      span.blocks = s.segment.blocks;
      span.predicted_ns = s.predicted.at(bindings_.position);
      span.streamed_bytes = streamed_bytes_of(s.segment, bindings_.position);
      span.cached_tokens = bindings_.position + prepared_.schedule.rows;
      for (const int earlier : s.waits_on) span.waits_on.push_back(static_cast<std::int32_t>(first) + earlier);
      trace_->spans.push_back(std::move(span));
    }
    return first;
  }
  Span& span(std::size_t i) { return trace_->spans[first_span_ + i]; }

  Timeline& timeline_;
  const std::vector<Device*>& devices_;
  const std::vector<Waiter>& waiters_;
  PreparedSchedule& prepared_;
  const Bindings& bindings_;
  Trace* trace_;
  std::int64_t step_;
  std::size_t first_span_ = 0;
  std::vector<int> waiting_for_;                    // by segment: dependencies that are not over
  std::vector<Nanos> expected_finish_;              // by segment: in flight
  std::vector<std::unique_ptr<Ticket>> tickets_;    // by segment: in flight
  std::vector<std::deque<std::size_t>> queue_;      // by device: not submitted, in order
  std::vector<std::deque<std::size_t>> in_flight_;  // by device, in order
  std::vector<Ticket*> heads_;
};

}  // namespace

Executor::Executor(Timeline& timeline, std::vector<Device*> devices, std::vector<Waiter> waiters)
    : timeline_(timeline), devices_(std::move(devices)), waiters_(std::move(waiters)) {
  for (Device* device : devices_) {
    if (auto* const compiler = dynamic_cast<CompilesAhead*>(device)) compilers_[device] = compiler;
  }
}

std::unique_ptr<PreparedSchedule> Executor::prepare(Schedule schedule) {
  auto prepared = std::make_unique<PreparedSchedule>();
  prepared->dependents.resize(schedule.segments.size());
  for (std::size_t i = 0; i < schedule.segments.size(); ++i) {
    const ScheduledSegment& s = schedule.segments[i];
    Device& device = *devices_[static_cast<std::size_t>(s.device)];
    if (const Applicability can = device.supports(s.segment); !can.yes) {
      throw environment_error("device " + device.facts().id + " cannot run '" + s.segment.label + "': " + can.why_not,
                              "choose other --devices or another plan");
    }
    prepared->segments.push_back(device.prepare(s.segment));
    for (const int earlier : s.waits_on) {
      prepared->dependents[static_cast<std::size_t>(earlier)].push_back(static_cast<int>(i));
    }
  }
  prepared->schedule = std::move(schedule);
  return prepared;
}

void Executor::compile_ahead(const Schedule& schedule) {
  for (const ScheduledSegment& s : schedule.segments) {
    Device* const device = devices_[static_cast<std::size_t>(s.device)];
    const auto found = compilers_.find(device);
    if (found != compilers_.end() && device->supports(s.segment).yes) found->second->compile_ahead(s.segment);
  }
}

void Executor::stop_ahead() {
  for (const auto& [device, compiler] : compilers_) compiler->stop_ahead();
}

void Executor::run(PreparedSchedule& prepared, const Bindings& bindings, Trace* trace, std::int64_t step) {
  Run(timeline_, devices_, waiters_, prepared, bindings, trace, step).finish();
}

}  // namespace hetero
