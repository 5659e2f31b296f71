// hetero-report as a program: what goes to stdout, what to stderr, and the exit codes.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "profiles/store/store.h"

namespace hetero {
namespace {

namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
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

  fs::path folder_;
  std::string db_;
  std::string out_;
  std::string err_;
};

TEST_F(ProgramTest, PrintsBothForms) {
  {
    const auto store = Store::open(db_, StoreAccess::kReadWrite);
    RunInfo info;
    info.model_fingerprint = "m1";
    info.cpu = "Some CPU";
    store->end_run(store->begin_run(info), "done");
  }
  EXPECT_EQ(run("markdown --db " + db_), 0) << err_;
  EXPECT_NE(out_.find("- Machine: Some CPU"), std::string::npos) << out_;
  EXPECT_EQ(err_, "");
  EXPECT_EQ(run("json --db " + db_ + " --model-fingerprint m1"), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["runs"][0]["cpu"], "Some CPU");
  expect_refusal(4, "json --db " + db_ + " --model-fingerprint m2");
  EXPECT_EQ(run("markdown --db " + db_, "/dev/full"), 3) << "a report that was cut is no report";
}

TEST_F(ProgramTest, WrongCommandLines) {
  expect_refusal(2, "");
  expect_refusal(2, "picture");
  expect_refusal(2, "markdown --nonsense");
  expect_refusal(2, "markdown --db");
  EXPECT_EQ(run("--help"), 0);
  EXPECT_NE(out_.find("markdown"), std::string::npos);
}

TEST_F(ProgramTest, DatabasesThatCannotBeRead) {
  expect_refusal(3, "markdown --db " + db_);
  EXPECT_FALSE(fs::exists(db_)) << "a report makes no database";
  std::ofstream(db_) << "This is a letter.\n";
  expect_refusal(4, "json --db " + db_);
  expect_refusal(4, "json --db " + folder_.string());
}

}  // namespace
}  // namespace hetero
