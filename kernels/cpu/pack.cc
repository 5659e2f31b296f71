// Packing of GGUF rows into panels (layout: pack.h). Reads each stored format's integers and scales as they are and
// moves them; nothing is requantised. Scalar code: it runs once for each weight, when a model is loaded.
#include "kernels/cpu/pack.h"

#include <algorithm>
#include <cstring>

namespace hetero {
namespace {

// 32 columns of one row, as the packed kinds see them.
struct Block32 {
  std::uint8_t q[kBlockColumns];
  float scale[2];
  float min;
  std::uint16_t factor, min_factor;  // f16: scale[g] is the first times sub_scale[g], min the other times sub_min
  std::int8_t sub_scale[2];
  std::int8_t sub_min;
};

template <typename T>
T load(const std::byte* p) {
  T value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

std::uint8_t byte_at(const std::byte* p, int i) { return std::to_integer<std::uint8_t>(p[i]); }

float half_at(const std::byte* p) { return f16_to_f32(load<std::uint16_t>(p)); }

// Q4_0, Q4_1: elements i and i + 16 share byte i.
void read_nibbles(const std::byte* qs, Block32& out) {
  for (int i = 0; i < 16; ++i) {
    out.q[i] = byte_at(qs, i) & 15;
    out.q[i + 16] = byte_at(qs, i) >> 4;
  }
}

// Q5_0, Q5_1: as nibbles, with the fifth bits in a 32-bit word before them. `shift` is added to every element.
void read_five_bits(const std::byte* qh, const std::byte* qs, int shift, Block32& out) {
  const auto high = load<std::uint32_t>(qh);
  read_nibbles(qs, out);
  for (int i = 0; i < kBlockColumns; ++i) {
    out.q[i] = static_cast<std::uint8_t>((out.q[i] | ((high >> i & 1) << 4)) + shift);
  }
}

// Q4_K, Q5_K: the 6-bit scale and min of sub-block j, from 12 bytes.
void read_k_scales(const std::byte* s, int j, int& scale, int& min) {
  if (j < 4) {
    scale = byte_at(s, j) & 63;
    min = byte_at(s, j + 4) & 63;
  } else {
    scale = (byte_at(s, j + 4) & 15) | (byte_at(s, j - 4) >> 6 << 4);
    min = (byte_at(s, j + 4) >> 4) | (byte_at(s, j) >> 6 << 4);
  }
}

// Q4_K and Q5_K: {d, dmin, scales[12], (qh[32],) qs[128]}; sub-blocks 2c and 2c+1 are the nibbles of qs[32c, 32c+32).
void read_k_block(const std::byte* super, int j, bool fifth_bit, Block32& out) {
  int scale = 0, min = 0;
  read_k_scales(super + 4, j, scale, min);
  out.factor = load<std::uint16_t>(super);
  out.min_factor = load<std::uint16_t>(super + 2);
  out.sub_scale[0] = static_cast<std::int8_t>(scale);
  out.sub_min = static_cast<std::int8_t>(-min);
  out.scale[0] = f16_to_f32(out.factor) * static_cast<float>(scale);
  out.min = f16_to_f32(out.min_factor) * static_cast<float>(-min);
  const std::byte* qh = super + 16;
  const std::byte* qs = super + (fifth_bit ? 48 : 16) + 32 * (j / 2);
  for (int i = 0; i < kBlockColumns; ++i) {
    int q = byte_at(qs, i) >> (4 * (j % 2)) & 15;
    if (fifth_bit) q |= (byte_at(qh, i) >> j & 1) << 4;
    out.q[i] = static_cast<std::uint8_t>(q);
  }
}

// Q6_K: {ql[128], qh[64], scales[16], d}; each half of 128 elements has four runs of 32, two scales a run. `shift` is
// added to every element.
void read_q6_k(const std::byte* super, int j, int shift, Block32& out) {
  const int half = j / 4, run = j % 4;
  const std::byte* ql = super + 64 * half + 32 * (run % 2);
  const std::byte* qh = super + 128 + 32 * half;
  const std::byte* scales = super + 192 + 8 * half + 2 * run;
  out.factor = load<std::uint16_t>(super + 208);
  for (int g = 0; g < 2; ++g) {
    out.sub_scale[g] = load<std::int8_t>(scales + g);
    out.scale[g] = f16_to_f32(out.factor) * static_cast<float>(out.sub_scale[g]);
  }
  for (int i = 0; i < kBlockColumns; ++i) {
    const int low = byte_at(ql, i) >> (4 * (run / 2)) & 15;
    const int high = byte_at(qh, i) >> (2 * run) & 3;
    out.q[i] = static_cast<std::uint8_t>((low | high << 4) + shift);
  }
}

// Block `index` (in units of 32 columns) of a stored row. `zero`: of the packed elements.
void read_block(DType type, int zero, const std::byte* row, std::int64_t index, Block32& out) {
  const DTypeInfo& format = info(type);
  const std::int64_t per_stored = format.block_elements / kBlockColumns;
  const std::byte* p = row + index / per_stored * format.block_bytes;
  const int j = static_cast<int>(index % per_stored);
  switch (type) {
    case DType::kQ4_0:
      out.scale[0] = half_at(p);
      read_nibbles(p + 2, out);
      break;
    case DType::kQ4_1:
      out.scale[0] = half_at(p);
      out.min = half_at(p + 2);
      read_nibbles(p + 4, out);
      break;
    case DType::kQ5_0:
      out.scale[0] = half_at(p);
      read_five_bits(p + 2, p + 6, zero - 16, out);
      break;
    case DType::kQ5_1:
      out.scale[0] = half_at(p);
      out.min = half_at(p + 2);
      read_five_bits(p + 4, p + 8, 0, out);
      break;
    case DType::kQ8_0:
      out.scale[0] = half_at(p);
      for (int i = 0; i < kBlockColumns; ++i) out.q[i] = static_cast<std::uint8_t>(byte_at(p + 2, i) ^ 0x80);
      break;
    case DType::kQ4_K:
      read_k_block(p, j, false, out);
      break;
    case DType::kQ5_K:
      read_k_block(p, j, true, out);
      break;
    case DType::kQ6_K:
      read_q6_k(p, j, zero - 32, out);
      break;
    case DType::kF32:
    case DType::kF16:
    case DType::kBF16:
      break;  // not quantised: pack_float_block
  }
}

// `sub`: what is stored of a figure that has a factor.
void store_figure(float value, std::int8_t sub, int bytes, std::byte* dst) {
  if (bytes == 1) {
    std::memcpy(dst, &sub, 1);
  } else if (bytes == 2) {
    const std::uint16_t half = f32_to_f16(value);  // exact: it was read from an f16
    std::memcpy(dst, &half, sizeof half);
  } else {
    std::memcpy(dst, &value, sizeof value);
  }
}

void write_block(const PackedTraits& t, const Block32& in, int row, std::byte* block) {
  if (t.scale_bytes == 1) std::memcpy(block + 2 * row, &in.factor, 2);
  if (t.min_bytes == 1) std::memcpy(block + t.min_factors_offset() + 2 * row, &in.min_factor, 2);
  for (int g = 0; g < t.groups; ++g) {
    std::byte* scale = block + t.scales_offset() + (g * kPanelRows + row) * t.scale_bytes;
    store_figure(in.scale[g], in.sub_scale[g], t.scale_bytes, scale);
  }
  if (t.min_bytes > 0) store_figure(in.min, in.sub_min, t.min_bytes, block + t.mins_offset() + row * t.min_bytes);
  std::byte* quants = block + t.quants_offset() + 4 * row;
  if (t.bits == 8) {
    for (int i = 0; i < 8; ++i) std::memcpy(quants + 64 * i, in.q + 4 * i, 4);
    return;
  }
  if (t.bits == 6) {
    for (int i = 0; i < 6; ++i) {
      const std::uint8_t *low = in.q + 16 * (i / 3) + 4 * (i % 3), *shared = in.q + 16 * (i / 3) + 12;
      std::uint8_t bytes[4];
      for (int b = 0; b < 4; ++b) bytes[b] = static_cast<std::uint8_t>(low[b] | shared[b] >> (4 - 2 * (i % 3)) << 6);
      std::memcpy(quants + 64 * i, bytes, 4);
    }
    return;
  }
  for (int i = 0; i < 4; ++i) {
    std::uint8_t pairs[4];
    for (int b = 0; b < 4; ++b) pairs[b] = static_cast<std::uint8_t>(in.q[8 * i + b] | in.q[8 * i + 4 + b] << 4);
    std::memcpy(quants + 64 * i, pairs, 4);
  }
}

// Element (row, column) of the block is `size` bytes; columns beyond `columns` stay zero.
void pack_float_block(const std::byte* src, int columns, std::size_t size, int row, std::byte* block) {
  for (int c = 0; c < columns; ++c) {
    std::memcpy(block + (static_cast<std::size_t>(c) * kPanelRows + row) * size, src + c * size, size);
  }
}

// One figure (scale or min) for each of the 16 rows. `factors`: of figures of one byte.
void read_figures(const std::byte* src, int bytes, const std::byte* factors, float* dst) {
  for (int row = 0; row < kPanelRows; ++row) {
    dst[row] = bytes == 1   ? half_at(factors + 2 * row) * static_cast<float>(load<std::int8_t>(src + row))
               : bytes == 2 ? half_at(src + 2 * row)
                            : load<float>(src + 4 * row);
  }
}

// Element `c` of a row's quants.
template <int Bits>
int element(const std::byte* quants, int c) {
  const std::byte* p = quants + c % 4;
  if constexpr (Bits == 8) return byte_at(p, c / 4 * 64);
  if constexpr (Bits == 4) return byte_at(p, c / 8 * 64) >> (c / 4 % 2 * 4) & 15;
  p += c / 16 * 192;
  const int i = c / 4 % 4;
  if (i < 3) return byte_at(p, 64 * i) & 63;
  return byte_at(p, 0) >> 6 << 4 | byte_at(p, 64) >> 6 << 2 | byte_at(p, 128) >> 6;
}

template <PackedKind K>
void unpack_quantised(const std::byte* block, float (&values)[kBlockColumns][kPanelRows]) {
  constexpr PackedTraits t = packed_traits(K);
  float scale[2][kPanelRows];
  float min[kPanelRows] = {};
  for (int g = 0; g < t.groups; ++g) {
    read_figures(block + t.scales_offset() + g * kPanelRows * t.scale_bytes, t.scale_bytes, block, scale[g]);
  }
  if (t.min_bytes > 0) read_figures(block + t.mins_offset(), t.min_bytes, block + t.min_factors_offset(), min);
  for (int c = 0; c < kBlockColumns; ++c) {
    const float* s = scale[c * t.groups / kBlockColumns];
    for (int row = 0; row < kPanelRows; ++row) {
      const int q = element<t.bits>(block + t.quants_offset() + 4 * row, c) - t.zero;
      values[c][row] = s[row] * static_cast<float>(q) + min[row];
    }
  }
}

template <typename Read>
void unpack_floats(const std::byte* block, int size, Read read, float (&values)[kBlockColumns][kPanelRows]) {
  for (int c = 0; c < kBlockColumns; ++c) {
    for (int row = 0; row < kPanelRows; ++row) values[c][row] = read(block + (c * kPanelRows + row) * size);
  }
}

}  // namespace

PackedKind packed_kind(DType type) {
  switch (type) {
    case DType::kF32:
      return PackedKind::kF32;
    case DType::kF16:
      return PackedKind::kF16;
    case DType::kBF16:
      return PackedKind::kBF16;
    case DType::kQ4_0:
      return PackedKind::kQ4;
    case DType::kQ4_1:
      return PackedKind::kQ4Min;
    case DType::kQ4_K:
      return PackedKind::kQ4MinSub;
    case DType::kQ5_0:
    case DType::kQ8_0:
      return PackedKind::kQ8;
    case DType::kQ5_1:
      return PackedKind::kQ8Min;
    case DType::kQ5_K:
      return PackedKind::kQ8MinF32;
    case DType::kQ6_K:
      return PackedKind::kQ6Group16;
  }
  return PackedKind::kF32;
}

std::size_t packed_weight_bytes(const WeightSlice& slice, PackedKind kind) {
  return static_cast<std::size_t>(packed_panels(slice.n1 - slice.n0) * packed_blocks(slice.k1 - slice.k0)) *
         packed_traits(kind).block_bytes();
}

void pack_weight(const WeightSlice& slice, PackedKind kind, std::byte* dst) {
  const WeightView& weight = slice.weight;
  const PackedTraits t = packed_traits(kind);
  const std::int64_t k = slice.k1 - slice.k0;
  const std::int64_t blocks = packed_blocks(k);
  const std::int64_t stored_row_bytes = row_bytes(weight.type, weight.k);
  const std::int64_t first_column_bytes = row_bytes(weight.type, slice.k0);
  std::memset(dst, 0, packed_weight_bytes(slice, kind));  // padding rows and columns: scale, min and elements of zero
  Block32 block{};
  for (std::int64_t n = slice.n0; n < slice.n1; ++n) {
    const std::byte* src = weight.data + n * stored_row_bytes + first_column_bytes;
    const int row = static_cast<int>((n - slice.n0) % kPanelRows);
    std::byte* panel = dst + (n - slice.n0) / kPanelRows * blocks * static_cast<std::int64_t>(t.block_bytes());
    for (std::int64_t b = 0; b < blocks; ++b) {
      std::byte* out = panel + b * static_cast<std::int64_t>(t.block_bytes());
      if (t.quantised()) {
        read_block(weight.type, t.zero, src, b, block);
        write_block(t, block, row, out);
      } else {
        const auto columns = static_cast<int>(std::min<std::int64_t>(kBlockColumns, k - b * kBlockColumns));
        pack_float_block(src + b * kBlockColumns * t.bits / 8, columns, static_cast<std::size_t>(t.bits / 8), row, out);
      }
    }
  }
}

std::size_t packed_weight_bytes(const WeightSlice& slice) {
  return packed_weight_bytes(slice, packed_kind(slice.weight.type));
}

void pack_weight(const WeightSlice& slice, std::byte* dst) { pack_weight(slice, packed_kind(slice.weight.type), dst); }

void unpack_block(PackedKind kind, const std::byte* block, float (&values)[kBlockColumns][kPanelRows]) {
  switch (kind) {
    case PackedKind::kQ4:
      return unpack_quantised<PackedKind::kQ4>(block, values);
    case PackedKind::kQ4Min:
      return unpack_quantised<PackedKind::kQ4Min>(block, values);
    case PackedKind::kQ4MinSub:
      return unpack_quantised<PackedKind::kQ4MinSub>(block, values);
    case PackedKind::kQ8:
      return unpack_quantised<PackedKind::kQ8>(block, values);
    case PackedKind::kQ8Min:
      return unpack_quantised<PackedKind::kQ8Min>(block, values);
    case PackedKind::kQ8MinF32:
      return unpack_quantised<PackedKind::kQ8MinF32>(block, values);
    case PackedKind::kQ6Group16:
      return unpack_quantised<PackedKind::kQ6Group16>(block, values);
    case PackedKind::kF32:
      return unpack_floats(block, 4, load<float>, values);
    case PackedKind::kF16:
      return unpack_floats(block, 2, half_at, values);
    case PackedKind::kBF16:
      return unpack_floats(
          block, 2, [](const std::byte* p) { return bf16_to_f32(load<std::uint16_t>(p)); }, values);
    case PackedKind::kQ4MinF32:
      return unpack_quantised<PackedKind::kQ4MinF32>(block, values);
    case PackedKind::kQ8Group16:
      return unpack_quantised<PackedKind::kQ8Group16>(block, values);
  }
}

}  // namespace hetero
