// A made-up system whose times can be computed in the head, and segments for it. For the tests of the sim device.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "profiles/device_profile.h"
#include "runtime/device/sim/sim_provider.h"

namespace hetero::testing_sim {

inline Figure figure(double value) { return {value, 0, Provenance::kAssumed, "made up"}; }

// Matmul with f32 weights: 1000 ns + 1 ns a weight at one row, 2000 ns + 2 ns a weight at 32 and more (in proportion);
// attention: 1 ns a multiply-add; all other ops: 1 ns an element. Launch 50 ns; joins: poll 30 ns, driver 400 ns.
inline DeviceProfile device_profile(const std::string& id) {
  DeviceProfile p;
  p.device = id;
  p.kind = "npu";
  p.name = "made-up " + id;
  p.matmul = {{DType::kF32, {{1, figure(1000), figure(1)}, {32, figure(2000), figure(2)}}, {}}};
  for (const OpKind kind : {OpKind::kRmsNorm, OpKind::kRope, OpKind::kAttention, OpKind::kSwiGlu, OpKind::kAdd}) {
    p.ops.push_back({kind, figure(0), figure(1)});
  }
  p.launch_ns = figure(50);
  p.join_ns = {{"driver", figure(400)}, {"poll", figure(30)}};
  p.memory_bytes = 1 << 20;
  p.feature_align = 1;
  return p;
}

// Three dynamic devices a, b, c. While a and b are active together, a takes 2 times and b 1.5 times as long in decode,
// and neither is slower in prefill. c and a: 1.25 times as long in decode, both.
inline SystemProfile three_devices() {
  SystemProfile s{"made-up", "Made up", {}};
  for (const char* name : {"a", "b", "c"}) s.devices.push_back(device_profile("made-up/" + std::string(name)));
  s.devices[0].slowdowns = {{{"made-up/b"}, figure(2), figure(1)}, {{"made-up/c"}, figure(1.25), figure(1)}};
  s.devices[1].slowdowns = {{{"made-up/a"}, figure(1.5), figure(1)}};
  s.devices[2].slowdowns = {{{"made-up/a"}, figure(1.25), figure(1)}};
  return s;
}

// One device "npu" with graphs for 1 and 32 rows that take 5000 ns + 1 ns a weight to compile, results in float16.
inline SystemProfile static_npu() {
  SystemProfile s{"made-up", "Made up", {device_profile("made-up/npu")}};
  s.devices[0].standard_sizes = {1, 32};
  s.devices[0].graph_compile_fixed_ns = figure(5000);
  s.devices[0].graph_compile_ns_per_weight = figure(1);
  s.devices[0].half_precision = true;
  return s;
}

// A system profile as a file that goes with the test.
class SystemFile {
 public:
  explicit SystemFile(const SystemProfile& system, const std::string& tag = "0")
      : path_(testing::TempDir() + "hetero-sim-" + std::to_string(getpid()) + "-" + tag + ".json") {
    std::ofstream(path_) << to_json(system);
  }
  ~SystemFile() { std::remove(path_.c_str()); }
  SystemFile(const SystemFile&) = delete;
  SystemFile& operator=(const SystemFile&) = delete;

  const std::string& path() const { return path_; }
  // `device`: "a", or "npu?compute=reference".
  std::unique_ptr<Device> open(const std::string& device, Timeline& timeline) const {
    DeviceContext context;
    context.timeline = &timeline;
    return open(device, context);
  }
  std::unique_ptr<Device> open(const std::string& device, const DeviceContext& context) const {
    return sim_provider().open(parse_device_spec("sim:" + path_ + "/" + device), context);
  }

 private:
  std::string path_;
};

// Times only: the operands are nowhere.
inline Op matmul_op(std::int64_t m, std::int64_t n, std::int64_t k) {
  static const std::array<float, 1> weight{};  // an address
  Op op;
  op.desc.m = m;
  op.desc.n = n;
  op.desc.k = k;
  op.weight = {{reinterpret_cast<const std::byte*>(weight.data()), DType::kF32, n, k}, 0, n, 0, k};
  return op;
}
inline Segment matmul_segment(std::int64_t m, std::int64_t n, std::int64_t k) {
  return {"matmul", {matmul_op(m, n, k)}, {}, {}};
}

inline std::pair<std::int64_t, std::int64_t> interval_ns(Ticket& ticket) {
  const auto [start, finish] = ticket.interval();
  return {start.count(), finish.count()};
}

inline void wait_for(Timeline& timeline, Ticket& ticket) {
  Ticket* const one = &ticket;
  timeline.wait_any({&one, 1}, {});
}

}  // namespace hetero::testing_sim
