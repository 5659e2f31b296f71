// Ops made ready to be timed: each on its device, on an arena of the set's own, matmuls over copies of their weight
// that are run in turn so that weights are cold as they are in decode. Decode-sized ops stand in segments of several,
// so that what a submission costs does not count as time of the op. Not thread-safe. The devices and the timeline
// outlive it; attaching another arena ends its use.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "profiles/measurement.h"
#include "runtime/device/device.h"
#include "tuner/measure/weight_pool.h"

namespace hetero {

// One run of a bench's next segment.
struct BenchTimes {
  double op_ns = 0;       // on the device, of one op
  double segment_ns = 0;  // on the device, of the segment
  double launch_ns = 0;   // from before submit() until the device runs (asynchronous: at least until submit() is back)
  double join_ns = 0;     // from the device's end until the host goes on
};

// One op on one device.
struct Bench {
  Device* device = nullptr;
  OpDesc op;
  ParamValues params;  // of the op, as Op::params
  Bindings bindings;
  int copies = 1;  // of the weight
  int ops_per_segment = 1;
  std::array<Region, 3> in;
  Region out;
  // kOk once prepared and checked; otherwise why it cannot be timed.
  SampleStatus status = SampleStatus::kOk;
  std::string message;
  bool prepared = false;
  double graph_compile_ns = 0;  // of the first segment; 0: nothing was compiled
  double segment_ns = 0;        // of the latest run
  double submit_ns = 0;         // host time that a submission takes: the least seen
  std::vector<std::unique_ptr<PreparedSegment>> segments;
  std::size_t next = 0;

  bool usable() const { return prepared && status == SampleStatus::kOk; }
};

class BenchSet {
 public:
  // `cold_bytes`: what the copies of a decode-sized weight add up to at least.
  // `most_ops`: of one segment; 1 where submissions themselves are looked at.
  BenchSet(Timeline& timeline, std::uint64_t cold_bytes, int most_ops = 32)
      : timeline_(timeline), cold_bytes_(cold_bytes), most_ops_(most_ops) {}

  // Before attach(). The same op on the same device with the same parameters is one bench. Returned references stay
  // valid. `params`: as Op::params.
  Bench& declare(Device& device, const OpDesc& op, const ParamValues& params = {});
  // Allocates the arena, fills it with random values and attaches it to every device that was named.
  void attach();

  // Builds and prepares the segments, runs one and compares its output with the reference. Failure is noted in the
  // bench. Does nothing the second time.
  void prepare(Bench& bench);
  // Precondition: bench.usable(). Throws the device's Error.
  BenchTimes run(Bench& bench, Waiter waiter);
  std::unique_ptr<Ticket> submit(Bench& bench);

 private:
  TensorId tensor(const Device& device, const std::string& role, std::int64_t rows, std::int64_t cols,
                  RowOrigin origin);
  void place(Bench& bench);
  Segment segment(const Bench& bench, int index) const;
  Op op_of(const Bench& bench, int copy) const;

  Timeline& timeline_;
  std::uint64_t cold_bytes_;
  int most_ops_;
  WeightPool weights_;
  Arena arena_;
  std::map<std::tuple<std::string, std::string, ParamValues>, std::unique_ptr<Bench>> benches_;
  // (device, role, columns, origin) -> rows and, once allocated, id. A tensor per width: strides are those of a model.
  using TensorKey = std::tuple<std::string, std::string, std::int64_t, int>;
  struct TensorPlan {
    std::int64_t rows = 0;
    TensorId id = kNoTensor;
  };
  std::map<TensorKey, TensorPlan> tensors_;
};

// Compares the bench's output in the arena (left by a segment whose last matmul used `weight`) with the reference
// kernel on a few rows and columns. Empty: it agrees, or an emulated device wrote nothing (it has only times).
std::string check_output(const Bench& bench, Arena& arena, const Op& op);
// Overwrites the output so that check_output() can tell what was written.
void spoil_output(const Bench& bench, Arena& arena);

// The waiter to time ops with: one that leaves the cores to the device where there is one.
Waiter quiet_waiter(const DeviceFacts& facts);

}  // namespace hetero
