// What hetero-tune does to files: nothing is made, changed or replaced by a command that fails.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/support/program.h"

namespace hetero::test {
namespace {

constexpr const char* kShape = "smollm2-135m";

void expect_refused(const TemporaryFolder& folder, int code, const std::vector<std::string>& arguments) {
  const std::vector<std::string> before = folder.names();
  const Finished run = run_program(HETERO_TUNE, arguments);
  EXPECT_EQ(run.exit_code, code) << arguments[0] << ": " << run.err;
  EXPECT_TRUE(run.err.starts_with("error: ")) << run.err;
  EXPECT_EQ(folder.names(), before) << arguments[0];
}

TEST(TuneFiles, ADatabaseThatIsNotThereIsMadeByMeasuringOnly) {
  const TemporaryFolder folder;
  const std::string db = folder.file("no.db");
  for (const char* command : {"fit", "solve", "explain", "export"}) {
    expect_refused(folder, 3, {command, "--model", kShape, "--devices", "cpu:0", "--db", db});
  }
  expect_refused(folder, 3, {"show", "--db", db});
  expect_refused(folder, 2, {"measure", "--model", kShape, "--budget", "0s", "--db", db});
  expect_refused(folder, 2, {"measure", "--model", kShape, "--budget", "60", "--db", db});
}

TEST(TuneFiles, ADeviceThatIsNotThereMakesNoDatabase) {
  const TemporaryFolder folder;
  expect_refused(folder, 3, {"measure", "--model", kShape, "--devices", "abacus:0", "--db", folder.file("no.db")});
  expect_refused(folder, 3, {"measure", "--model", kShape, "--devices", "cpu:99", "--db", folder.file("no.db")});
}

std::string output_of(const std::vector<std::string>& arguments) {
  const Finished run = run_program(HETERO_TUNE, arguments);
  EXPECT_EQ(run.exit_code, 0) << arguments[0] << ": " << run.err;
  return run.out;
}

TEST(TuneFiles, WhatWasImportedIsShownAndExported) {
  const TemporaryFolder folder;
  const std::string db = folder.file("new.db");
  const std::string profile = folder.file("profile.json");
  write_file(profile, contents(HETERO_SOURCE "/profiles/devices/test-npu.json"));
  const std::vector<std::string> simulate = {"simulate",   "--shape", kShape,   "--prompt", "32",
                                             "--generate", "1",       "--json", "--profile"};
  const auto simulated = [&](const std::string& from) {
    std::vector<std::string> arguments = simulate;
    arguments.push_back(from);
    return nlohmann::json::parse(output_of(arguments));
  };
  const std::string plan = folder.file("plan.json");
  write_file(plan, simulated(profile)["plan"].dump());

  output_of({"import", profile, "--db", db});
  output_of({"import", plan, "--db", db});
  const std::string shown = output_of({"show", "--db", db});
  EXPECT_NE(shown.find("plan for"), std::string::npos) << shown;
  EXPECT_EQ(nlohmann::json::parse(output_of({"export", "--model", kShape, "--db", db})),
            nlohmann::json::parse(contents(plan)));

  const std::string exported = folder.file("exported.json");
  output_of({"export", "--what", "profile", "--db", db, "--out", exported});
  EXPECT_EQ(simulated(exported)["prefill"]["ttft_ms"], simulated("test-npu")["prefill"]["ttft_ms"]);
  expect_refused(folder, 4, {"export", "--what", "profile", "--devices", "cpu:0", "--db", db});
  expect_refused(folder, 2, {"export", "--what", "shape", "--db", db});
}

TEST(TuneFiles, OutputThatCannotBeWrittenIsAnError) {
  const TemporaryFolder folder;
  const std::vector<std::string> simulate = {"simulate", "--profile", "test-npu",   "--shape", kShape,
                                             "--prompt", "32",        "--generate", "1"};
  const auto traced = [&](const std::string& path) {
    std::vector<std::string> arguments = simulate;
    arguments.insert(arguments.end(), {"--trace", path});
    return arguments;
  };
  EXPECT_EQ(run_program(HETERO_TUNE, traced("/dev/full")).exit_code, 3);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full")) << "it must not be replaced by a file";
  expect_refused(folder, 3, traced(folder.file("no/such/folder.json")));

  const std::string trace = folder.file("trace.json");
  write_file(trace, "an earlier result");
  EXPECT_EQ(run_program(HETERO_TUNE, traced(trace), {{}, 1000, ""}).exit_code, 3);
  EXPECT_EQ(contents(trace), "an earlier result");
  EXPECT_EQ(folder.names(), std::vector<std::string>{"trace.json"});

  EXPECT_EQ(run_program(HETERO_TUNE, simulate, {{}, {}, "/dev/full"}).exit_code, 3);
  EXPECT_EQ(run_program(HETERO_TUNE, {"devices", "--json"}, {{}, {}, "/dev/full"}).exit_code, 3);
}

TEST(TuneFiles, AFullDiskWhileMeasuringIsAnError) {
  const TemporaryFolder folder;
  const Finished run = run_program(
      HETERO_TUNE, {"measure", "--model", kShape, "--devices", "cpu:0", "--budget", "5s", "--db", folder.file("p.db")},
      {{}, 4096, ""});
  EXPECT_EQ(run.signal, 0);
  EXPECT_EQ(run.exit_code, 3) << run.err;
  EXPECT_NE(run.err.find("error: "), std::string::npos) << run.err;
}

}  // namespace
}  // namespace hetero::test
