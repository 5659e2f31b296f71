#include "kernels/cpu/activations.h"

#include <cmath>
#include <limits>

namespace hetero {
namespace {

// `count` columns of one row from `first` on, padded with zeros where k ends within them.
const float* columns_of(const HostOp& op, std::int64_t row, std::int64_t first, std::int64_t count, float* padded) {
  const float* x = op.in0.data + row * op.in0.stride + first;
  const std::int64_t present = op.desc.k - first;
  if (present >= count) return x;
  std::fill(std::copy(x, x + present, padded), padded + count, 0.0f);
  return padded;
}

// Rows [r0, r1) of a tile of `rows` rows that begins at row0: `groups` of them, which are all unless the row is alone.
void write_f32_rows(const HostOp& op, const PackedTraits& weights, const TileLayout& layout, std::int64_t row0,
                    int rows, int r0, int r1, WorkRange groups) {
  const auto block_bytes = static_cast<std::int64_t>(rows * block_row_bytes(ActivationForm::kF32, weights));
  std::byte* const tile = op.workspace + layout.tile_offset(row0);
  const std::int64_t end = std::min(layout.blocks, groups.end * kGroupBlocks);
  for (std::int64_t block = groups.begin * kGroupBlocks; block < end; ++block) {
    auto* const sums_out = reinterpret_cast<float*>(tile + block * block_bytes);
    float* const out = sums_out + (weights.min_bytes > 0 ? rows : 0);
    for (int r = r0; r < r1; ++r) {
      float padded[kBlockColumns];
      const float* x = columns_of(op, row0 + r, block * kBlockColumns, kBlockColumns, padded);
      if (weights.min_bytes > 0) {
        float sums[4] = {};
        for (int c = 0; c < kBlockColumns; ++c) sums[c % 4] += x[c];
        sums_out[r] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
      }
      if (rows == 1) {
        std::memcpy(out, x, kBlockColumns * sizeof(float));
      } else {
        for (int c = 0; c < kBlockColumns; ++c) out[c * rows + r] = x[c];
      }
    }
  }
}

// What a magnitude must exceed to be an outlier.
float outlier_limit(const HostOp& op, const Quantiser& quantiser, std::int64_t row) {
  if (op.desc.m == 1) return -1;
  const float* x = op.in0.data + row * op.in0.stride;
  float squares[16] = {};
  quantiser.add_squares(x, op.desc.k / 16, squares);
  float sum = 0;
  for (std::int64_t c = op.desc.k / 16 * 16; c < op.desc.k; ++c) sum += x[c] * x[c];
  for (const float lane : squares) sum += lane;
  if (!(sum > 1e-20f)) return std::numeric_limits<float>::infinity();  // squares may have vanished: none
  return kOutlier * std::sqrt(sum / static_cast<float>(op.desc.k));
}

template <typename Figure>
void put_figure(std::byte* dst, Figure value) {
  static_assert(sizeof value == 4);
  std::memcpy(dst, &value, 4);
}

// Writes row r's bytes of a block to [quad][r].
void put_quads(const std::int8_t* q, int rows, int r, std::byte* dst) {
  dst += 4 * r;
  HETERO_UNROLL
  for (int i = 0; i < kBlockColumns; i += 4) std::memcpy(dst + i * rows, q + i, 4);
}

std::int32_t sum_of(const std::int8_t* q, int count) {
  std::int32_t sum = 0;
  for (int i = 0; i < count; ++i) sum += q[i];
  return sum;
}

std::int32_t high_sum(const QuantisedGroup& q, int half) {
  return q.outliers[half] != 0 ? sum_of(q.high + 16 * half, 16) : 0;
}

// Row r's part of block b of the group.
void put_block(const PackedTraits& weights, const QuantisedGroup& q, int rows, int r, int b, std::byte* dst) {
  std::int32_t sums[2] = {q.low_sums[2 * b], q.low_sums[2 * b + 1]};
  if (weights.min_bytes > 0) {
    for (int i = 0; i < 2; ++i) sums[i] += (1 << kLowBits) * high_sum(q, 2 * b + i);
    put_figure(dst + 4 * r, static_cast<float>(sums[0] + sums[1]));
  } else if (weights.groups == 1) {
    put_figure(dst + 4 * r, -weights.zero * (sums[0] + sums[1]));
  } else {
    for (int g = 0; g < 2; ++g) put_figure(dst + 4 * (g * rows + r), -weights.zero * sums[g]);
  }
  put_quads(q.low + b * kBlockColumns, rows, r, dst + 4 * rows * weights.groups);
}

void put_high_block(const PackedTraits& weights, const QuantisedGroup& q, int b, std::byte* dst) {
  if (weights.min_bytes == 0) {
    const int columns = kBlockColumns / weights.groups;
    for (int g = 0; g < weights.groups; ++g, dst += 4) {
      put_figure(dst, -weights.zero * sum_of(q.high + b * kBlockColumns + g * columns, columns));
    }
  }
  std::memcpy(dst, q.high + b * kBlockColumns, kBlockColumns);
}

// Appends the outliers of a group to a row's list of `count` and returns how many there are then.
std::int64_t add_outliers(const PackedTraits& weights, const QuantisedGroup& q, std::int64_t group, int blocks,
                          std::int64_t bound, std::int64_t count, std::byte* list) {
  std::uint64_t any[2];
  static_assert(sizeof any == sizeof q.outliers);
  std::memcpy(any, q.outliers, sizeof any);
  if ((any[0] | any[1]) == 0) return count;
  for (int half = 0; half < 2 * blocks; ++half) {
    for (int quad = 4 * half; quad < 4 * (half + 1); ++quad) {
      if ((q.outliers[half] >> (4 * (quad % 4)) & 15) == 0 || count == bound) continue;
      Outlier outlier{static_cast<std::int32_t>(group * (kGroupColumns / 4)) + quad, 0, {}, q.scale * kHighScale};
      std::memcpy(outlier.high, q.high + 4 * quad, 4);
      outlier.start = -weights.zero * sum_of(outlier.high, 4);
      std::memcpy(list + count++ * static_cast<std::int64_t>(sizeof outlier), &outlier, sizeof outlier);
    }
  }
  return count;
}

// The same for 8 bits.
void write_q8_rows(const HostOp& op, const PackedTraits& weights, const Quantiser& quantiser, const TileLayout& layout,
                   std::int64_t row0, int rows, int r0, int r1, WorkRange groups) {
  const bool alone = op.desc.m == 1;
  const std::int64_t bound = outlier_bound(op.desc.k);
  const auto block_bytes = static_cast<std::int64_t>(rows * block_row_bytes(ActivationForm::kQ8, weights));
  const auto high_bytes = static_cast<std::int64_t>(high_block_bytes(weights));
  std::byte* const tile = op.workspace + layout.tile_offset(row0);
  const auto extra = [&](int r) { return tile + layout.extra_offset(rows, r); };
  QuantisedGroup q[kMaxTileRows];
  float limits[kMaxTileRows];
  std::int64_t outliers[kMaxTileRows] = {};
  for (int r = r0; r < r1; ++r) limits[r] = outlier_limit(op, quantiser, row0 + r);
  for (std::int64_t group = groups.begin; group < groups.end; ++group) {
    const std::int64_t block0 = group * kGroupBlocks;
    const int blocks = static_cast<int>(std::min<std::int64_t>(kGroupBlocks, layout.blocks - block0));
    for (int r = r0; r < r1; ++r) {
      float padded[kGroupColumns];
      const float* x = columns_of(op, row0 + r, block0 * kBlockColumns, blocks * kBlockColumns, padded);
      quantiser.group(x, blocks, limits[r], q[r]);
    }
    std::byte* dst = tile + layout.group_offset(rows, group);
    for (int r = r0; r < r1; ++r) put_figure(dst + 4 * r, q[r].scale);
    dst += 4 * rows;
    for (int b = 0; b < blocks; ++b, dst += block_bytes) {
      for (int r = r0; r < r1; ++r) put_block(weights, q[r], rows, r, b, dst);
      if (alone) put_high_block(weights, q[0], b, extra(0) + (block0 + b) * high_bytes);
    }
    for (int r = r0; r < r1 && !alone; ++r) {
      outliers[r] = add_outliers(weights, q[r], group, blocks, bound, outliers[r], extra(r) + kOutlierHeadBytes);
    }
  }
  for (int r = r0; r < r1 && !alone; ++r) put_figure(extra(r), static_cast<std::int32_t>(outliers[r]));
}

void portable_group(const float* x, int blocks, float limit, QuantisedGroup& out) {
  float narrow = 0, all = 0;
  for (int half = 0; half < 2 * blocks; ++half) {
    out.outliers[half] = 0;
    for (int i = 0; i < 16; ++i) {
      const float magnitude = std::fabs(x[16 * half + i]);
      if (magnitude > limit) {
        out.outliers[half] = static_cast<std::uint16_t>(out.outliers[half] | 1u << i);
      } else {
        narrow = std::max(narrow, magnitude);
      }
      all = std::max(all, magnitude);
    }
  }
  const Step step = step_for(narrow, all);
  out.scale = step.scale;
  for (int half = 0; half < 2 * blocks; ++half) {
    out.low_sums[half] = 0;
    for (int i = 0; i < 16; ++i) {
      const int c = 16 * half + i;
      auto q = static_cast<std::int32_t>(std::nearbyint(x[c] * step.per_unit));
      out.high[c] = 0;
      if ((out.outliers[half] >> i & 1) != 0) {
        out.high[c] = static_cast<std::int8_t>((q + (1 << (kLowBits - 1))) >> kLowBits);
        q -= out.high[c] * (1 << kLowBits);
      }
      out.low[c] = static_cast<std::int8_t>(q);
      out.low_sums[half] += q;
    }
  }
}

void portable_add_squares(const float* x, std::int64_t count, float (&lanes)[16]) {
  for (std::int64_t c = 0; c < count * 16; ++c) lanes[c % 16] += x[c] * x[c];
}

std::size_t workspace_bytes(ActivationForm form, const OpDesc& op) {
  const TileLayout layout(form, packed_traits(packed_kind(op.w)), op.m, op.k);
  return static_cast<std::size_t>(layout.tile_offset(op.m));
}

}  // namespace

const Quantiser kPortableQuantiser = {portable_group, portable_add_squares};

TileLayout::TileLayout(ActivationForm form, const PackedTraits& weights, std::int64_t m, std::int64_t k)
    : blocks(packed_blocks(k)) {
  const auto block_bytes = static_cast<std::int64_t>(block_row_bytes(form, weights));
  const auto scale_bytes = static_cast<std::int64_t>(scale_row_bytes(form));
  group_bytes = kGroupBlocks * block_bytes + scale_bytes;
  stream_bytes = blocks * block_bytes + groups() * scale_bytes;
  if (form == ActivationForm::kF32) {
    extra_bytes = 0;
  } else if (m == 1) {
    extra_bytes = blocks * static_cast<std::int64_t>(high_block_bytes(weights));
  } else {
    extra_bytes = kOutlierHeadBytes + outlier_bound(k) * static_cast<std::int64_t>(sizeof(Outlier));
  }
}

void write_activations(ActivationForm form, const Quantiser* quantiser, const HostOp& op, const PackedTraits& weights,
                       const TileSplit& split, int worker, int workers) {
  const TileLayout layout(form, weights, op.desc.m, op.desc.k);
  const auto [mine, columns] = piece_of(op.desc.m, op.desc.k, worker, workers);
  const WorkRange groups = {columns.begin / kGroupColumns, (columns.end + kGroupColumns - 1) / kGroupColumns};
  for (std::int64_t tile = 0; tile < split.tiles; ++tile) {
    const std::int64_t row0 = split.first_row(tile);
    const int rows = split.rows(tile);
    const auto r0 = static_cast<int>(std::max<std::int64_t>(0, mine.begin - row0));
    const auto r1 = static_cast<int>(std::min<std::int64_t>(rows, mine.end - row0));
    if (r0 >= r1) continue;
    if (form == ActivationForm::kQ8) {
      write_q8_rows(op, weights, *quantiser, layout, row0, rows, r0, r1, groups);
    } else {
      write_f32_rows(op, weights, layout, row0, rows, r0, r1, groups);
    }
  }
}

std::size_t f32_workspace_bytes(const OpDesc& op) { return workspace_bytes(ActivationForm::kF32, op); }
std::size_t q8_workspace_bytes(const OpDesc& op) { return workspace_bytes(ActivationForm::kQ8, op); }

// Rows, columns, and what the layout takes from the weights: of float32 whether there is a min, of 8 bits the starts
// too.
std::uint64_t f32_workspace_key(const OpDesc& op) {
  const bool has_min = packed_traits(packed_kind(op.w)).min_bytes > 0;
  return static_cast<std::uint64_t>(op.m) << 33 | static_cast<std::uint64_t>(op.k) << 1 | (has_min ? 1 : 0);
}
std::uint64_t q8_workspace_key(const OpDesc& op) {
  const PackedTraits weights = packed_traits(packed_kind(op.w));
  const auto starts = static_cast<std::uint64_t>(weights.min_bytes > 0 ? 1 : 2 * weights.zero);
  return static_cast<std::uint64_t>(op.m) << 40 | static_cast<std::uint64_t>(op.k) << 10 |
         static_cast<std::uint64_t>(weights.groups - 1) << 9 | starts;
}

}  // namespace hetero
