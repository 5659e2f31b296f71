// hetero-report compare as a program: exit codes, refusals, and two commands in alternation.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/reports/program_fixture.h"

namespace hetero {
namespace {

using CompareProgramTest = ProgramTest;

TEST_F(CompareProgramTest, ExitCodeOneOnARegressionOnly) {
  const std::string before = bench("before", 100);
  const std::string slower = bench("slower", 90);
  EXPECT_EQ(run("compare " + before + " " + before), 0) << err_;
  EXPECT_EQ(run("compare " + before + " " + slower), 1) << err_;
  EXPECT_NE(out_.find("slower"), std::string::npos) << "what was found is printed all the same";
  EXPECT_EQ(run("compare " + slower + " " + before), 0) << "faster is no failure";
  EXPECT_EQ(run("compare " + before + " " + slower + " --threshold 20%"), 0);
  EXPECT_EQ(run("compare " + before + " " + slower + " --json"), 1);
  EXPECT_EQ(nlohmann::json::parse(out_)["regressions"], 1);
  EXPECT_EQ(run("compare " + before + " " + slower + " --markdown"), 1);
  EXPECT_EQ(out_.rfind("## Comparison", 0), 0u);
}

TEST_F(CompareProgramTest, WhatIsNotComparableIsRefused) {
  const std::string one = bench("one", 100);
  const std::string other = bench("other", 100, 11);
  expect_refusal(4, "compare " + one + " " + other);
  EXPECT_NE(err_.find("not comparable (model: 10 parameters, 20 bytes against 11 parameters"), std::string::npos)
      << err_;
  EXPECT_EQ(run("compare --anyway " + one + " " + other), 0) << err_;
  EXPECT_NE(err_.find("not comparable"), std::string::npos) << "it is said still";
}

TEST_F(CompareProgramTest, WrongInput) {
  const std::string one = bench("one", 100);
  expect_refusal(2, "compare " + one);
  expect_refusal(2, "compare " + one + " " + one + " " + one);
  expect_refusal(2, "compare --json --markdown " + one + " " + one);
  expect_refusal(2, "compare --threshold 3 " + one + " " + one);
  expect_refusal(2, "compare --threshold much " + one + " " + one);
  expect_refusal(2, "compare --alpha 2 " + one + " " + one);
  expect_refusal(2, "compare --save x " + one + " " + one);
  expect_refusal(2, "compare --filter nothing " + one + " " + one);
  expect_refusal(3, "compare " + one + " " + (folder_ / "missing").string());
  expect_refusal(4, "compare " + one + " /dev/null");
}

TEST_F(CompareProgramTest, TwoCommandsInAlternation) {
  const std::string before = bench("before", 100);
  const std::string slower = bench("slower", 90);
  const std::string log = (folder_ / "log").string();
  const auto command = [&](const std::string& file, const std::string& letter) {
    return "'printf " + letter + " >>" + log + "; cat " + file + "'";
  };
  EXPECT_EQ(run("compare --paired --rounds 8 --json --save " + (folder_ / "kept").string() + " " +
                command(before, "A") + " " + command(slower, "B")),
            1)
      << err_;
  EXPECT_EQ(contents(log), "ABBAABBAABBAABBAAB") << "each takes the lead in turn; the first pair warms up";
  const nlohmann::json row = nlohmann::json::parse(out_)["benchmarks"][0];
  EXPECT_EQ(row["a"]["samples"], 8) << "a run is one sample";
  EXPECT_EQ(row["finding"], "slower");
  EXPECT_EQ(run("compare " + (folder_ / "kept-a.json").string() + " " + (folder_ / "kept-b.json").string()), 1)
      << "what was kept compares alike: " << err_;
}

TEST_F(CompareProgramTest, CommandsThatFail) {
  const std::string good = "'cat " + bench("good", 100) + "'";
  EXPECT_EQ(run("compare --paired " + good + " 'exit 5'"), 3);
  EXPECT_NE(err_.find("'exit 5' ended with exit code 5"), std::string::npos) << err_;
  EXPECT_EQ(run("compare --paired 'kill -9 $$' " + good), 3);
  EXPECT_NE(err_.find("signal 9"), std::string::npos) << err_;
  EXPECT_EQ(run("compare --paired 'echo hello' " + good), 4);
  EXPECT_EQ(out_, "");
  const std::string changing = "'if [ -e " + (folder_ / "x").string() + " ]; then cat " + bench("other", 100, 11) +
                               "; else cat " + bench("one", 100) + "; fi; if [ -e " + (folder_ / "y").string() +
                               " ]; then touch " + (folder_ / "x").string() + "; fi; touch " +
                               (folder_ / "y").string() + "'";
  EXPECT_EQ(run("compare --paired --anyway " + good + " " + changing), 4);
  EXPECT_NE(err_.find("other circumstances"), std::string::npos) << err_;
}

}  // namespace
}  // namespace hetero
