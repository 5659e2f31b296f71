// Simulated devices on a virtual timeline: times, queues and contention, against values computed by hand.
#include <gtest/gtest.h>

#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "runtime/device/sim/sim_system.h"
#include "tests/runtime/sim/sim_fixture.h"

namespace hetero {
namespace {

using namespace testing_sim;
using Interval = std::pair<std::int64_t, std::int64_t>;

TEST(SimSystem, TakesTheProfilesTimeAndTheHostSeesItAfterTheJoin) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  const Segment segment = matmul_segment(1, 10, 10);
  ASSERT_TRUE(device->supports(segment).yes);
  const auto prepared = device->prepare(segment);
  EXPECT_EQ(timeline.now().count(), 0);  // a dynamic device compiles nothing
  const auto ticket = device->submit(*prepared, {});
  EXPECT_EQ(timeline.now().count(), 50);  // launch
  EXPECT_FALSE(ticket->done());
  wait_for(timeline, *ticket);
  EXPECT_EQ(interval_ns(*ticket), Interval(50, 50 + 1000 + 100));
  EXPECT_EQ(timeline.now().count(), 1150 + 30);  // the best waiter is poll
}

TEST(SimSystem, ASegmentIsTheSumOfItsOps) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  Segment segment = matmul_segment(1, 10, 10);
  Op norm;
  norm.desc = {OpKind::kRmsNorm, 1, 7};
  segment.ops.push_back(norm);
  const auto prepared = device->prepare(segment);
  const auto ticket = device->submit(*prepared, {});
  wait_for(timeline, *ticket);
  EXPECT_EQ(interval_ns(*ticket), Interval(50, 50 + 1100 + 7));
}

TEST(SimSystem, AttentionGrowsWithThePositionUnlessItsContextIsFixed) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  Op op;
  op.desc.kind = OpKind::kAttention;
  op.desc.n = 4;
  op.desc.heads = 2;
  op.desc.kv_heads = 1;
  op.desc.head_dim = 2;
  const auto duration = [&](std::int64_t position) {
    const auto prepared = device->prepare({"attention", {op}, {}, {}});
    const auto ticket = device->submit(*prepared, {position});
    wait_for(timeline, *ticket);
    const auto [start, finish] = interval_ns(*ticket);
    return finish - start;
  };
  // One row that sees `context` rows: 2 products * 4 columns * context.
  EXPECT_EQ(duration(0), 8);
  EXPECT_EQ(duration(99), 800);
  op.constants.row_offset = 10;
  EXPECT_EQ(duration(99), 880);
  op.desc.context = 16;
  EXPECT_EQ(duration(99), 128);
}

TEST(SimSystem, AShareHasTheShapeFactorOfTheWholeWeight) {
  SystemProfile system = three_devices();
  system.devices[0].matmul[0].shape_factors = {{1, 40, 10, figure(3)}};
  const SystemFile file(system);
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  Segment segment = matmul_segment(1, 10, 10);
  segment.ops[0].weight.weight.n = 40;  // of which the op has ten rows
  const auto prepared = device->prepare(segment);
  const auto ticket = device->submit(*prepared, {});
  wait_for(timeline, *ticket);
  EXPECT_EQ(interval_ns(*ticket), Interval(50, 50 + 3 * 1100));
}

TEST(SimSystem, RunsInOrderOfSubmission) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  const auto longer = device->prepare(matmul_segment(1, 10, 10));
  const auto shorter = device->prepare(matmul_segment(1, 1, 1));
  const auto first = device->submit(*longer, {});
  const auto second = device->submit(*shorter, {});
  const auto third = device->submit(*longer, {});
  EXPECT_EQ(timeline.now().count(), 150);
  wait_for(timeline, *third);
  EXPECT_TRUE(first->done());
  EXPECT_TRUE(second->done());
  EXPECT_EQ(interval_ns(*first), Interval(50, 1150));
  EXPECT_EQ(interval_ns(*second), Interval(1150, 2151));
  EXPECT_EQ(interval_ns(*third), Interval(2151, 3251));
  // An idle device begins when it is given something.
  const auto fourth = device->submit(*shorter, {});
  wait_for(timeline, *fourth);
  EXPECT_EQ(interval_ns(*fourth), Interval(3251 + 30 + 50, 3251 + 30 + 50 + 1001));
}

