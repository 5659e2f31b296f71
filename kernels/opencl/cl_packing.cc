// Packing of constants, and the defines by which weights.cl learns the layout. Runs once per weight.
#include "kernels/opencl/cl_packing.h"

#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/cpu/pack.h"

namespace hetero {
namespace {

// weights.cl reads nibbles and whole bytes, and scales that are floats.
PackedKind panel_kind(DType type) {
  if (type == DType::kQ4_K) return PackedKind::kQ4MinF32;
  if (type == DType::kQ6_K) return PackedKind::kQ8Group16;
  return packed_kind(type);
}

std::size_t panel_bytes(const ClConstants& from) {
  return packed_weight_bytes(from.weight, panel_kind(from.weight.weight.type));
}

void pack_panels(const ClConstants& from, std::byte* dst) {
  pack_weight(from.weight, panel_kind(from.weight.weight.type), dst);
}

std::size_t vector_bytes(const ClConstants& from) { return static_cast<std::size_t>(from.desc.n) * sizeof(float); }

void pack_vector(const ClConstants& from, std::byte* dst) {
  dequantise_row(from.vector.type, from.vector.data, reinterpret_cast<float*>(dst), from.desc.n);
}

std::size_t turn_table_bytes(const ClConstants& from) {
  return static_cast<std::size_t>(from.constants.rope_dims / 2) * sizeof(std::uint64_t);
}

void pack_turn_table(const ClConstants& from, std::byte* dst) {
  constexpr double kTurn = 6.283185307179586476925;
  const std::int64_t pairs = from.constants.rope_dims / 2;
  std::vector<float> factors(static_cast<std::size_t>(pairs), 1.0F);
  if (from.vector.data != nullptr) dequantise_row(from.vector.type, from.vector.data, factors.data(), pairs);
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(from.constants.rope_dims);
    const double angle = std::pow(static_cast<double>(from.constants.rope_base), exponent) /
                         static_cast<double>(factors[static_cast<std::size_t>(i)]);
    const double turns = angle / kTurn;
    const auto fraction = static_cast<std::uint64_t>(std::ldexp(turns - std::floor(turns), 64));
    std::memcpy(dst + i * static_cast<std::int64_t>(sizeof fraction), &fraction, sizeof fraction);
  }
}

std::string define(const char* name, std::size_t value) {
  return " -D" + std::string(name) + "=" + std::to_string(value);
}

}  // namespace

const ClPacking kClPanels = {"panels16", panel_bytes, pack_panels};
const ClPacking kClVector = {"vector", vector_bytes, pack_vector};
const ClPacking kClTurnTable = {"turns", turn_table_bytes, pack_turn_table};

std::string weight_options(DType type) {
  const PackedKind kind = panel_kind(type);
  const PackedTraits t = packed_traits(kind);
  return define("BITS", static_cast<std::size_t>(t.bits)) + define("GROUPS", static_cast<std::size_t>(t.groups)) +
         define("SCALE_BYTES", static_cast<std::size_t>(t.scale_bytes)) +
         define("MIN_BYTES", static_cast<std::size_t>(t.min_bytes)) + define("ZERO", static_cast<std::size_t>(t.zero)) +
         define("BF16", kind == PackedKind::kBF16 ? 1 : 0) + define("BLOCK_BYTES", t.block_bytes()) +
         define("MINS_OFFSET", t.mins_offset()) + define("QUANTS_OFFSET", t.quants_offset());
}

}  // namespace hetero
