// NumPy's .npy format, version 1.0, little-endian float32, C order.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/file.h"

namespace hetero {

// Writes an array of [rows, cols] row by row; the file is there when finish() has returned. Throws environment_error
// when it cannot be written; nothing is left then.
class NpyWriter {
 public:
  NpyWriter(std::string path, std::int64_t rows, std::int64_t cols);

  void write(std::span<const float> values);
  void finish() { file_.commit(); }

 private:
  OutputFile file_;
};

}  // namespace hetero