TEST(SimSystem, DevicesThatAreActiveTogetherSlowEachOtherDown) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto a = file.open("a", timeline);
  const auto b = file.open("b", timeline);
  const auto on_a = a->prepare(matmul_segment(1, 10, 10));  // 1100 alone
  const auto on_b = b->prepare(matmul_segment(1, 10, 10));
  const auto ticket_a = a->submit(*on_a, {});
  const auto ticket_b = b->submit(*on_b, {});
  wait_for(timeline, *ticket_a);
  // a alone from 50 to 100: 1050 left. Together, b needs 1100 * 1.5 and is done at 1750; a did 1650 / 2 = 825 of it in
  // that time and does the last 225 alone.
  EXPECT_EQ(interval_ns(*ticket_b), Interval(100, 1750));
  EXPECT_EQ(interval_ns(*ticket_a), Interval(50, 1975));
}

TEST(SimSystem, AnInjectedSlowDownCountsFromThenOnAndBesideContention) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto a = file.open("a", timeline);
  SimSystem& system = SimSystem::on(timeline, file.path(), nullptr);
  const auto on_a = a->prepare(matmul_segment(1, 10, 10));  // 1100 alone
  const auto first = a->submit(*on_a, {});
  timeline.schedule(Nanos(600), [&] { system.slow_down("made-up/a", 3); });
  wait_for(timeline, *first);
  EXPECT_EQ(interval_ns(*first), Interval(50, 600 + 3 * 550));
  system.slow_down("made-up/a", 1.0 / 3);
  const std::int64_t now = timeline.now().count();
  const auto second = a->submit(*on_a, {});
  wait_for(timeline, *second);
  EXPECT_EQ(interval_ns(*second), Interval(now + 50, now + 50 + 1100));
}

TEST(SimSystem, ALostDeviceFailsWhatItHasAndWhatComes) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto a = file.open("a", timeline);
  const auto b = file.open("b", timeline);
  SimSystem& system = SimSystem::on(timeline, file.path(), nullptr);
  const auto on_a = a->prepare(matmul_segment(1, 10, 10));
  const auto on_b = b->prepare(matmul_segment(1, 10, 10));
  const auto running = a->submit(*on_a, {});
  const auto waiting = a->submit(*on_a, {});
  const auto neighbour = b->submit(*on_b, {});
  timeline.schedule(Nanos(500), [&] { system.lose("made-up/a"); });
  wait_for(timeline, *running);
  EXPECT_EQ(timeline.now().count(), 500);
  EXPECT_TRUE(waiting->done());
  EXPECT_THROW(running->interval(), Error);
  EXPECT_THROW(waiting->interval(), Error);
  const auto later = a->submit(*on_a, {});
  EXPECT_TRUE(later->done());
  EXPECT_THROW(later->interval(), Error);
  // b was slowed 1.5 times from 150 to 500, and is alone since.
  wait_for(timeline, *neighbour);
  const auto [start, end] = interval_ns(*neighbour);
  EXPECT_NEAR(static_cast<double>(end - start), 350 + (1100 - 350 / 1.5), 1);
}

TEST(SimSystem, ContentionFollowsThePhase) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto a = file.open("a", timeline);
  const auto b = file.open("b", timeline);
  const auto on_a = a->prepare(matmul_segment(32, 10, 10));
  const auto on_b = b->prepare(matmul_segment(32, 10, 10));
  const auto ticket_a = a->submit(*on_a, {});
  const auto ticket_b = b->submit(*on_b, {});
  wait_for(timeline, *ticket_a);
  wait_for(timeline, *ticket_b);
  EXPECT_EQ(interval_ns(*ticket_a), Interval(50, 2250));
  EXPECT_EQ(interval_ns(*ticket_b), Interval(100, 2300));
}

