// The habits of a static device: which segments it refuses, what it compiles and when, what it holds of weights.
#include <gtest/gtest.h>

#include "tests/runtime/sim/sim_fixture.h"

namespace hetero {
namespace {

using namespace testing_sim;

TEST(StaticGraph, RefusesRowCountsWithoutAGraph) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  EXPECT_EQ(npu->facts().standard_sizes, (std::vector<std::int64_t>{1, 32}));
  EXPECT_TRUE(npu->supports(matmul_segment(1, 8, 8)).yes);
  EXPECT_TRUE(npu->supports(matmul_segment(32, 8, 8)).yes);
  const Applicability refused = npu->supports(matmul_segment(33, 8, 8));
  EXPECT_FALSE(refused.yes);
  EXPECT_NE(refused.why_not.find("1, 32"), std::string::npos) << refused.why_not;
  EXPECT_NE(refused.why_not.find("33"), std::string::npos) << refused.why_not;
}

TEST(StaticGraph, RefusesOpsOfDifferentRows) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  Segment segment = matmul_segment(32, 8, 8);
  segment.ops.push_back(matmul_op(1, 8, 8));
  const Applicability refused = npu->supports(segment);
  EXPECT_FALSE(refused.yes);
  EXPECT_NE(refused.why_not.find("one number of rows"), std::string::npos) << refused.why_not;
}

TEST(StaticGraph, ADynamicDeviceTakesAnyRows) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  Segment segment = matmul_segment(33, 8, 8);
  segment.ops.push_back(matmul_op(1, 8, 8));
  EXPECT_TRUE(device->supports(segment).yes);
}

TEST(StaticGraph, RefusesWhatTheProfileHasNoTimeFor) {
  SystemProfile system = three_devices();
  system.devices[0].ops.clear();
  const SystemFile file(system);
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  Segment segment = matmul_segment(1, 8, 8);
  EXPECT_TRUE(device->supports(segment).yes);
  segment.ops[0].desc.w = DType::kQ4_0;
  EXPECT_FALSE(device->supports(segment).yes);
  Op norm;
  norm.desc = {OpKind::kRmsNorm, 1, 8};
  const Applicability refused = device->supports({"norm", {norm}, {}, {}});
  EXPECT_FALSE(refused.yes);
  EXPECT_NE(refused.why_not.find("rms_norm"), std::string::npos) << refused.why_not;
}

TEST(StaticGraph, CompilesAGraphOnce) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  const auto first = npu->prepare(matmul_segment(32, 10, 10));
  EXPECT_EQ(timeline.now().count(), 5100);  // 5000 + 10 * 10 weights
  EXPECT_EQ(first->graph_compile_ns, 5100);
  EXPECT_EQ(first->prepare_ns, 5100);
  const auto again = npu->prepare(matmul_segment(32, 10, 10));
  EXPECT_EQ(timeline.now().count(), 5100);
  EXPECT_EQ(again->graph_compile_ns, 0);
  const auto other_rows = npu->prepare(matmul_segment(1, 10, 10));
  EXPECT_EQ(other_rows->graph_compile_ns, 5100);
  EXPECT_EQ(timeline.now().count(), 10200);
}

// Three graphs of 5100 ns each, made ahead in the order in which they are asked for, while time passes elsewhere.
TEST(StaticGraph, WhatIsReadyIsNotWaitedFor) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  auto& ahead = dynamic_cast<CompilesAhead&>(*npu);
  const std::vector<Segment> graphs = {matmul_segment(32, 10, 10), matmul_segment(1, 10, 10),
                                       matmul_segment(32, 5, 20)};
  for (const Segment& graph : graphs) ahead.compile_ahead(graph);
  EXPECT_EQ(timeline.now().count(), 0) << "asking costs nothing";
  timeline.advance(Nanos(7000));
  EXPECT_EQ(npu->prepare(graphs[0])->graph_compile_ns, 0) << "ready since 5100";
  EXPECT_EQ(npu->prepare(graphs[1])->graph_compile_ns, 3200) << "under way until 10200";
  EXPECT_EQ(timeline.now().count(), 10200);
  EXPECT_EQ(npu->prepare(graphs[2])->graph_compile_ns, 5100) << "begun at 10200";
  for (const Segment& graph : graphs) EXPECT_EQ(npu->prepare(graph)->graph_compile_ns, 0);
}

TEST(StaticGraph, WhatHasNotBegunIsMadeAtOnce) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  auto& ahead = dynamic_cast<CompilesAhead&>(*npu);
  ahead.compile_ahead(matmul_segment(32, 10, 10));
  ahead.compile_ahead(matmul_segment(1, 10, 10));
  timeline.advance(Nanos(100));
  EXPECT_EQ(npu->prepare(matmul_segment(1, 10, 10))->graph_compile_ns, 5100) << "it does not queue behind the other";
  ahead.compile_ahead(matmul_segment(32, 6, 10));  // begins at once: the second compiler is idle
  ahead.compile_ahead(matmul_segment(32, 7, 10));
  ahead.stop_ahead();
  timeline.advance(Nanos(100000));
  EXPECT_EQ(npu->prepare(matmul_segment(32, 10, 10))->graph_compile_ns, 0) << "it was under way";
  EXPECT_EQ(npu->prepare(matmul_segment(32, 7, 10))->graph_compile_ns, 5070) << "it had been stopped before its turn";
}

TEST(StaticGraph, CountsDistinctWeightSlicesOnce) {
  const SystemFile file(static_npu());
  VirtualTimeline timeline;
  const auto npu = file.open("npu", timeline);
  EXPECT_EQ(npu->weight_bytes(), 0U);
  npu->prepare(matmul_segment(32, 10, 10));
  EXPECT_EQ(npu->weight_bytes(), 400U);
  npu->prepare(matmul_segment(1, 10, 10));  // another graph, the same weight
  EXPECT_EQ(npu->weight_bytes(), 400U);
  Segment part = matmul_segment(1, 4, 10);
  part.ops[0].weight.n0 = 2;
  part.ops[0].weight.n1 = 6;
  npu->prepare(part);
  EXPECT_EQ(npu->weight_bytes(), 400U + 160U);
}

}  // namespace
}  // namespace hetero
