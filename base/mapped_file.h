// A file as read-only memory. Its pages come from the system's cache when they are read.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace hetero {

class MappedFile {
 public:
  // Throws environment_error when the path cannot be opened or mapped, or is not a regular file.
  static std::unique_ptr<MappedFile> open(const std::string& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }  // null when the file is empty
  std::size_t size() const { return size_; }

  // For who has made a copy of his own: whole pages in [data, data + bytes) leave this process's memory. What is read
  // there again comes from the system's cache once more. Nothing happens where the range is not of a mapped file.
  // May be called by any thread.
  static void forget(const std::byte* data, std::size_t bytes);

 private:
  MappedFile(const std::byte* data, std::size_t size);

  const std::byte* data_;
  std::size_t size_;
};

}  // namespace hetero
