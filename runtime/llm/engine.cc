#include "runtime/llm/engine.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/mapped_file.h"

namespace hetero {
namespace {

constexpr std::int64_t kEmbeddingsInMemory = 16;  // rows; each may map a huge page of the file

// The devices as the plan uses them: with the graphs that it names, of those that they offer.
std::vector<DeviceFacts> planned_facts(const Plan& plan, const std::vector<Device*>& devices) {
  std::vector<DeviceFacts> all;
  for (const Device* device : devices) {
    DeviceFacts& facts = all.emplace_back(device->facts());
    const auto chosen = plan.graph_sizes.find(facts.id);
    if (chosen == plan.graph_sizes.end()) continue;
    const std::vector<std::int64_t>& offered = facts.standard_sizes;
    if (!std::includes(offered.begin(), offered.end(), chosen->second.begin(), chosen->second.end())) {
      throw input_error("the plan has graph sizes that device '" + facts.id + "' does not offer",
                        "open it with other sizes, or tune again with 'hetero-tune run'");
    }
    facts.standard_sizes = chosen->second;
  }
  return all;
}

StepArenaSizes arena_sizes(const EngineOptions& options, const std::vector<Device*>& devices) {
  StepArenaSizes sizes;
  sizes.max_rows = std::min(options.max_rows, options.context);
  sizes.max_logits_rows = options.max_logits_rows;
  sizes.max_context = options.context;
  sizes.devices = static_cast<int>(devices.size());
  for (const Device* device : devices) {
    for (const std::int64_t size : device->facts().standard_sizes) sizes.pad_rows = std::max(sizes.pad_rows, size);
  }
  return sizes;
}

std::vector<Waiter> waiters_of(const Plan& plan, const std::vector<Device*>& devices) {
  std::vector<Waiter> waiters;
  for (const Device* device : devices) {
    Waiter chosen = device->facts().waiters.empty() ? Waiter::kPoll : device->facts().waiters.front();
    const auto named = plan.waiters.find(device->facts().id);
    for (const Waiter w : device->facts().waiters) {
      if (named != plan.waiters.end() && named->second == name_of(w)) chosen = w;
    }
    waiters.push_back(chosen);
  }
  return waiters;
}

void check_devices(const Plan& plan, const std::vector<Device*>& devices) {
  for (const std::string& id : plan.devices) {
    const bool open = std::any_of(devices.begin(), devices.end(), [&](const Device* d) { return d->facts().id == id; });
    if (!open) {
      throw input_error("the plan was made for device '" + id + "', which is not open",
                        "name it in --devices, or tune again with 'hetero-tune run'");
    }
  }
}

// What a segment should take, from the cost model; nothing when it lacks a curve. Attention's time is a line in the
// context, so two positions tell it for all.
Prediction prediction(const CostModel& costs, const std::string& device, const Segment& segment) {
  constexpr std::int64_t kFar = 1024;
  if (!costs.knows(device)) return {};
  Prediction sum;
  try {
    for (const Op& op : segment.ops) {
      const auto ns_at = [&](std::int64_t position) {
        return costs.op(device, at_position(op, position), op.weight.weight.n, op.weight.weight.k).median_ns;
      };
      sum.ns += ns_at(0);
      if (follows_position(op)) sum.ns_per_position += (ns_at(kFar) - ns_at(0)) / static_cast<double>(kFar);
    }
  } catch (const Error&) {
    return {};
  }
  return sum;
}

}  // namespace

Engine::Engine(const Graph& graph, Timeline& timeline, std::vector<Device*> devices, Plan plan,
               const EngineOptions& options, const CostModel* costs)
    : graph_(graph),
      plan_(std::move(plan)),
      options_(options),
      costs_(costs),
      arena_(graph, arena_sizes(options, devices)),
      executor_(timeline, devices, waiters_of(plan_, devices)) {
  check_devices(plan_, devices);
  facts_ = planned_facts(plan_, devices);
  for (Device* device : devices) device->attach(arena_.arena());
}

std::span<const float> Engine::run(std::span<const TokenId> tokens, LogitsRows logits) {
  const auto count = static_cast<std::int64_t>(tokens.size());
  if (position_ + count > options_.context) {
    throw usage_error("the sequence of " + std::to_string(position_ + count) + " tokens does not fit the context of " +
                          std::to_string(options_.context),
                      "shorten the prompt or raise --context");
  }
  if (logits == LogitsRows::kAll && count > options_.max_logits_rows) {
    throw usage_error("logits of " + std::to_string(count) + " rows were asked for, room is for " +
                      std::to_string(options_.max_logits_rows));
  }
  const std::int64_t chunk = arena_.sizes().max_rows;
  std::span<const float> result;
  for (std::int64_t done = 0; done < count;) {
    const std::int64_t rows = std::min(chunk, count - done);
    const bool last = done + rows == count;
    if (logits == LogitsRows::kAll && !last) throw usage_error("logits of all rows need a prompt of one chunk");
    PreparedSchedule& step = prepared(rows, last ? logits : LogitsRows::kNone);
    write_embeddings(tokens.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(rows)));
    executor_.run(step, Bindings{position_}, trace_, step_++);
    position_ += rows;
    done += rows;
    if (last && logits != LogitsRows::kNone) {
      const Region& region = step.schedule.logits_region;
      result = {arena_.arena().matrix(region, 0).data, static_cast<std::size_t>(region.rows * region.cols)};
    }
  }
  return result;
}

