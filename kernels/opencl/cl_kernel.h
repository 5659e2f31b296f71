// The host's side of an OpenCL kernel: where its source is, with what options it is built, how its constant buffer is
// packed and what grid it is launched with. Knows no OpenCL API, so every choice can be tested without a driver.
// Thread rule: pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/embedded_file.h"
#include "kernels/host_op.h"
#include "kernels/variant.h"

namespace hetero {

// Third argument of every kernel, after the arena and the constant buffer. Mirrors OpArgs in prelude.cl field by field.
// Offsets and strides count floats from the arena's first.
struct ClOpArgs {
  std::int64_t m = 0, n = 0, k = 0;
  std::int64_t in0 = 0, in0_stride = 0;
  std::int64_t in1 = -1, in1_stride = 0;  // in1 < 0: there is none
  std::int64_t in2 = 0, in2_stride = 0;
  std::int64_t out = 0, out_stride = 0;
  std::int64_t heads = 0, kv_heads = 0, head_dim = 0;
  std::int64_t position = 0;  // of the op's row 0: the step's position + OpConstants::row_offset
  std::int64_t column_offset = 0, rope_dims = 0;
  float eps = 0, attention_scale = 0;
};
static_assert(sizeof(ClOpArgs) == 18 * 8, "must equal OpArgs in prelude.cl");

// Everything that options and grid may depend on.
struct ClOp {
  const OpDesc& desc;
  const OpConstants& constants;
  const ParamValues& params;
};

// Work-items in two dimensions; `local` divides `global`. The local size never depends on m: drivers such as PoCL
// compile a kernel anew for every local size.
struct ClGrid {
  std::array<std::size_t, 2> global = {1, 1};
  std::array<std::size_t, 2> local = {1, 1};
};

// What the constant buffer of an op is made from; what its kind does not use is empty.
struct ClConstants {
  const OpDesc& desc;
  const OpConstants& constants;
  const WeightSlice& weight;
  const WeightView& vector;
};

// How constants become a buffer. Variants with the same packing share the buffer of a weight.
struct ClPacking {
  std::string_view name;  // part of the key under which the buffer is found again
  std::size_t (*bytes)(const ClConstants& from) = nullptr;
  // dst: bytes(), 64-byte aligned; may be slow. Parts of a weight that begin at multiples of 16 features from its first
  // are packed one behind the other.
  void (*pack)(const ClConstants& from, std::byte* dst) = nullptr;
};

struct ClKernel {
  std::span<const std::string_view> files;  // embedded sources, in order
  const char* entry = nullptr;
  const ClPacking* packing = nullptr;  // null: no constant buffer
  std::string (*options)(const ClOp& op) = nullptr;
  ClGrid (*grid)(const ClOp& op) = nullptr;
  const char* language = "CL1.2";  // of OpenCL C
};

// The .cl files, compiled into the program.
std::span<const EmbeddedFile> opencl_sources();

// The text of a kernel's files, joined. Throws input_error when one was not embedded (a mistake in CMakeLists.txt).
std::string source_text(const ClKernel& kernel);

// Of all sources: part of a device's exact fingerprint.
std::string opencl_sources_fingerprint();

}  // namespace hetero
