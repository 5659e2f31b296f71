#include "base/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <mutex>

#include "base/error.h"

namespace hetero {
namespace {

// Which memory is a mapped file's: dropping pages of any other would lose what is in them.
struct Mappings {
  std::mutex mutex;
  std::map<std::uintptr_t, std::uintptr_t> end_of;  // begin -> end
};
Mappings& mappings() {
  static Mappings& all = *new Mappings;  // never destroyed: files of static objects outlive other static objects
  return all;
}

std::uintptr_t address(const std::byte* data) { return reinterpret_cast<std::uintptr_t>(data); }

[[noreturn]] void fail(const char* verb, const std::string& path, int reason) {
  throw environment_error("cannot " + std::string(verb) + " " + path + ": " + std::strerror(reason), "check the path");
}

}  // namespace

std::unique_ptr<MappedFile> MappedFile::open(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail("open", path, errno);
  struct stat status {};
  if (::fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(fd);
    throw environment_error(path + " is not a regular file", "check the path");
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  void* const memory = size == 0 ? nullptr : ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  const int reason = errno;
  ::close(fd);
  if (memory == MAP_FAILED) fail("map", path, reason);
  return std::unique_ptr<MappedFile>(new MappedFile(static_cast<const std::byte*>(memory), size));
}

MappedFile::MappedFile(const std::byte* data, std::size_t size) : data_(data), size_(size) {
  if (data_ == nullptr) return;
  const std::lock_guard lock(mappings().mutex);
  mappings().end_of[address(data_)] = address(data_) + size_;
}

MappedFile::~MappedFile() {
  if (data_ == nullptr) return;
  const std::lock_guard lock(mappings().mutex);
  mappings().end_of.erase(address(data_));
  ::munmap(const_cast<std::byte*>(data_), size_);
}

void MappedFile::forget(const std::byte* data, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(::sysconf(_SC_PAGESIZE));
  const std::uintptr_t begin = (address(data) + page - 1) / page * page;
  const std::uintptr_t end = (address(data) + bytes) / page * page;
  if (end <= begin) return;
  const std::lock_guard lock(mappings().mutex);
  const auto after = mappings().end_of.upper_bound(address(data));
  if (after == mappings().end_of.begin() || address(data) + bytes > std::prev(after)->second) return;
  ::madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);  // a hint: failure changes nothing
}

}  // namespace hetero
