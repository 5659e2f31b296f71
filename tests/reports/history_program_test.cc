// hetero-report history as a program: how commits are named, and what it refuses.
#include <gtest/gtest.h>

#include "tests/reports/program_fixture.h"

namespace hetero {
namespace {

using HistoryProgramTest = ProgramTest;

TEST_F(HistoryProgramTest, CommitsAreNamedByLabelContentsOrFile) {
  const std::string named = bench("named", 100);
  const std::string recorded = bench("recorded.json", 100, 10, "0123456789abcdef");
  const std::string plain = bench("plain.json", 90);
  EXPECT_EQ(run("history --json v1=" + named + " " + recorded + " " + plain), 0) << err_;
  const nlohmann::json json = nlohmann::json::parse(out_);
  EXPECT_EQ(json["commits"][0]["label"], "v1");
  EXPECT_EQ(json["commits"][1]["label"], "0123456789ab");
  EXPECT_EQ(json["commits"][2]["label"], "plain");
  EXPECT_EQ(json["benchmarks"][0]["points"][2]["finding"], "slower");
  EXPECT_EQ(run("history v1=" + named + " " + plain), 0) << "a picture is no check";
  const std::string odd = bench("a=b", 100);  // a file of that name is a file
  EXPECT_EQ(run("history --json " + odd + " " + plain), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["commits"][0]["label"], "a=b");
}

TEST_F(HistoryProgramTest, WrongInput) {
  const std::string one = bench("one", 100);
  const std::string two = bench("two", 100);
  expect_refusal(2, "history");
  expect_refusal(2, "history " + one);
  expect_refusal(2, "history " + one + " " + one);
  EXPECT_NE(err_.find("two files are both 'one'"), std::string::npos) << err_;
  expect_refusal(2, "history --json --html " + one + " " + two);
  expect_refusal(2, "history --threshold 3 " + one + " " + two);
  expect_refusal(2, "history --filter nothing " + one + " " + two);
  expect_refusal(3, "history " + one + " " + (folder_ / "missing").string());
  expect_refusal(4, "history " + one + " /dev/null");
  const std::string other = bench("other", 100, 11);
  expect_refusal(4, "history " + one + " " + other);
  EXPECT_NE(err_.find("one and other are not comparable (model:"), std::string::npos) << err_;
  EXPECT_EQ(run("history --anyway " + one + " " + other), 0) << err_;
  EXPECT_NE(err_.find("not comparable"), std::string::npos) << "it is said still";
}

}  // namespace
}  // namespace hetero
