#include "runtime/exec/schedule.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "runtime/exec/access_log.h"
#include "runtime/exec/block_ops.h"
#include "runtime/exec/partition.h"

namespace hetero {
namespace {

// Appends tasks (the ops of one part of one block) to segments. A device's tasks share a segment as long as no new
// dependency on another device comes in between and no other device waits for what is in it.
class SegmentBuilder {
 public:
  SegmentBuilder(std::size_t tensors, const std::vector<const DeviceFacts*>& devices)
      : log_(tensors),
        devices_(devices),
        open_(devices.size(), -1),
        known_(devices.size(), std::vector<int>(devices.size(), -1)) {}

  void host_writes(const Region& region) { log_.record_write(region, AccessLog::kHost, -1); }

  struct Task {
    int device = 0;
    BlockKind block = BlockKind::kAttentionIn;
    std::string label;
    std::vector<Op> ops;
  };

  // The parts of one block. What any of them waits for is closed before the first is appended: a device's own part must
  // not delay the others' input.
  void add_block(const std::vector<Task>& tasks) {
    for (const Task& task : tasks) close_all(dependencies(task.device, task.ops));
    for (const Task& task : tasks) add_task(task);
  }

  // The host reads `region` after the step.
  void host_reads(const Region& region) {
    for (const AccessLog::Access& write : log_.seen_by_read(region)) {
      if (write.segment >= 0)
        add_region(segments_[static_cast<std::size_t>(write.segment)].segment.exports, write.region);
    }
  }

  std::vector<ScheduledSegment> take() { return std::move(segments_); }

 private:
  void add_task(const Task& task) {
    const std::set<int> needed = dependencies(task.device, task.ops);
    close_all(needed);  // a part may wait for another part of its block
    if (!needed.empty() || open_of(task.device) < 0 || needs_another_graph(task.device, task.ops)) {
      begin_segment(task.device, task.label, needed);
    }
    const int segment = open_of(task.device);
    std::vector<BlockKind>& blocks = segments_[static_cast<std::size_t>(segment)].segment.blocks;
    if (std::find(blocks.begin(), blocks.end(), task.block) == blocks.end()) blocks.push_back(task.block);
    for (const Op& op : task.ops) append(task.device, segment, op);
  }

  // Nothing more may delay these segments.
  void close_all(const std::set<int>& segments) {
    for (const int segment : segments) {
      const int device = segments_[static_cast<std::size_t>(segment)].device;
      if (open_of(device) == segment) close(device);
    }
  }

  int& open_of(int device) { return open_[static_cast<std::size_t>(device)]; }
  void close(int device) { open_of(device) = -1; }

  // A static graph has one number of rows, and one place in the step: the graph of some rows is that of any others.
  bool needs_another_graph(int device, const std::vector<Op>& ops) {
    if (devices_[static_cast<std::size_t>(device)]->standard_sizes.empty()) return false;
    const ScheduledSegment& open = segments_[static_cast<std::size_t>(open_of(device))];
    const Op& first = open.segment.ops.front();
    return first.desc.m != ops.front().desc.m || first.out.row0 != ops.front().out.row0;
  }

  // Segments of other devices that must be over before the task, without those known to be over when the device's open
  // segment began.
  std::set<int> dependencies(int device, const std::vector<Op>& ops) const {
    std::set<int> needed;
    const auto consider = [&](const std::vector<AccessLog::Access>& accesses) {
      for (const AccessLog::Access& a : accesses) {
        if (a.segment < 0 || a.device == device) continue;
        const auto& known = known_[static_cast<std::size_t>(device)];
        if (a.segment > known[static_cast<std::size_t>(a.device)]) needed.insert(a.segment);
      }
    };
    for (const Op& op : ops) {
      for (const Region& in : op.in) {
        if (in.valid()) consider(log_.seen_by_read(in));
      }
      consider(log_.before_write(op.out));
    }
    return needed;
  }

