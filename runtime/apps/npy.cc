#include "runtime/apps/npy.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <sstream>
#include <utility>

#include "base/error.h"

namespace hetero {
namespace {

// Where to write before renaming. A pipe or device (/dev/stdout, /dev/null) is written itself: renaming onto it would
// replace it by a file.
std::string temporary_name(const std::string& path) {
  struct stat status = {};
  const bool special = ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode);
  return special ? path : path + ".part" + std::to_string(getpid());
}

void discard(const std::string& temporary, const std::string& path) {
  if (temporary != path) std::remove(temporary.c_str());
}

bool move_into_place(const std::string& temporary, const std::string& path) {
  return temporary == path || std::rename(temporary.c_str(), path.c_str()) == 0;
}

Error cannot_write(const std::string& path) {
  return environment_error("cannot write '" + path + "'", "check the folder, the permissions and the free space");
}

}  // namespace

NpyWriter::NpyWriter(std::string path, std::int64_t rows, std::int64_t cols)
    : path_(std::move(path)), temporary_(temporary_name(path_)), file_(temporary_, std::ios::binary) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", " +
                       std::to_string(cols) + "), }";
  // Magic, version, length and header together are a multiple of 64 bytes, the header ends with a newline.
  constexpr std::size_t kPrefix = 10;
  header.append(63 - (kPrefix + header.size()) % 64, ' ');
  header += '\n';
  const auto length = static_cast<unsigned>(header.size());
  const char prefix[kPrefix] = {
      '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0, static_cast<char>(length & 0xff), static_cast<char>(length >> 8)};
  file_.write(prefix, kPrefix);
  file_ << header;
  check();
}

NpyWriter::~NpyWriter() {
  if (!temporary_.empty()) discard(temporary_, path_);
}

void NpyWriter::write(std::span<const float> values) {
  file_.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  check();
}

void NpyWriter::finish() {
  file_.close();
  check();
  if (!move_into_place(temporary_, path_)) throw cannot_write(path_);
  temporary_.clear();
}

void NpyWriter::check() {
  if (!file_) throw cannot_write(path_);
}

void write_text_file(const std::string& path, const std::string& text) {
  const std::string temporary = temporary_name(path);
  {
    std::ofstream file(temporary, std::ios::binary);
    file << text;
    file.close();
    if (!file) {
      discard(temporary, path);
      throw cannot_write(path);
    }
  }
  if (!move_into_place(temporary, path)) {
    discard(temporary, path);
    throw cannot_write(path);
  }
}

std::string read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) throw environment_error("cannot read '" + path + "'", "check the path");
  return text.str();
}

}  // namespace hetero
