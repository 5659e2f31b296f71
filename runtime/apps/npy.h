// NumPy's .npy format, version 1.0, little-endian float32, C order.
#pragma once

#include <cstdint>
#include <fstream>
#include <span>
#include <string>

namespace hetero {

// Writes an array of [rows, cols] row by row to a temporary file beside `path` and renames it when it is complete (a
// device or pipe, such as /dev/stdout, is written directly). Throws environment_error when the file cannot be written
// (no permission, disk full); nothing is left then.
class NpyWriter {
 public:
  NpyWriter(std::string path, std::int64_t rows, std::int64_t cols);
  ~NpyWriter();
  NpyWriter(const NpyWriter&) = delete;
  NpyWriter& operator=(const NpyWriter&) = delete;

  void write(std::span<const float> values);
  void finish();

 private:
  void check();
  std::string path_;
  std::string temporary_;
  std::ofstream file_;
};

// A whole text file, written the same way.
void write_text_file(const std::string& path, const std::string& text);

// Throws environment_error when the file cannot be read.
std::string read_text_file(const std::string& path);

}  // namespace hetero