  // known_[d][e]: the last segment of e that is over when d's current segment starts. A device runs its segments in
  // order, so everything of e before that one is over too.
  void begin_segment(int device, const std::string& label, const std::set<int>& needed) {
    close(device);
    auto& known = known_[static_cast<std::size_t>(device)];
    ScheduledSegment s;
    s.device = device;
    s.segment.label = label;
    // Latest first, so that what they imply is not waited for again.
    for (auto it = needed.rbegin(); it != needed.rend(); ++it) {
      const int other = segments_[static_cast<std::size_t>(*it)].device;
      if (*it <= known[static_cast<std::size_t>(other)]) continue;
      s.waits_on.push_back(*it);
      known[static_cast<std::size_t>(other)] = *it;
      const auto& theirs = known_at_start_[static_cast<std::size_t>(*it)];
      for (std::size_t d = 0; d < known.size(); ++d) {
        if (static_cast<int>(d) != device) known[d] = std::max(known[d], theirs[d]);
      }
    }
    std::reverse(s.waits_on.begin(), s.waits_on.end());
    open_of(device) = static_cast<int>(segments_.size());
    segments_.push_back(std::move(s));
    known_at_start_.push_back(known);
  }

  void append(int device, int segment, const Op& op) {
    Segment& mine = segments_[static_cast<std::size_t>(segment)].segment;
    for (const Region& in : op.in) {
      if (!in.valid()) continue;
      for (const AccessLog::Access& write : log_.seen_by_read(in)) {
        if (write.device == device) continue;
        const Region shared = intersection(in, write.region);
        add_region(mine.imports, shared);
        if (write.segment >= 0) {
          add_region(segments_[static_cast<std::size_t>(write.segment)].segment.exports, shared);
        }
      }
      log_.record_read(in, device, segment);
    }
    log_.record_write(op.out, device, segment);
    mine.ops.push_back(op);
  }

  static void add_region(std::vector<Region>& regions, const Region& region) {
    if (std::find(regions.begin(), regions.end(), region) == regions.end()) regions.push_back(region);
  }

  AccessLog log_;
  const std::vector<const DeviceFacts*>& devices_;
  std::vector<ScheduledSegment> segments_;
  std::vector<int> open_;                         // by device; -1: none
  std::vector<std::vector<int>> known_;           // by device: see begin_segment()
  std::vector<std::vector<int>> known_at_start_;  // by segment
};

// The devices with those graphs only that the bucket wants.
std::vector<DeviceFacts> facts_under(const PlanBucket& bucket, const std::vector<const DeviceFacts*>& devices) {
  std::vector<DeviceFacts> facts;
  for (const DeviceFacts* device : devices) {
    DeviceFacts& own = facts.emplace_back(*device);
    const auto wanted = bucket.graph_sizes.find(device->id);
    if (wanted == bucket.graph_sizes.end()) continue;
    const auto& has = device->standard_sizes;
    if (!std::includes(has.begin(), has.end(), wanted->second.begin(), wanted->second.end())) {
      throw input_error("the plan wants graphs of sizes that device '" + device->id + "' does not have",
                        "tune again with 'hetero-tune run'");
    }
    own.standard_sizes = wanted->second;
  }
  return facts;
}

std::vector<const DeviceFacts*> pointers_to(const std::vector<DeviceFacts>& facts) {
  std::vector<const DeviceFacts*> pointers;
  for (const DeviceFacts& own : facts) pointers.push_back(&own);
  return pointers;
}

// Walks the blocks of a graph under a plan.
class ScheduleBuilder {
 public:
  ScheduleBuilder(const Graph& graph, const StepArena& arena, const PlanBucket& bucket, std::int64_t rows,
                  LogitsRows logits, const std::vector<const DeviceFacts*>& devices)
      : graph_(graph),
        arena_(arena),
        bucket_(bucket),
        rows_(rows),
        logits_(logits),
        facts_(facts_under(bucket, devices)),
        devices_(pointers_to(facts_)),
        builder_(arena.arena().tensors().size(), devices) {}

  Schedule build() {
    builder_.host_writes({arena_.residual(0), 0, rows_, 0, graph_.width});
    Schedule schedule;
    schedule.phase = bucket_.phase;
    schedule.rows = rows_;
    schedule.logits = logits_;
    for (std::size_t i = 0; i < graph_.blocks.size(); ++i) {
      if (graph_.blocks[i].kind == BlockKind::kHead && logits_ == LogitsRows::kNone) continue;
      add_block(i);
    }
    if (logits_ != LogitsRows::kNone) {
      const GraphOp& last = graph_.blocks.back().ops.back();
      schedule.logits_region = {arena_.tensor(last.out, 0), 0, logits_rows(), 0, graph_.vocab};
      builder_.host_reads(schedule.logits_region);
    }
    schedule.segments = builder_.take();
    return schedule;
  }

