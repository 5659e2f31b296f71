// Whole files in, whole files out: what a program writes appears under its name complete or not at all.
#pragma once

#include <fstream>
#include <string>

namespace hetero {

// The file's bytes. Throws environment_error when it cannot be read.
std::string read_file(const std::string& path);

// A file in the making: written beside `path`, and put in its place by commit(). Without commit() nothing is left and
// what stood under the name stays. A pipe or device (/dev/stdout, /dev/null) is written directly, since renaming onto
// it would replace it. Throws environment_error when it cannot be written (folder, permission, disk full).
class OutputFile {
 public:
  explicit OutputFile(std::string path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  void write(const void* bytes, std::size_t count);
  void write(const std::string& text) { write(text.data(), text.size()); }
  void commit();

 private:
  [[noreturn]] void fail() const;

  std::string path_;
  std::string temporary_;  // path_ itself where it is written directly
  std::ofstream file_;
  bool committed_ = false;
};

void write_file(const std::string& path, const std::string& text);

}  // namespace hetero
