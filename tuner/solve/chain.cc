#include "tuner/solve/chain.h"

#include <array>

namespace hetero {
namespace {

constexpr int kLayerBlocks = 5;

// A way from one block boundary to a later one: an option, from a state, into a state. States: 0 .. devices-1, one
// device holds the result and has not been waited for; devices, the host has seen the result, so anybody may go on.
class Transitions {
 public:
  explicit Transitions(const SolveProblem& problem) : problem_(problem) {}

  int states() const { return problem_.device_count() + 1; }
  int joined() const { return problem_.device_count(); }
  double join_of(int state) const { return state == joined() ? 0 : problem_.costs->join(problem_.id(state)).median_ns; }

  // Single or pad after `state`; its own join is left to whoever follows.
  double single(const Option& option, int state) const {
    const double busy = option.total_ns - option.join_ns - option.launch_ns;
    return state == option.device ? busy : join_of(state) + option.launch_ns + busy;
  }
  double divided(const Option& option, int state) const { return join_of(state) + option.total_ns; }

 private:
  const SolveProblem& problem_;
};

struct Step {
  const SpanOptions* span = nullptr;
  const Option* option = nullptr;
  int from_state = -1;
  int from_position = -1;
};

double times(double count, double ns) { return count == 0 ? 0 : count * ns; }  // 0 * impossible is nothing

// The cheapest way through one layer from `boundary` back to `boundary`, all layers of the class counted. The first
// layer of the step begins after the host, not after a layer.
class LayerPath {
 public:
  LayerPath(const Transitions& transitions, const LayerClass& layers, int boundary)
      : t_(transitions), boundary_(boundary) {
    const bool has_first = layers.layers.front() == 0;
    for (auto& row : cost_) row.assign(static_cast<std::size_t>(t_.states()), kImpossible);
    for (auto& row : step_) row.resize(static_cast<std::size_t>(t_.states()));
    cost_[0][static_cast<std::size_t>(boundary)] = 0;
    const double count = static_cast<double>(layers.layers.size());
    const double from_host = has_first ? 1 : 0;
    for (int position = 0; position < kLayerBlocks; ++position) {
      for (const SpanOptions& span : layers.spans) {
        if (static_cast<int>(span.blocks.front()) != position) continue;
        const int next = position + static_cast<int>(span.blocks.size());
        for (int state = 0; state < t_.states(); ++state) {
          const auto weigh = [&](const auto& cost_after) {
            if (position > 0) return times(count, cost_after(state));
            return times(count - from_host, cost_after(state)) + times(from_host, cost_after(t_.joined()));
          };
          for (const Option& option : span.single) {
            offer(position, state, next, option.device, weigh([&](int s) { return t_.single(option, s); }), span,
                  option);
          }
          if (span.divided.empty()) continue;
          const Option& option = span.divided.front();
          offer(position, state, next, t_.joined(), weigh([&](int s) { return t_.divided(option, s); }), span, option);
        }
      }
    }
    join_at_end(count);
  }

  double cost() const { return cost_[kLayerBlocks][static_cast<std::size_t>(boundary_)]; }

  std::vector<Choice> choices() const {
    std::vector<Choice> list;
    const bool joined_at_end = boundary_ == t_.joined() && joined_from_ >= 0;
    int state = joined_at_end ? joined_from_ : boundary_;
    for (int position = kLayerBlocks; position > 0;) {
      const Step& step = step_[static_cast<std::size_t>(position)][static_cast<std::size_t>(state)];
      const bool divided = state == t_.joined();
      const double ns = divided ? t_.divided(*step.option, step.from_state) : t_.single(*step.option, step.from_state);
      list.insert(list.begin(), Choice{step.span, *step.option, ns});
      state = step.from_state;
      position = step.from_position;
    }
    if (joined_at_end) list.back().predicted_ns += t_.join_of(joined_from_);
    return list;
  }

 private:
  // What is held by one device may also be waited for where the layer ends: layers of other types may begin elsewhere.
  void join_at_end(double count) {
    double& joined = cost_[kLayerBlocks][static_cast<std::size_t>(t_.joined())];
    for (int d = 0; d < t_.joined(); ++d) {
      const double total = cost_[kLayerBlocks][static_cast<std::size_t>(d)] + count * t_.join_of(d);
      if (!(total < joined)) continue;
      joined = total;
      joined_from_ = d;
    }
  }

  void offer(int position, int state, int next, int next_state, double cost, const SpanOptions& span,
             const Option& option) {
    const double total = cost_[static_cast<std::size_t>(position)][static_cast<std::size_t>(state)] + cost;
    double& best = cost_[static_cast<std::size_t>(next)][static_cast<std::size_t>(next_state)];
    if (!(total < best)) return;
    best = total;
    step_[static_cast<std::size_t>(next)][static_cast<std::size_t>(next_state)] = {&span, &option, state, position};
  }

  const Transitions& t_;
  int boundary_;
  int joined_from_ = -1;  // the device that the end of the layer waits for; -1: none
  std::array<std::vector<double>, kLayerBlocks + 1> cost_;
  std::array<std::vector<Step>, kLayerBlocks + 1> step_;
};

// The head after `state`, with the join that ends the step.
Choice best_head(const Transitions& t, const SpanOptions& head, int state) {
  Choice best;
  best.predicted_ns = kImpossible;
  const auto offer = [&](const Option& option, double ns) {
    if (ns < best.predicted_ns) best = {&head, option, ns};
  };
  for (const Option& option : head.single) {
    offer(option, t.single(option, state) + t.join_of(option.device));
  }
  if (!head.divided.empty()) offer(head.divided.front(), t.divided(head.divided.front(), state));
  return best;
}

Chain chain_with_boundary(const Transitions& t, const std::vector<LayerClass>& classes, const SpanOptions& head,
                          int boundary) {
  Chain chain;
  chain.head = best_head(t, head, boundary);
  double total = chain.head.predicted_ns;
  for (const LayerClass& layers : classes) {
    const LayerPath path(t, layers, boundary);
    total += path.cost();
    if (!(total < kImpossible)) return {};
    chain.classes.push_back(path.choices());
  }
  if (!(total < kImpossible)) return {};
  chain.total_ns = total;
  return chain;
}

}  // namespace

Chain best_chain(const SolveProblem& problem, const std::vector<LayerClass>& classes, const SpanOptions& head) {
  const Transitions transitions(problem);
  Chain best;
  for (int boundary = 0; boundary < transitions.states(); ++boundary) {
    Chain chain = chain_with_boundary(transitions, classes, head, boundary);
    if (chain.total_ns < best.total_ns) best = std::move(chain);
  }
  return best;
}

}  // namespace hetero