 private:
  std::int64_t logits_rows() const { return logits_ == LogitsRows::kAll ? rows_ : 1; }

  const BlockPlan& plan_of(const Block& block) const {
    const BlockPlan* plan = block_plan_for(bucket_, block.kind, block.layer);
    if (plan == nullptr) {
      throw input_error("the plan says nothing of block '" + std::string(name_of(block.kind)) + "' of layer " +
                            std::to_string(block.layer),
                        "tune again with 'hetero-tune run'");
    }
    return *plan;
  }

  void add_block(std::size_t index) {
    const Block& block = graph_.blocks[index];
    const BlockPlan& plan = plan_of(block);
    const bool head = block.kind == BlockKind::kHead;
    const std::int64_t m = head ? logits_rows() : rows_;
    const std::vector<Part> parts = expand(plan, m, devices_);

    PartContext context;
    context.grain = grain_of(graph_, index, plan.strategy == Strategy::kPaired, devices_);
    context.partial_generation = 1 - residual_.generation;
    if (head && m < rows_) context.input_row0 = rows_ - m;

    const bool begins_with_norm = block.ops.front().kind == OpKind::kRmsNorm;
    const bool sums_pending = begins_with_norm && !residual_.partial_of.empty();
    std::vector<Region> summed;  // rows of the other copy that have been written
    std::set<int> partial_devices;
    std::vector<SegmentBuilder::Task> tasks;
    for (const Part& part : parts) {
      context.part = part;
      context.residual = residual_;
      context.residual_in = arena_.residual(residual_.copy);
      std::vector<Op> ops;
      if (sums_pending) {
        // The first part to need some rows writes them for all; the others add the sums up for themselves, so that
        // nobody waits.
        Part rows = part;
        if (context.input_row0 >= 0) rows.row0 = context.input_row0;
        const Region wanted{arena_.residual(1 - residual_.copy), rows.row0, rows.padded_rows, 0, graph_.width};
        const bool first = std::none_of(summed.begin(), summed.end(), [&](const Region& r) {
          return r.row0 <= wanted.row0 && wanted.row0 + wanted.rows <= r.row0 + r.rows;
        });
        context.residual_in = first ? wanted.tensor : arena_.private_residual(part.device);
        if (first) summed.push_back(wanted);
        ops = pending_sum_ops(arena_, residual_, rows, context.residual_in, graph_.width);
      }
      const std::vector<Op> own = block_ops_of_part(graph_, block, arena_, context);
      if (own.empty() && !(sums_pending && context.residual_in != arena_.private_residual(part.device))) continue;
      if (part.partial && !own.empty()) partial_devices.insert(part.device);
      ops.insert(ops.end(), own.begin(), own.end());
      if (ops.empty()) continue;
      tasks.push_back(
          {part.device, block.kind, "L" + std::to_string(block.layer) + " " + std::string(name_of(block.kind)), ops});
    }
    builder_.add_block(tasks);
    if (sums_pending) residual_ = {1 - residual_.copy, {}, residual_.generation};
    const bool adds_to_residual = block.kind == BlockKind::kAttentionOut || block.kind == BlockKind::kFfnOut;
    if (adds_to_residual && !partial_devices.empty()) {
      residual_.partial_of.assign(partial_devices.begin(), partial_devices.end());
      residual_.generation = context.partial_generation;
    }
  }

  const Graph& graph_;
  const StepArena& arena_;
  const PlanBucket& bucket_;
  const std::int64_t rows_;
  const LogitsRows logits_;
  const std::vector<DeviceFacts> facts_;
  const std::vector<const DeviceFacts*> devices_;
  SegmentBuilder builder_;
  ResidualState residual_;
};

}  // namespace

int Schedule::joins() const {
  int joins = 0;
  for (const ScheduledSegment& s : segments) joins += static_cast<int>(s.waits_on.size());
  return joins;
}

Schedule build_schedule(const Graph& graph, const StepArena& arena, const PlanBucket& bucket, std::int64_t rows,
                        LogitsRows logits, const std::vector<const DeviceFacts*>& devices) {
  return ScheduleBuilder(graph, arena, bucket, rows, logits, devices).build();
}

}  // namespace hetero
