// An owned block of zeroed host memory, aligned for SIMD, page mapping and zero-copy import by drivers. Pages that were
// never touched cost nothing.
#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>
#include <vector>

namespace hetero {

class AlignedBuffer {
 public:
  // Blocks of 4 MiB and more are aligned to huge pages and marked for them; others to a page.
  static constexpr std::size_t kPage = 4096;
  static constexpr std::size_t kHugePage = std::size_t{2} << 20;

  AlignedBuffer() = default;
  explicit AlignedBuffer(std::size_t bytes) : bytes_(bytes) {
    if (bytes == 0) return;
    const std::size_t align = bytes >= 2 * kHugePage ? kHugePage : kPage;
    mapped_ = (bytes + align - 1) / align * align;
    // The system aligns to a page only: what is too much on either side is given back.
    const std::size_t slack = align - kPage;
    void* const block = ::mmap(nullptr, mapped_ + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (block == MAP_FAILED) throw std::bad_alloc();
    const auto begin = reinterpret_cast<std::uintptr_t>(block);
    const std::size_t before = (align - begin % align) % align;
    data_ = static_cast<std::byte*>(block) + before;
    if (before > 0) ::munmap(block, before);
    if (slack > before) ::munmap(data_ + mapped_, slack - before);
    if (align == kHugePage) ::madvise(data_, mapped_, MADV_HUGEPAGE);  // a hint: failure changes nothing
  }
  ~AlignedBuffer() {
    if (data_ != nullptr) ::munmap(data_, mapped_);
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)),
        mapped_(std::exchange(other.mapped_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(bytes_, other.bytes_);
    std::swap(mapped_, other.mapped_);
    return *this;
  }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  // Gets every page now, so that nobody waits for one later.
  void touch() {
    if (data_ != nullptr) std::memset(data_, 0, mapped_);
  }

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  std::size_t size() const { return bytes_; }
  template <typename T>
  T* as() {
    return reinterpret_cast<T*>(data_);
  }
  template <typename T>
  const T* as() const {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
  std::size_t mapped_ = 0;  // rounded up
};

// Blocks that live as long as the pool, one behind the other in large buffers: weights that are smaller than a huge
// page, or end in the middle of one, share it with the next.
class BufferPool {
 public:
  // Zeroed. `align`: a power of two up to AlignedBuffer::kPage.
  std::byte* take(std::size_t bytes, std::size_t align = 64) {
    std::size_t at = (used_ + align - 1) / align * align;
    if (buffers_.empty() || at + bytes > buffers_.back().size()) {
      buffers_.emplace_back(std::max(bytes, kBuffer));
      at = 0;
    }
    used_ = at + bytes;
    return buffers_.back().data() + at;
  }

 private:
  static constexpr std::size_t kBuffer = std::size_t{64} << 20;  // what of it is never written costs no memory

  std::vector<AlignedBuffer> buffers_;
  std::size_t used_ = 0;  // of the last
};

}  // namespace hetero
