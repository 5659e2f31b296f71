// A model on a set of devices under a plan: owns arena, executor and prepared schedules; sessions run on it.
// Used by one thread. The model, the timeline and the devices outlive it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "profiles/cost_model.h"
#include "profiles/plan.h"
#include "profiles/trace.h"
#include "runtime/exec/executor.h"
#include "runtime/exec/step_arena.h"
#include "runtime/model/graph.h"
#include "runtime/model/tokenizer.h"

namespace hetero {

struct EngineOptions {
  std::int64_t context = 2048;   // rows of the KV cache
  std::int64_t max_rows = 1024;  // rows of one prefill step; longer prompts run in chunks
  std::int64_t max_logits_rows = 1;
};

class Engine {
 public:
  // Throws input_error when the plan does not fit the devices given.
  Engine(const Graph& graph, Timeline& timeline, std::vector<Device*> devices, Plan plan, const EngineOptions& options,
         const CostModel* costs = nullptr);
  ~Engine();

  // Forgets the sequence: the next step begins at position 0.
  void reset() { position_ = 0; }
  std::int64_t position() const { return position_; }
  std::int64_t context() const { return options_.context; }

  // Appends tokens to the sequence, in chunks of at most max_rows. Returns the logits that were asked for, [rows,
  // vocab]; valid until the next call. Throws usage_error when the context is full.
  std::span<const float> run(std::span<const TokenId> tokens, LogitsRows logits);

  // Prepares what a run of so many tokens needs, so that the first one does not pay for it.
  void warm_up(std::int64_t tokens, LogitsRows logits);

  // The same in the background, as far as devices can: graphs are made in the order of the runs and of the plan within
  // each, and warm_up() or run() waits for none that is ready. Returns at once.
  void compile_ahead(std::int64_t tokens, LogitsRows logits);

  // Replaces the plan; prepared schedules of the old one are dropped, packed weights stay with the devices.
  void set_plan(Plan plan);
  const Plan& plan() const { return plan_; }
  void set_trace(Trace* trace) { trace_ = trace; }  // null: none
  const Graph& graph() const { return graph_; }
  Executor& executor() { return executor_; }

 private:
  PreparedSchedule& prepared(std::int64_t rows, LogitsRows logits);
  Schedule schedule(std::int64_t rows, LogitsRows logits) const;
  std::vector<std::pair<std::int64_t, LogitsRows>> steps_of(std::int64_t tokens, LogitsRows logits) const;
  void write_embeddings(std::span<const TokenId> tokens);

  const Graph& graph_;
  Plan plan_;
  EngineOptions options_;
  const CostModel* costs_;
  StepArena arena_;
  Executor executor_;
  std::vector<DeviceFacts> facts_;  // of the executor's devices, as the plan uses them
  std::map<std::pair<std::int64_t, LogitsRows>, std::unique_ptr<PreparedSchedule>> schedules_;
  std::int64_t position_ = 0;
  std::int64_t step_ = 0;
  std::int64_t embeddings_read_ = 0;  // rows, of all steps
  Trace* trace_ = nullptr;
};

}  // namespace hetero
