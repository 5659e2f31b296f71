// The emulated device on the real timeline: never early, in order, and honest where computing takes longer. How late it
// may be is no test's business (see the conventions: no timed assertions).
#include <gtest/gtest.h>
#include <sched.h>

#include <thread>
#include <vector>

#include "base/error.h"
#include "tests/runtime/sim/sim_fixture.h"

namespace hetero {
namespace {

using namespace testing_sim;

constexpr std::int64_t kDuration = 1000 + 500 * 1000;  // of matmul_segment(1, 500, 1000), in ns

TEST(EmulatedQueue, FinishesNotBeforeItsTime) {
  const SystemFile file(three_devices());
  for (const Waiter waiter : {Waiter::kPoll, Waiter::kSleepPoll, Waiter::kDriver}) {
    SCOPED_TRACE(name_of(waiter));
    RealTimeline timeline;
    const auto device = file.open("a", timeline);
    EXPECT_TRUE(device->facts().emulated);
    const auto prepared = device->prepare(matmul_segment(1, 500, 1000));
    const Nanos before = timeline.now();
    const auto ticket = device->submit(*prepared, {});
    const Nanos submitted = timeline.now();
    EXPECT_GE((submitted - before).count(), 50);  // launch
    Ticket* const one = ticket.get();
    EXPECT_EQ(timeline.wait_any({&one, 1}, {waiter, submitted + Nanos(kDuration)}), 0U);
    const Nanos seen = timeline.now();
    ASSERT_TRUE(ticket->done());
    const auto [start, finish] = ticket->interval();
    EXPECT_GE(start, before + Nanos(50));
    EXPECT_LE(start, submitted);
    EXPECT_GE(finish - start, Nanos(kDuration));
    EXPECT_GE(seen, finish + Nanos(waiter == Waiter::kDriver ? 400 : 0));
  }
}

TEST(EmulatedQueue, RunsInOrderOfSubmission) {
  const SystemFile file(three_devices());
  RealTimeline timeline;
  const auto device = file.open("a", timeline);
  const auto longer = device->prepare(matmul_segment(1, 500, 1000));
  const auto shorter = device->prepare(matmul_segment(1, 1, 1));
  std::vector<std::unique_ptr<Ticket>> tickets;
  for (int i = 0; i < 6; ++i) tickets.push_back(device->submit(i % 2 == 0 ? *longer : *shorter, {}));
  tickets.back()->block();
  for (std::size_t i = 0; i < tickets.size(); ++i) {
    ASSERT_TRUE(tickets[i]->done()) << i;
    const auto [start, finish] = tickets[i]->interval();
    EXPECT_GE(finish - start, Nanos(i % 2 == 0 ? kDuration : 1001)) << i;
    if (i > 0) {
      EXPECT_GE(start, tickets[i - 1]->interval().second) << i;
    }
  }
}

TEST(EmulatedQueue, DestroyingATicketWaitsForIt) {
  const SystemFile file(three_devices());
  RealTimeline timeline;
  const auto device = file.open("a", timeline);
  const auto prepared = device->prepare(matmul_segment(1, 500, 1000));
  auto ticket = device->submit(*prepared, {});
  const Nanos submitted = timeline.now();
  ticket.reset();
  // The device began before submit() returned, at most `launch` and the call's own time earlier: the next segment
  // tells.
  const auto next = device->submit(*prepared, {});
  next->block();
  EXPECT_GE(next->interval().second, submitted + Nanos(kDuration));
}

TEST(EmulatedQueue, CompilingTakesRealTime) {
  const SystemFile file(static_npu());
  RealTimeline timeline;
  const auto npu = file.open("npu", timeline);
  const Nanos before = timeline.now();
  const auto first = npu->prepare(matmul_segment(32, 500, 1000));
  EXPECT_GE(timeline.now() - before, Nanos(505000));
  EXPECT_GE(first->graph_compile_ns, 505000);
  EXPECT_GE(first->prepare_ns, first->graph_compile_ns);
  EXPECT_EQ(npu->prepare(matmul_segment(32, 500, 1000))->graph_compile_ns, 0);
}

TEST(EmulatedQueue, ComputesOnTheCoreItIsGiven) {
  cpu_set_t allowed;
  ASSERT_EQ(sched_getaffinity(0, sizeof allowed, &allowed), 0);
  int core = 0;
  while (!CPU_ISSET(core, &allowed)) ++core;
  const SystemFile file(three_devices());
  RealTimeline timeline;
  const auto device = file.open("a?host=" + std::to_string(core), timeline);
  EXPECT_EQ(device->facts().cores, std::vector<int>{core});
  const auto prepared = device->prepare(matmul_segment(1, 1, 1));
  const auto ticket = device->submit(*prepared, {});
  wait_for(timeline, *ticket);
  EXPECT_GE(ticket->interval().second - ticket->interval().first, Nanos(1001));
  EXPECT_THROW(file.open("a?host=4000", timeline), Error);
}

}  // namespace
}  // namespace hetero
