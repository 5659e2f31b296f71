// hetero-tune as a program: wrong input gives one line on stderr and the documented exit code.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace {

struct Outcome {
  int code = -1;
  std::string out;
  std::string err;
};

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Outcome tune(const std::string& arguments) {
  const std::string base = testing::TempDir() + "tune-cli-" + std::to_string(getpid());
  const std::string command = std::string(HETERO_TUNE) + " " + arguments + " >" + base + ".out 2>" + base + ".err";
  const int status = std::system(command.c_str());
  Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, slurp(base + ".out"), slurp(base + ".err")};
  std::remove((base + ".out").c_str());
  std::remove((base + ".err").c_str());
  return outcome;
}

void expect_refused(const std::string& arguments, int code) {
  const Outcome outcome = tune(arguments);
  EXPECT_EQ(outcome.code, code) << arguments << "\n" << outcome.err;
  EXPECT_EQ(outcome.out, "") << arguments;
  EXPECT_EQ(outcome.err.rfind("error: ", 0), 0U) << arguments << "\n" << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << arguments << "\n" << outcome.err;
}

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
  const std::string path = testing::TempDir() + "tune-cli-not-ours-" + std::to_string(getpid());
  std::ofstream(path) << "this is neither a model nor a plan nor a database";
  expect_refused("run --model " + path, 4);
  expect_refused("import " + path, 4);
  expect_refused("show --db " + path, 4);
  EXPECT_EQ(slurp(path), "this is neither a model nor a plan nor a database");
  std::remove(path.c_str());
}

TEST(TuneCli, BudgetNeedsAUnit) {
  expect_refused("measure --model smollm2-135m --budget 60 --db " + testing::TempDir() + "tune-cli-unit.db", 2);
  std::remove((testing::TempDir() + "tune-cli-unit.db").c_str());
}

TEST(TuneCli, SimulatesWithoutADeviceAndAlwaysTheSame) {
  const std::string arguments =
      "simulate --profile snapdragon-8-gen-3 --shape llama-3.2-1b --prompt 64 --generate 4 --json";
  const Outcome first = tune(arguments);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_NE(first.out.find("\"provenance\": \"simulated\""), std::string::npos);
  EXPECT_EQ(first.out, tune(arguments).out);
}

TEST(TuneCli, DevicesPrintsJson) {
  const Outcome outcome = tune("devices --json");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_NE(outcome.out.find("\"why_not\""), std::string::npos);
}

}  // namespace
