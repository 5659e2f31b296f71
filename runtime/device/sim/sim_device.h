// A device whose times come from a profile: the simulator on a virtual timeline, an emulated device on the real one.
// Static when its profile has standard sizes, as an NPU is. Injects no faults and does not get hot.
// Used by one host thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <tuple>

#include "profiles/cost_model.h"
#include "runtime/device/device.h"
#include "runtime/device/operand_orders.h"
#include "runtime/device/sim/sim_queue.h"

namespace hetero {

// Whether a simulated device gives numbers or only takes time.
enum class SimCompute : std::uint8_t { kNone, kReference };

class SimDevice final : public Device, public CompilesAhead {
 public:
  // `profile_id` is the device's name in `costs`; facts.id may differ from it ("sim:" stands before). `timeline`
  // outlives the device. `orders` counts where the profile has factors for the order of operands; none: every
  // matmul is in the better order.
  SimDevice(DeviceFacts facts, std::string profile_id, SimCompute compute, std::shared_ptr<const CostModel> costs,
            const Timeline& timeline, std::unique_ptr<SimQueue> queue,
            std::optional<OperandOrders> orders = std::nullopt);
  ~SimDevice() override;

  const DeviceFacts& facts() const override { return facts_; }
  // Refuses ops for which the profile has no times; a static device, also row counts without a graph and segments whose
  // ops differ in rows.
  Applicability supports(const Segment& segment) const override;
  void attach(Arena& arena) override { arena_ = &arena; }
  // A static device compiles each graph once; two segments with the same ops (their canonical texts) are one graph.
  std::unique_ptr<PreparedSegment> prepare(const Segment& segment) override;
  // Takes the profile's launch time of the host's.
  std::unique_ptr<Ticket> submit(PreparedSegment& prepared, const Bindings& bindings) override;
  // Where the profile knows two orders of operands: a matmul in the one or the other.
  KernelUse kernel_for(const OpDesc& op) const override;
  // Bytes, in their stored format, of the distinct weight slices of prepared segments. Slices are told apart by
  // WeightView::data.
  std::uint64_t weight_bytes() const override { return weight_bytes_; }
  // A second compiler beside the host's: one graph after another, each for as long as the profile says. It slows
  // nothing down. With an injected compile failure nothing is compiled ahead.
  void compile_ahead(const Segment& segment) override;
  void stop_ahead() override;
  // Its n-th graph (from 1) fails to compile; packing weights beyond so many bytes fails. 0: never.
  struct Limits {
    int failing_graph = 0;
    std::uint64_t weight_bytes = 0;
  };
  void set_limits(const Limits& limits) { limits_ = limits; }
  bool compile_failed() const { return compile_failed_; }
  bool out_of_memory() const { return out_of_memory_; }
  // Bytes of weights and of KV cache that all submissions until now had to read, as streamed_bytes() counts them.
  double streamed_bytes() const { return streamed_bytes_; }

 private:
  struct Prepared;
  using WeightKey = std::tuple<const std::byte*, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
  // A graph that waits for the second compiler.
  struct Queued {
    std::string text;
    double weights = 0;
    Nanos since{0};
  };
  void compile_once(const Segment& segment, PreparedSegment& prepared);
  void begin_queued();
  void count_weights(const Segment& segment);
  bool has_orders() const { return orders_ && !costs_->profile(profile_id_).order_factors.empty(); }
  std::pair<std::string, double> graph_of(const Segment& segment) const;
  double op_ns(const Op& op, std::int64_t position) const;
  static double op_bytes(const Op& op, std::int64_t position);

  DeviceFacts facts_;
  std::string profile_id_;
  SimCompute compute_;
  std::shared_ptr<const CostModel> costs_;
  const Timeline& timeline_;
  std::unique_ptr<SimQueue> queue_;
  std::optional<OperandOrders> orders_;
  Arena* arena_ = nullptr;
  std::set<std::string> graphs_;        // compiled, or begun by the second compiler
  std::deque<Queued> ahead_;            // not begun as far as is known: see begin_queued()
  std::map<std::string, Nanos> ready_;  // of the second compiler's graphs: since when, or from when on
  Nanos ahead_free_{0};                 // when it is through with what it has begun
  std::set<WeightKey> weights_;
  std::uint64_t weight_bytes_ = 0;
  Limits limits_;
  bool compile_failed_ = false;
  bool out_of_memory_ = false;
  double streamed_bytes_ = 0;
};

}  // namespace hetero
