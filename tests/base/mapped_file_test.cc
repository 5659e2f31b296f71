#include "base/mapped_file.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "base/aligned_buffer.h"
#include "base/error.h"
#include "base/file.h"

namespace hetero {
namespace {

// Of the mapping that begins at `data`, pages in this process. (mincore() would tell of the system's cache.)
std::size_t resident_pages(const std::byte* data) {
  std::size_t kilobytes = 0;
  FILE* const maps = std::fopen("/proc/self/smaps", "r");
  char line[512];
  bool ours = false;
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line, "%lx-%lx ", &begin, &end) == 2) ours = begin == reinterpret_cast<unsigned long>(data);
    if (ours && std::sscanf(line, "Rss: %zu kB", &kilobytes) == 1) break;
  }
  std::fclose(maps);
  return kilobytes * 1024 / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

class MappedFileTest : public testing::Test {
 protected:
  void SetUp() override { write_file(path_, std::string(kBytes, 'a')); }
  void TearDown() override { ::unlink(path_.c_str()); }
  static constexpr std::size_t kBytes = 1 << 20;
  const std::string path_ = testing::TempDir() + "mapped_file_test";
};

TEST_F(MappedFileTest, GivesPagesBackAndReadsThemAgain) {
  const auto file = MappedFile::open(path_);
  ASSERT_EQ(file->size(), kBytes);
  std::size_t seen = 0;
  for (std::size_t i = 0; i < kBytes; ++i) seen += file->data()[i] == std::byte{'a'} ? 1u : 0u;
  EXPECT_EQ(seen, kBytes);
  const std::size_t pages = kBytes / static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  EXPECT_EQ(resident_pages(file->data()), pages);
  MappedFile::forget(file->data() + 1, kBytes - 1);  // whole pages only: the first stays
  EXPECT_EQ(resident_pages(file->data()), 1u);
  EXPECT_EQ(file->data()[kBytes - 1], std::byte{'a'});
}

TEST_F(MappedFileTest, LeavesOtherMemoryAlone) {
  auto file = MappedFile::open(path_);
  AlignedBuffer buffer(kBytes);
  std::memset(buffer.data(), 7, kBytes);
  MappedFile::forget(buffer.data(), kBytes);
  MappedFile::forget(nullptr, kBytes);
  for (std::size_t i = 0; i < kBytes; ++i) ASSERT_EQ(buffer.data()[i], std::byte{7});
  // Not after the file is gone either: what lies there then is someone else's.
  const std::byte* const where = file->data();
  file.reset();
  void* const other = ::mmap(const_cast<std::byte*>(where), kBytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  ASSERT_NE(other, MAP_FAILED);
  std::memset(other, 9, kBytes);
  MappedFile::forget(where, kBytes);
  EXPECT_EQ(where[kBytes / 2], std::byte{9});
  ::munmap(other, kBytes);
}

TEST_F(MappedFileTest, RefusesWhatIsNoFile) {
  EXPECT_THROW(MappedFile::open(testing::TempDir()), Error);
  EXPECT_THROW(MappedFile::open(path_ + ".none"), Error);
  write_file(path_, "");
  EXPECT_EQ(MappedFile::open(path_)->size(), 0u);
}

}  // namespace
}  // namespace hetero