TEST(SimSystem, AThirdDeviceComesAndGoes) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto a = file.open("a", timeline);
  const auto b = file.open("b", timeline);
  const auto c = file.open("c", timeline);
  const auto on_a = a->prepare(matmul_segment(1, 100, 100));  // 11000 alone
  const auto on_b = b->prepare(matmul_segment(1, 10, 10));
  const auto on_c = c->prepare(matmul_segment(1, 10, 10));
  const auto ticket_a = a->submit(*on_a, {});  // from 50
  const auto ticket_b = b->submit(*on_b, {});  // from 100: a at 2, b at 1.5
  const auto ticket_c = c->submit(*on_c, {});  // from 150: a at 2 * 1.25, c at 1.25
  wait_for(timeline, *ticket_a);
  // c: 1100 * 1.25 = 1375 -> 1525. b: 1650 -> 1750. a's work by 100: 50; by 150: 50 / 2; by 1525: 1375 / 2.5 = 550;
  // by 1750: 225 / 2 = 112.5; the rest, 10262.5, alone.
  EXPECT_EQ(interval_ns(*ticket_c), Interval(150, 1525));
  EXPECT_EQ(interval_ns(*ticket_b), Interval(100, 1750));
  EXPECT_EQ(interval_ns(*ticket_a), Interval(50, 12013));
}

TEST(SimSystem, AnotherSystemDoesNotDisturb) {
  const SystemFile one(three_devices(), "1");
  const SystemFile two(three_devices(), "2");
  VirtualTimeline timeline;
  const auto a = one.open("a", timeline);
  const auto b = two.open("b", timeline);
  const auto on_a = a->prepare(matmul_segment(1, 10, 10));
  const auto on_b = b->prepare(matmul_segment(1, 10, 10));
  const auto ticket_a = a->submit(*on_a, {});
  const auto ticket_b = b->submit(*on_b, {});
  wait_for(timeline, *ticket_b);
  EXPECT_EQ(interval_ns(*ticket_a), Interval(50, 1150));
  EXPECT_EQ(interval_ns(*ticket_b), Interval(100, 1200));
}

TEST(SimSystem, ATicketMayGoBeforeItIsDone) {
  const SystemFile file(three_devices());
  VirtualTimeline timeline;
  const auto device = file.open("a", timeline);
  const auto prepared = device->prepare(matmul_segment(1, 10, 10));
  device->submit(*prepared, {}).reset();
  const auto next = device->submit(*prepared, {});
  wait_for(timeline, *next);
  EXPECT_EQ(interval_ns(*next), Interval(1150, 2250));
}

// Three devices, a few hundred segments of random sizes, with random waits between: every interval as text.
std::string random_run(const SystemFile& file, std::uint64_t seed) {
  VirtualTimeline timeline;
  Rng rng(seed);
  std::vector<std::unique_ptr<Device>> devices;
  for (const char* name : {"a", "b", "c"}) devices.push_back(file.open(name, timeline));
  std::vector<std::unique_ptr<PreparedSegment>> prepared;
  std::vector<std::unique_ptr<Ticket>> tickets;
  for (int i = 0; i < 300; ++i) {
    Device& device = *devices[rng.below(3)];
    const std::int64_t m = rng.below(2) == 0 ? 1 : 32;
    prepared.push_back(device.prepare(matmul_segment(m, static_cast<std::int64_t>(1 + rng.below(60)), 17)));
    tickets.push_back(device.submit(*prepared.back(), {}));
    if (rng.below(4) == 0) wait_for(timeline, *tickets[rng.below(tickets.size())]);
  }
  std::ostringstream text;
  for (const auto& ticket : tickets) {
    wait_for(timeline, *ticket);
    const auto [start, finish] = interval_ns(*ticket);
    text << start << ' ' << finish << '\n';
  }
  text << timeline.now().count();
  return text.str();
}

TEST(SimSystem, IsTheSameFromRunToRun) {
  const SystemFile file(three_devices());
  EXPECT_EQ(random_run(file, 1), random_run(file, 1));
  EXPECT_NE(random_run(file, 1), random_run(file, 2));
}

}  // namespace
}  // namespace hetero
