// Runs hetero-report in a folder of its own and keeps what it printed. For tests only.
#pragma once

#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>

namespace hetero {

namespace fs = std::filesystem;

inline std::string contents(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

class ProgramTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "hetero_report_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    db_ = (folder_ / "p.db").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Runs it through the shell; its exit code.
  int run(const std::string& arguments, const std::string& to = "") {
    const std::string out = to.empty() ? (folder_ / "out").string() : to;
    const std::string command =
        std::string(HETERO_REPORT) + " " + arguments + " >" + out + " 2>" + (folder_ / "err").string();
    const int status = std::system(command.c_str());
    out_ = to.empty() ? contents(folder_ / "out") : "";
    err_ = contents(folder_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  // One line on stderr, nothing on stdout.
  void expect_refusal(int code, const std::string& arguments) {
    EXPECT_EQ(run(arguments), code) << arguments << "\n" << err_;
    EXPECT_EQ(out_, "") << arguments;
    EXPECT_EQ(std::count(err_.begin(), err_.end(), '\n'), 1) << arguments << "\n" << err_;
    EXPECT_EQ(err_.rfind("error: ", 0), 0u) << err_;
  }

  // Bench rows of one test, ten samples from `rate` on; the file's path.
  std::string bench(const std::string& name, double rate, int parameters = 10, const std::string& commit = "") {
    nlohmann::json samples = nlohmann::json::array();
    for (int i = 0; i < 10; ++i) samples.push_back(rate + 0.01 * i);
    nlohmann::json row = {{"test", "pp64"},
                          {"devices", {"cpu:0"}},
                          {"plan", "single"},
                          {"tok_per_s", {{"samples", samples}}},
                          {"model", {{"params", parameters}, {"bytes", 20}}}};
    if (!commit.empty()) row["environment"] = {{"commit", commit}};
    std::ofstream(folder_ / name) << nlohmann::json::array({row}).dump();
    return (folder_ / name).string();
  }

  fs::path folder_;
  std::string db_;
  std::string out_;
  std::string err_;
};

}  // namespace hetero
