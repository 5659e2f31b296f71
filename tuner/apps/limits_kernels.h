// Loops that do nothing but one kind of arithmetic, to find its peak on one core.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hetero {

struct PeakLoop {
  std::string name;                                 // "f32 FMA, AVX-512"
  double ops_per_iteration = 0;                     // a multiply-add counts two
  float (*run)(std::int64_t iterations) = nullptr;  // the result only keeps the compiler from dropping the loop
};

// Those that this processor can run; one portable loop where none of them is known.
std::vector<PeakLoop> peak_loops();

// The sum of a buffer's 64-bit words, at the speed of memory. `words` is a multiple of 64.
std::uint64_t read_words(const std::uint64_t* data, std::int64_t words);

}  // namespace hetero
