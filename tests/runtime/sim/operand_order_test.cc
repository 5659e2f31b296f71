// Both orders of a matmul's operands on a device whose profile knows two.
#include <gtest/gtest.h>

#include "kernels/graph_rows.h"
#include "tests/runtime/sim/sim_fixture.h"

namespace hetero {
namespace {

using namespace testing_sim;

constexpr OperandOrder kActivations = OperandOrder::kActivationsFirst;
constexpr OperandOrder kWeights = OperandOrder::kWeightsFirst;

// [16, 8] is 3 times as slow with the activations first, [8, 16] 2 times with the weights first; anything else takes
// the same time either way. 32 rows: 2000 ns + 2 ns a weight.
SystemProfile two_orders() {
  SystemProfile system = static_npu();
  system.devices[0].order_factors = {{32, 16, 8, kActivations, figure(3)}, {32, 8, 16, kWeights, figure(2)}};
  return system;
}
constexpr std::int64_t kBestNs = 2000 + 2 * 16 * 8;

std::int64_t took_ns(Device& device, Timeline& timeline, const Segment& segment) {
  const auto prepared = device.prepare(segment);
  const auto ticket = device.submit(*prepared, {});
  wait_for(timeline, *ticket);
  const auto [start, finish] = interval_ns(*ticket);
  return finish - start;
}

Segment in_order(std::int64_t m, std::int64_t n, std::int64_t k, OperandOrder order) {
  Segment segment = matmul_segment(m, n, k);
  segment.ops[0].params = params_of(order);
  return segment;
}

TEST(SimOperandOrder, TakesWhatTheProfileSaysOfEach) {
  const SystemFile file(two_orders());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  EXPECT_EQ(took_ns(*npu, timeline, in_order(32, 16, 8, kWeights)), kBestNs);
  EXPECT_EQ(took_ns(*npu, timeline, in_order(32, 16, 8, kActivations)), 3 * kBestNs);
  EXPECT_EQ(took_ns(*npu, timeline, in_order(32, 8, 16, kWeights)), 2 * kBestNs);
  EXPECT_EQ(took_ns(*npu, timeline, in_order(32, 8, 16, kActivations)), kBestNs);
  EXPECT_EQ(took_ns(*npu, timeline, in_order(32, 4, 32, kActivations)), kBestNs);
  EXPECT_EQ(took_ns(*npu, timeline, in_order(32, 4, 32, kWeights)), kBestNs);
}

TEST(SimOperandOrder, ActivationsFirstUntilMeasured) {
  const SystemFile file(two_orders());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  EXPECT_EQ(npu->kernel_for(matmul_op(32, 16, 8).desc).row, &graph_matmul());
  EXPECT_EQ(took_ns(*npu, timeline, matmul_segment(32, 16, 8)), 3 * kBestNs);

  DeviceContext context;
  context.timeline = &timeline;
  const OpDesc op = matmul_op(32, 16, 8).desc;
  const std::string here = npu->facts().exact_fingerprint;
  context.by_shape = {{here, graph_matmul().id, op, {{params_of(kWeights), 1, 1}}}};
  const auto tuned = file.open("npu", context);
  EXPECT_EQ(tuned->facts().exact_fingerprint, here) << "samples name the order: one device, whatever was chosen";
  EXPECT_EQ(order_of(tuned->kernel_for(op).params), kWeights);
  EXPECT_EQ(took_ns(*tuned, timeline, matmul_segment(32, 16, 8)), kBestNs);
  Segment slice = matmul_segment(32, 16, 8);
  slice.ops[0].desc.n = slice.ops[0].weight.n1 = 4;
  EXPECT_EQ(took_ns(*tuned, timeline, slice), 2000 + 2 * 4 * 8) << "a slice goes with its weight";
  context.by_shape[0].exact_fingerprint = "another profile";
  const auto other = file.open("npu", context);
  EXPECT_EQ(took_ns(*other, timeline, matmul_segment(32, 16, 8)), 3 * kBestNs);
}

TEST(SimOperandOrder, OneOrderCanBeForced) {
  const SystemFile file(two_orders());
  VirtualTimeline timeline;
  const auto npu = file.open("npu?order=weights", timeline);
  EXPECT_EQ(took_ns(*npu, timeline, matmul_segment(32, 16, 8)), kBestNs);
  EXPECT_EQ(took_ns(*npu, timeline, matmul_segment(32, 8, 16)), 2 * kBestNs);
  EXPECT_TRUE(npu->supports(in_order(32, 8, 16, kWeights)).yes);
  const Applicability refused = npu->supports(in_order(32, 8, 16, kActivations));
  EXPECT_FALSE(refused.yes);
  EXPECT_NE(refused.why_not.find("order=weights"), std::string::npos) << refused.why_not;
  const auto free = file.open("npu?order=auto", timeline);
  EXPECT_TRUE(free->supports(in_order(32, 8, 16, kActivations)).yes);
  EXPECT_NE(free->facts().exact_fingerprint, npu->facts().exact_fingerprint);
}

TEST(SimOperandOrder, TheTwoAreTwoGraphs) {
  const SystemFile file(two_orders());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  EXPECT_GT(npu->prepare(in_order(32, 16, 8, kWeights))->graph_compile_ns, 0);
  EXPECT_GT(npu->prepare(in_order(32, 16, 8, kActivations))->graph_compile_ns, 0);
  EXPECT_EQ(npu->prepare(matmul_segment(32, 16, 8))->graph_compile_ns, 0) << "activations first, as before";
}

TEST(SimOperandOrder, ASimulationTakesTheBetterOne) {
  VirtualTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  const auto npu = open_sim_device(two_orders(), "npu", context);
  EXPECT_EQ(took_ns(*npu, timeline, matmul_segment(32, 16, 8)), kBestNs);
  EXPECT_EQ(took_ns(*npu, timeline, matmul_segment(32, 8, 16)), kBestNs);
}

TEST(SimOperandOrder, WithoutFactorsThereIsOneOrder) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  EXPECT_EQ(file.open("npu", timeline)->kernel_for(matmul_op(32, 16, 8).desc).row, nullptr);
}

}  // namespace
}  // namespace hetero