Engine::~Engine() { executor_.stop_ahead(); }

// The different steps of a run of so many tokens.
std::vector<std::pair<std::int64_t, LogitsRows>> Engine::steps_of(std::int64_t tokens, LogitsRows logits) const {
  std::vector<std::pair<std::int64_t, LogitsRows>> steps;
  const std::int64_t chunk = arena_.sizes().max_rows;
  if (tokens > chunk) steps.emplace_back(chunk, LogitsRows::kNone);
  const std::int64_t rest = tokens % chunk;
  steps.emplace_back(rest == 0 ? chunk : rest, logits);
  return steps;
}

void Engine::warm_up(std::int64_t tokens, LogitsRows logits) {
  for (const auto& [rows, wanted] : steps_of(tokens, logits)) prepared(rows, wanted);
}

void Engine::compile_ahead(std::int64_t tokens, LogitsRows logits) {
  if (!executor_.compiles_ahead()) return;  // a schedule is not worth making for nobody
  for (const auto& [rows, wanted] : steps_of(tokens, logits)) {
    if (!schedules_.contains({rows, wanted})) executor_.compile_ahead(schedule(rows, wanted));
  }
}

void Engine::set_plan(Plan plan) {
  check_devices(plan, executor_.devices());
  facts_ = planned_facts(plan, executor_.devices());
  executor_.stop_ahead();
  schedules_.clear();
  plan_ = std::move(plan);
  executor_.set_waiters(waiters_of(plan_, executor_.devices()));
}

PreparedSchedule& Engine::prepared(std::int64_t rows, LogitsRows logits) {
  auto& slot = schedules_[{rows, logits}];
  if (slot == nullptr) slot = executor_.prepare(schedule(rows, logits));
  return *slot;
}

Schedule Engine::schedule(std::int64_t rows, LogitsRows logits) const {
  const Phase phase = rows == 1 ? Phase::kDecode : Phase::kPrefill;
  const PlanBucket* bucket = bucket_for(plan_, phase, rows);
  if (bucket == nullptr) bucket = bucket_for(plan_, phase == Phase::kDecode ? Phase::kPrefill : Phase::kDecode, rows);
  if (bucket == nullptr) throw input_error("the plan has no buckets", "tune again with 'hetero-tune run'");
  std::vector<const DeviceFacts*> facts;
  for (const DeviceFacts& f : facts_) facts.push_back(&f);
  Schedule schedule = build_schedule(graph_, arena_, *bucket, rows, logits, facts);
  if (costs_ != nullptr) {
    for (ScheduledSegment& s : schedule.segments) {
      s.predicted = prediction(*costs_, facts_[static_cast<std::size_t>(s.device)].id, s.segment);
    }
  }
  return schedule;
}

void Engine::write_embeddings(std::span<const TokenId> tokens) {
  const WeightView& table = graph_.embedding;
  if (table.data == nullptr) return;  // a shape without weights: only times are wanted
  const std::int64_t stride = row_bytes(table.type, table.k);
  const Region rows{arena_.residual(0), 0, static_cast<std::int64_t>(tokens.size()), 0, graph_.width};
  const HostMatrix out = arena_.arena().matrix(rows, 0);
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] < 0 || tokens[i] >= table.n) {
      throw usage_error("token " + std::to_string(tokens[i]) + " is outside the vocabulary of " +
                        std::to_string(table.n));
    }
    dequantise_row(table.type, table.data + tokens[i] * stride, out.data + static_cast<std::int64_t>(i) * out.stride,
                   graph_.width);
    // Each row brings the file around it into memory.
    if (++embeddings_read_ % kEmbeddingsInMemory == 0) {
      MappedFile::forget(table.data, static_cast<std::size_t>(table.n * stride));
    }
  }
}

}  // namespace hetero
