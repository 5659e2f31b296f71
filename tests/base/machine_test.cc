// What runs beside a process is told from what it runs itself.
#include "base/machine.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <ctime>

namespace hetero {
namespace {

void compute_for_cpu_seconds(double seconds) {
  const std::clock_t end = std::clock() + static_cast<std::clock_t>(seconds * CLOCKS_PER_SEC);
  while (std::clock() < end) {
  }
}

TEST(ForeignLoad, OwnWorkIsNotForeignAndThatOfAnotherProcessIs) {
  // The other one takes as much time of a core as this one, or more, whatever else runs here. A child that was not
  // waited for counts as foreign.
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    for (;;) compute_for_cpu_seconds(1);
  }
  const ForeignLoad all({});
  const std::clock_t own_begin = std::clock();
  compute_for_cpu_seconds(0.5);
  const double beside_child = all.cores();
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  const double own_seconds = static_cast<double>(std::clock() - own_begin) / CLOCKS_PER_SEC;
  EXPECT_GE(own_seconds, 0.5);
  EXPECT_GT(beside_child, 0.1);
  // Waited for, it is this process's own: at most what else ran here is left, and that is less than before.
  EXPECT_LT(all.cores(), beside_child);
}

TEST(ForeignLoad, CoresThatAreNotThereRunNothing) {
  const ForeignLoad none({1 << 20});
  compute_for_cpu_seconds(0.05);
  EXPECT_EQ(none.cores(), 0);
}

}  // namespace
}  // namespace hetero
