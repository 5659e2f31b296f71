// A device behind OpenVINO: every segment is one compiled graph of fixed shapes (rarely a few, one after another), on
// the arena's memory. Used by one host thread; OpenVINO itself is called from the device's two workers only: one runs
// and compiles what is asked for, the other compiles ahead.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <openvino/runtime/core.hpp>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "runtime/device/device.h"
#include "runtime/device/openvino/ov_compiler.h"
#include "runtime/device/openvino/ov_graph.h"
#include "runtime/device/openvino/ov_shelf.h"
#include "runtime/device/openvino/ov_worker.h"
#include "runtime/device/operand_orders.h"

namespace hetero {

struct OpenVinoOptions {
  OvSettings settings;
  std::optional<Requantisation> requantise;  // quantised weights are rounded to it; none: kept as stored
  std::optional<OperandOrder> order;         // of every matmul; none: as was measured for its shape
  std::uint64_t keep_bytes = 0;  // graphs that nobody uses are kept up to so much; 0: a quarter of the memory
};

// What a device did with the memory that its graphs are bound to.
struct OvTraffic {
  std::uint64_t submissions = 0;
  std::uint64_t copied_bytes = 0;  // by this device, between the arena and memory of its own
};

// Where in the step a segment's rows lie: what is added to the rows of each tensor and of its rotations.
struct OvPlace {
  std::map<TensorId, std::int64_t> row0;
  std::int64_t row_offset = 0;
};

class OpenVinoDevice final : public Device, public CompilesAhead {
 public:
  // Fills in what OpenVINO says of the device: name, driver, memory and fingerprints. Throws environment_error when
  // there is none, when OpenVINO fails or, on the processor, when its work strays from facts.cores.
  OpenVinoDevice(DeviceFacts facts, OpenVinoOptions options, const DeviceContext& context);
  ~OpenVinoDevice() override;

  const DeviceFacts& facts() const override { return facts_; }
  // Refuses attention, segments whose ops differ in rows, rows without a graph, and what the plugin has refused to
  // compile before.
  Applicability supports(const Segment& segment) const override;
  void attach(Arena& arena) override { arena_ = &arena; }
  // Graphs are shared by segments with the same ops, columns and weights, whichever rows of the step they work on, and
  // kept for later ones: those that no segment uses only as long as all together hold less than options.keep_bytes.
  std::unique_ptr<PreparedSegment> prepare(const Segment& segment) override;
  std::unique_ptr<Ticket> submit(PreparedSegment& prepared, const Bindings& bindings) override;
  KernelUse kernel_for(const OpDesc& op) const override { return orders_.kernel_for(op); }
  // Bytes of the constants of all graphs, as they are given to OpenVINO; what a plugin makes of them is its own.
  std::uint64_t weight_bytes() const override { return shelf_.weight_bytes(); }

  void compile_ahead(const Segment& segment) override;
  void stop_ahead() override;

  OvTraffic traffic() const { return {submissions_, copied_bytes_.load()}; }
  RequantisationError requantisation() const;
  // The graphs that the plugin made of a segment, for its own reports on them.
  static std::vector<ov::CompiledModel> compiled(PreparedSegment& prepared);

 private:
  struct Rotations;  // the contents of a rope table
  struct Binding;    // a port of a request and its memory
  struct Stage;      // a request, ready to run
  struct Prepared;
  using WeightKey = std::tuple<const std::byte*, DType, std::int64_t, std::int64_t, std::int64_t, std::int64_t>;
  std::shared_ptr<const OvWeight> weight(const WeightSlice& slice);
  OvKept compile(const Segment& segment, double& compile_ns);
  std::uint64_t most_kept_bytes() const {
    return options_.keep_bytes > 0 ? options_.keep_bytes : facts_.memory_bytes / 4;
  }
  std::vector<Stage> make_stages(const OvKept& kept, const OvPlace& place);
  void bind_rotations(Stage& stage, const ov::Output<const ov::Node>& port, const OvInput& input);
  Binding make_binding(Stage& stage, const ov::Output<const ov::Node>& port, const Region& region);
  void bind(Stage& stage, Binding& binding, std::int64_t position);
  void run(Prepared& prepared, std::int64_t position);
  void connect();
  void verify_placement();

  DeviceFacts facts_;
  OpenVinoOptions options_;
  OperandOrders orders_;
  Timeline& timeline_;
  Arena* arena_ = nullptr;
  mutable std::mutex weights_mutex_;                            // guards weights_ and requantisation_
  std::map<WeightKey, std::weak_ptr<const OvWeight>> weights_;  // those that some graph still holds
  std::map<std::string, std::unique_ptr<Rotations>> rotations_;
  OvShelf shelf_;                               // by segment
  std::map<std::string, std::string> refused_;  // by segment: the plugin's reason
  RequantisationError requantisation_;
  bool requantisation_reported_ = false;
  std::uint64_t submissions_ = 0;
  std::atomic<std::uint64_t> copied_bytes_{0};
  std::unique_ptr<ov::Core> core_;
  std::unique_ptr<OvCompiler> compiler_;
  std::atomic<std::uint64_t> ahead_wanted_{0};  // raised by stop_ahead(): what was queued before is passed over
  std::vector<std::unique_ptr<Ticket>> ahead_tickets_;
  OvWorker worker_;  // the workers last: they are stopped before the rest goes
  OvWorker ahead_;
};

}  // namespace hetero
