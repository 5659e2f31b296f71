// Alignment, zeroing and ownership of blocks.
#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

namespace hetero {
namespace {

TEST(AlignedBuffer, IsAlignedAndZero) {
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{4096}, std::size_t{100000}, 5 * AlignedBuffer::kHugePage}) {
    AlignedBuffer buffer(bytes);
    EXPECT_EQ(buffer.size(), bytes);
    const std::size_t align = bytes >= 2 * AlignedBuffer::kHugePage ? AlignedBuffer::kHugePage : AlignedBuffer::kPage;
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % align, 0U);
    for (std::size_t i = 0; i < bytes; i += 997) ASSERT_EQ(buffer.data()[i], std::byte{0});
    EXPECT_EQ(buffer.data()[bytes - 1], std::byte{0});
  }
}

std::size_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::size_t total = 0, resident = 0;
  in >> total >> resident;
  return resident * AlignedBuffer::kPage;
}

TEST(AlignedBuffer, CostsNothingUntilTouched) {
  constexpr std::size_t kBytes = std::size_t{64} << 20;
  const std::size_t before = resident_bytes();
  AlignedBuffer buffer(kBytes);
  EXPECT_LT(resident_bytes(), before + kBytes / 4);
  buffer.touch();
  EXPECT_GE(resident_bytes(), before + kBytes / 4 * 3);
}

TEST(AlignedBuffer, MovingTakesTheBlockAlong) {
  AlignedBuffer first(64);
  first.as<int>()[3] = 7;
  const std::byte* const where = first.data();
  AlignedBuffer second(std::move(first));
  EXPECT_EQ(second.data(), where);
  AlignedBuffer third;
  EXPECT_EQ(third.data(), nullptr);
  EXPECT_EQ(third.size(), 0U);
  third = std::move(second);
  EXPECT_EQ(third.as<int>()[3], 7);
  EXPECT_EQ(third.size(), 64U);
}

TEST(BufferPool, BlocksAreApartAlignedAndZero) {
  BufferPool pool;
  std::vector<std::pair<std::byte*, std::size_t>> blocks;
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{100}, std::size_t{0}, std::size_t{5000000}, std::size_t{70} << 20,
        std::size_t{30} << 20, std::size_t{40} << 20, std::size_t{3}}) {
    for (const std::size_t align : {std::size_t{64}, AlignedBuffer::kPage}) {
      std::byte* const block = pool.take(bytes, align);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % align, 0U) << bytes;
      for (const auto& [other, size] : blocks) EXPECT_TRUE(block >= other + size || other >= block + bytes) << bytes;
      if (bytes > 0) {
        EXPECT_EQ(block[0], std::byte{0});
        EXPECT_EQ(block[bytes - 1], std::byte{0});
        block[0] = block[bytes - 1] = std::byte{1};
      }
      blocks.emplace_back(block, bytes);
    }
  }
}

TEST(BufferPool, SmallBlocksShareHugePages) {
  constexpr std::size_t kBytes = 2500000;
  const std::size_t before = resident_bytes();
  BufferPool pool;
  const std::byte* last = nullptr;
  int neighbours = 0;
  for (int i = 0; i < 40; ++i) {
    std::byte* const block = pool.take(kBytes);
    std::memset(block, 1, kBytes);
    neighbours += last != nullptr && block == last + (kBytes + 63) / 64 * 64 ? 1 : 0;
    last = block;
  }
  EXPECT_GE(neighbours, 37) << "40 blocks are two buffers";
  EXPECT_LT(resident_bytes() - before, 40 * kBytes + 2 * AlignedBuffer::kHugePage + (std::size_t{1} << 20));
}

TEST(AlignedBuffer, NothingIsNothing) {
  AlignedBuffer empty(0);
  EXPECT_EQ(empty.data(), nullptr);
}

}  // namespace
}  // namespace hetero
