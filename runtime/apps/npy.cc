#include "runtime/apps/npy.h"

#include <utility>

namespace hetero {

NpyWriter::NpyWriter(std::string path, std::int64_t rows, std::int64_t cols) : file_(std::move(path)) {
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
  file_.write(header.data(), header.size());
}

void NpyWriter::write(std::span<const float> values) { file_.write(values.data(), values.size_bytes()); }

}  // namespace hetero
