#include "base/file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"

namespace hetero {
namespace {

class FileTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("hetero-file-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::size_t entries() const {
    return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
  }
  std::filesystem::path folder_;
};

TEST_F(FileTest, WhatIsWrittenIsRead) {
  const std::string bytes("a\0b\n\r\xff", 6);
  write_file(path("x"), bytes);
  EXPECT_EQ(read_file(path("x")), bytes);
  write_file(path("x"), "");
  EXPECT_EQ(read_file(path("x")), "");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FileTest, WithoutCommitNothingChanges) {
  write_file(path("x"), "old");
  {
    OutputFile file(path("x"));
    file.write("new", 3);
  }
  EXPECT_EQ(read_file(path("x")), "old");
  EXPECT_EQ(entries(), 1U);
}

TEST_F(FileTest, WhatCannotBeReadOrWrittenSaysSoAndLeavesNothing) {
  EXPECT_THROW(read_file(path("absent")), Error);
  EXPECT_THROW(read_file(folder_.string()), Error);
  EXPECT_THROW(write_file(path("absent/x"), "text"), Error);
  EXPECT_THROW(write_file(folder_.string(), "text"), Error);  // a folder stands under the name
  EXPECT_FALSE(std::filesystem::exists(folder_.string() + ".part" + std::to_string(getpid())));
  EXPECT_EQ(entries(), 0U);
}

TEST_F(FileTest, AFullDiskIsAnErrorAndADeviceIsWrittenItself) {
  const std::string much(1 << 20, 'x');
  EXPECT_THROW(write_file("/dev/full", much), Error);
  EXPECT_NO_THROW(write_file("/dev/null", much));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null"));
}

}  // namespace
}  // namespace hetero
