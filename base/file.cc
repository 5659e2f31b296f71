#include "base/file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

std::string temporary_name(const std::string& path) {
  struct stat status = {};
  const bool special = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
  return special ? path : path + ".part" + std::to_string(getpid());
}

}  // namespace

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  // An empty file gives no characters, which a stream calls a failure.
  const bool empty = file && file.peek() == std::ifstream::traits_type::eof() && !file.bad();
  if (!empty && (!file || !(text << file.rdbuf()))) {
    throw environment_error("cannot read '" + path + "': " + std::strerror(errno), "check the path");
  }
  return text.str();
}

OutputFile::OutputFile(std::string path)
    : path_(std::move(path)), temporary_(temporary_name(path_)), file_(temporary_, std::ios::binary) {
  if (!file_) fail();
}

OutputFile::~OutputFile() {
  if (committed_ || temporary_ == path_) return;
  file_.close();
  std::remove(temporary_.c_str());
}

void OutputFile::write(const void* bytes, std::size_t count) {
  file_.write(static_cast<const char*>(bytes), static_cast<std::streamsize>(count));
  if (!file_) fail();
}

void OutputFile::commit() {
  file_.close();
  if (!file_) fail();
  if (temporary_ != path_ && std::rename(temporary_.c_str(), path_.c_str()) != 0) fail();
  committed_ = true;
}

void OutputFile::fail() const {
  throw environment_error("cannot write '" + path_ + "': " + std::strerror(errno),
                          "check the folder, the permissions and the free space");
}

void write_file(const std::string& path, const std::string& text) {
  OutputFile file(path);
  file.write(text);
  file.commit();
}

}  // namespace hetero
