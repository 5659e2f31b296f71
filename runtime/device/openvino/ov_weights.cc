#include "runtime/device/openvino/ov_weights.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/fingerprint.h"

namespace hetero {
namespace {

// How a format's blocks become groups.
struct Grouping {
  int bits;
  std::int64_t group;
  bool has_offsets;
};

Grouping grouping_of(DType type) {
  switch (type) {
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return {0, 0, false};
    case DType::kQ4_0:
      return {4, 32, false};
    case DType::kQ4_1:
    case DType::kQ4_K:
      return {4, 32, true};
    case DType::kQ5_0:
    case DType::kQ8_0:
      return {8, 32, false};
    case DType::kQ5_1:
    case DType::kQ5_K:
      return {8, 32, true};
    case DType::kQ6_K:
      return {8, 16, false};
  }
  return {0, 0, false};
}

// A block, taken apart. Groups as in Grouping; the layouts are those of kernels/dtype.cc.
struct Codes {
  std::array<std::int8_t, 256> code;
  std::array<float, 16> scale;
  std::array<float, 16> offset;
};

float half_at(const std::uint8_t* src) {
  std::uint16_t half = 0;
  std::memcpy(&half, src, sizeof half);
  return f16_to_f32(half);
}

// q4_0, q4_1, q5_0, q5_1.
void take_small(int bits, bool has_min, const std::uint8_t* src, Codes& out) {
  const float d = half_at(src);
  const int centre = 1 << (bits - 1);
  const std::uint8_t* nibbles = src + (has_min ? 4 : 2);
  std::uint32_t high = 0;
  if (bits == 5) {
    std::memcpy(&high, nibbles, sizeof high);
    nibbles += sizeof high;
  }
  for (std::size_t j = 0; j < 32; ++j) {
    const int low = j < 16 ? nibbles[j] & 15 : nibbles[j - 16] >> 4;
    const int fifth = static_cast<int>(high >> j & 1U) << 4;
    out.code[j] = static_cast<std::int8_t>(low + fifth - centre);
  }
  out.scale[0] = d;
  out.offset[0] = has_min ? half_at(src + 2) + static_cast<float>(centre) * d : 0;
}

// q4_k, q5_k. Eight scales and minima of 6 bits in 12 bytes.
void take_k45(int bits, const std::uint8_t* src, Codes& out) {
  const float d = half_at(src);
  const float dmin = half_at(src + 2);
  const std::uint8_t* packed = src + 4;
  const std::uint8_t* high = src + 16;
  const std::uint8_t* nibbles = bits == 5 ? src + 48 : src + 16;
  const int centre = 1 << (bits - 1);
  for (std::size_t j = 0; j < 8; ++j) {
    const int s = j < 4 ? packed[j] & 63 : (packed[j + 4] & 15) | (packed[j - 4] >> 6 << 4);
    const int m = j < 4 ? packed[j + 4] & 63 : (packed[j + 4] >> 4) | (packed[j] >> 6 << 4);
    out.scale[j] = d * static_cast<float>(s);
    out.offset[j] = static_cast<float>(centre) * out.scale[j] - dmin * static_cast<float>(m);
    for (std::size_t l = 0; l < 32; ++l) {
      int q = nibbles[j / 2 * 32 + l] >> (j % 2 * 4) & 15;
      if (bits == 5) q += (high[l] >> j & 1) << 4;
      out.code[j * 32 + l] = static_cast<std::int8_t>(q - centre);
    }
  }
}

void take_q6_k(const std::uint8_t* src, Codes& out) {
  const float d = half_at(src + 208);
  for (std::size_t e = 0; e < 256; ++e) {
    const std::size_t half = e / 128, quarter = e / 32 % 4, l = e % 32;
    const int low = src[half * 64 + quarter % 2 * 32 + l] >> (quarter / 2 * 4) & 15;
    const int top = src[128 + half * 32 + l] >> (quarter * 2) & 3;
    out.code[e] = static_cast<std::int8_t>((low | top << 4) - 32);
  }
  for (std::size_t g = 0; g < 16; ++g) {
    out.scale[g] = d * static_cast<float>(static_cast<std::int8_t>(src[192 + g]));
  }
}

void take_block(DType type, const std::uint8_t* src, Codes& out) {
  switch (type) {
    case DType::kQ4_0:
      return take_small(4, false, src, out);
    case DType::kQ4_1:
      return take_small(4, true, src, out);
    case DType::kQ5_0:
      return take_small(5, false, src, out);
    case DType::kQ5_1:
      return take_small(5, true, src, out);
    case DType::kQ4_K:
      return take_k45(4, src, out);
    case DType::kQ5_K:
      return take_k45(5, src, out);
    case DType::kQ6_K:
      return take_q6_k(src, out);
    case DType::kQ8_0:
      out.scale[0] = half_at(src);
      std::memcpy(out.code.data(), src + 2, 32);
      return;
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      return;
  }
}

const std::uint8_t* row_of(const WeightSlice& slice, std::int64_t row) {
  const WeightView& w = slice.weight;
  return reinterpret_cast<const std::uint8_t*>(w.data) + (slice.n0 + row) * row_bytes(w.type, w.k) +
         row_bytes(w.type, slice.k0);
}

OvWeight plain_weight(const WeightSlice& slice) {
  OvWeight w;
  w.n = slice.n1 - slice.n0;
  w.k = slice.k1 - slice.k0;
  w.plain = slice.weight.type;
  const auto bytes = static_cast<std::size_t>(row_bytes(w.plain, w.k));
  w.data = AlignedBuffer(static_cast<std::size_t>(w.n) * bytes);
  for (std::int64_t row = 0; row < w.n; ++row) {
    std::memcpy(w.data.data() + static_cast<std::size_t>(row) * bytes, row_of(slice, row), bytes);
  }
  return w;
}

void store_codes(const Codes& codes, std::size_t count, int bits, std::uint8_t* dst) {
  if (bits == 8) {
    std::memcpy(dst, codes.code.data(), count);
    return;
  }
  for (std::size_t j = 0; j < count; j += 2) {
    dst[j / 2] = static_cast<std::uint8_t>((codes.code[j] & 15) | (codes.code[j + 1] & 15) << 4);
  }
}

}  // namespace

std::uint64_t OvWeight::bytes() const { return data.size() + (scales.size() + offsets.size()) * sizeof(float); }

std::string OvWeight::fingerprint() const {
  std::uint64_t hash = fingerprint_of(data.data(), data.size());
  hash = fingerprint_of(scales.data(), scales.size() * sizeof(float), hash);
  hash = fingerprint_of(offsets.data(), offsets.size() * sizeof(float), hash);
  return std::to_string(hash);
}

OvWeight ov_weight(const WeightSlice& slice) {
  const DType type = slice.weight.type;
  const Grouping grouping = grouping_of(type);
  if (grouping.bits == 0) return plain_weight(slice);
  OvWeight w;
  w.n = slice.n1 - slice.n0;
  w.k = slice.k1 - slice.k0;
  w.bits = grouping.bits;
  w.group = grouping.group;
  w.data = AlignedBuffer(static_cast<std::size_t>(w.n * w.k * w.bits / 8));
  w.scales.reserve(static_cast<std::size_t>(w.n * w.k / w.group));
  if (grouping.has_offsets) w.offsets.reserve(w.scales.capacity());

  const DTypeInfo& format = info(type);
  const auto groups = static_cast<std::ptrdiff_t>(format.block_elements / w.group);
  auto* dst = w.data.as<std::uint8_t>();
  Codes codes{};
  for (std::int64_t row = 0; row < w.n; ++row) {
    const std::uint8_t* src = row_of(slice, row);
    for (std::int64_t e = 0; e < w.k; e += format.block_elements, src += format.block_bytes) {
      take_block(type, src, codes);
      store_codes(codes, static_cast<std::size_t>(format.block_elements), w.bits, dst);
      dst += format.block_elements * w.bits / 8;
      w.scales.insert(w.scales.end(), codes.scale.begin(), codes.scale.begin() + groups);
      if (grouping.has_offsets) w.offsets.insert(w.offsets.end(), codes.offset.begin(), codes.offset.begin() + groups);
    }
  }
  return w;
}

void expand_row(const OvWeight& weight, std::int64_t row, float* dst) {
  if (!weight.grouped()) {
    const auto bytes = row_bytes(weight.plain, weight.k);
    dequantise_row(weight.plain, weight.data.data() + row * bytes, dst, weight.k);
    return;
  }
  const auto* codes = weight.data.as<std::uint8_t>();
  for (std::int64_t j = 0; j < weight.k; ++j) {
    const std::int64_t at = row * weight.k + j;
    const auto g = static_cast<std::size_t>(at / weight.group);
    int code = static_cast<std::int8_t>(codes[weight.bits == 8 ? at : at / 2]);
    if (weight.bits == 4) {
      code = codes[at / 2] >> (at % 2 * 4) & 15;
      if (code > 7) code -= 16;
    }
    dst[j] = weight.scales[g] * static_cast<float>(code) + (weight.offsets.empty() ? 0 : weight.offsets[g]);
  }
}

double RequantisationError::relative() const { return square > 0 ? std::sqrt(error_square / square) : 0; }

std::optional<Requantisation> requantisation_from(std::string_view text) {
  Requantisation to;
  if (text.size() < 4 || text[0] != 'i' || (text[1] != '4' && text[1] != '8')) return std::nullopt;
  to.bits = text[1] - '0';
  if (text.substr(2) == "row") return to;
  const char* const end = text.data() + text.size();
  const auto [stop, status] = std::from_chars(text.data() + 3, end, to.group);
  if (text[2] != 'g' || status != std::errc() || stop != end || to.group < 16 || to.group > 4096) return std::nullopt;
  return to;
}

std::string name_of(const Requantisation& to) {
  return "i" + std::to_string(to.bits) + (to.group == 0 ? "row" : "g" + std::to_string(to.group));
}

OvWeight requantised_weight(const WeightSlice& slice, const Requantisation& to, RequantisationError& error) {
  OvWeight w;
  w.n = slice.n1 - slice.n0;
  w.k = slice.k1 - slice.k0;
  w.bits = to.bits;
  w.group = to.group == 0 ? w.k : std::min(to.group, w.k);
  while (w.k % w.group != 0) --w.group;
  w.data = AlignedBuffer(static_cast<std::size_t>(w.n * w.k * w.bits / 8));
  w.scales.reserve(static_cast<std::size_t>(w.n * w.k / w.group));

  const auto outermost = static_cast<float>(-(1 << (to.bits - 1)));  // one code more on the negative side
  std::vector<float> stored(static_cast<std::size_t>(w.k));
  auto* codes = w.data.as<std::uint8_t>();
  std::int64_t at = 0;
  for (std::int64_t row = 0; row < w.n; ++row) {
    dequantise_row(slice.weight.type, reinterpret_cast<const std::byte*>(row_of(slice, row)), stored.data(), w.k);
    for (auto group = stored.begin(); group != stored.end(); group += w.group) {
      const float extreme =
          *std::max_element(group, group + w.group, [](float a, float b) { return std::abs(a) < std::abs(b); });
      const float scale = extreme / outermost;
      w.scales.push_back(scale);
      for (auto value = group; value != group + w.group; ++value, ++at) {
        const float exact = scale == 0 ? 0 : *value / scale;
        const float code = std::clamp(std::nearbyint(exact), outermost, -outermost - 1);
        const auto bits = static_cast<std::uint8_t>(static_cast<std::int8_t>(code));
        if (to.bits == 8) {
          codes[at] = bits;
        } else {
          codes[at / 2] = static_cast<std::uint8_t>(codes[at / 2] | (bits & 15) << (at % 2 * 4));
        }
        const double difference = static_cast<double>(scale * code) - static_cast<double>(*value);
        error.error_square += difference * difference;
        error.square += static_cast<double>(*value) * static_cast<double>(*value);
      }
    }
  }
  ++error.slices;
  return w;
}

}  // namespace hetero
