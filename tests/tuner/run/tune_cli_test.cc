// hetero-tune as a program: wrong input gives one line on stderr and the documented exit code.
#include <gtest/gtest.h>

#include <string>

#include "tests/support/refusal.h"

namespace hetero {
namespace {

using test::Finished;

Finished tune(const std::string& arguments) { return test::run_line(HETERO_TUNE, arguments); }

void expect_refused(const std::string& arguments, int code) { test::expect_refusal(HETERO_TUNE, arguments, code); }

TEST(TuneCli, RefusesWrongFlags) {
  expect_refused("", 2);
  expect_refused("frobnicate", 2);
  expect_refused("devices --frobnicate", 2);
  expect_refused("run", 2);
  expect_refused("simulate --profile test-npu", 2);
  expect_refused("simulate --profile test-npu --shape llama-3-8b --prompt -1", 2);
  expect_refused("simulate --profile test-npu --shape llama-3-8b --prompt many", 2);
}

TEST(TuneCli, RefusesWhatIsNotThere) {
  expect_refused("run --model /nonexistent.gguf", 3);
  expect_refused("show --db /nonexistent/profiles.db", 3);
  expect_refused("simulate --profile nonexistent --shape llama-3-8b", 3);
  expect_refused("simulate --profile snapdragon-8-gen-3 --shape nonexistent", 3);
  expect_refused("import /nonexistent.json", 3);
}

TEST(TuneCli, RefusesWhatItCannotUseAndLeavesItAlone) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("not-ours");
  test::write_file(path, "this is neither a model nor a plan nor a database");
  expect_refused("run --model " + path, 4);
  expect_refused("import " + path, 4);
  expect_refused("show --db " + path, 4);
  EXPECT_EQ(test::contents(path), "this is neither a model nor a plan nor a database");
}

TEST(TuneCli, BudgetNeedsAUnit) {
  const test::TemporaryFolder folder;
  expect_refused("measure --model smollm2-135m --budget 60 --db " + folder.file("unit.db"), 2);
}

TEST(TuneCli, SimulatesWithoutADeviceAndAlwaysTheSame) {
  const std::string arguments =
      "simulate --profile snapdragon-8-gen-3 --shape llama-3.2-1b --prompt 64 --generate 4 --json";
  const Finished first = tune(arguments);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_NE(first.out.find("\"provenance\": \"simulated\""), std::string::npos);
  EXPECT_EQ(first.out, tune(arguments).out);
}

TEST(TuneCli, DevicesPrintsJson) {
  const Finished outcome = tune("devices --json");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.out.find("\"why_not\""), std::string::npos);
}

}  // namespace
}  // namespace hetero
