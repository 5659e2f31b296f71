// A kernel variant: one row of the catalogue. The same row drives tests, benchmarks, the tuner and dispatch.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/host_op.h"
#include "kernels/op_desc.h"

namespace hetero {

struct ClKernel;  // kernels/opencl/cl_kernel.h

// Yes, or no and why. The reason is a phrase for people: "needs AVX-512 VNNI".
struct Applicability {
  bool yes = true;
  std::string why_not;
  static Applicability no(std::string reason) { return {false, std::move(reason)}; }
};

// What the choice of a kernel may depend on. Always an argument, so that choices for absent hardware are tested.
struct HardwareFacts {
  // cpu
  bool avx2 = false;    // with FMA and F16C
  bool avx512 = false;  // F, BW, VL, DQ
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool neon = false;
  bool neon_dotprod = false;
  bool neon_i8mm = false;
  int workers = 1;
  // opencl
  bool cl_is_cpu = false;
  bool cl_fp16 = false;
  bool cl_subgroups = false;
  bool cl_c3 = false;           // compiles OpenCL C 3.0
  bool cl_integer_dot = false;  // products of 4 bytes, signed by unsigned, in OpenCL C 3.0 and by the hardware
  std::int64_t cl_local_bytes = 0;
  std::int64_t cl_max_work_group = 1;
};

// How exact the arithmetic of a path is. Tests derive their tolerance from it; a path may be asked for at least a
// class.
enum class ToleranceClass : std::uint8_t {
  kF32,  // float32 activations and accumulation
  kF16,  // activations or results pass through float16
  kQ8    // activations quantised to 8 bits a block
};
std::string_view name_of(ToleranceClass tolerance);  // "f32", "f16", "q8"

// Where a variant runs.
enum class KernelFamily : std::uint8_t { kCpu, kOpenCl, kGraph, kReference };
std::string_view name_of(KernelFamily family);

using ParamValues = std::map<std::string, std::int64_t>;

struct ParamSpec {
  std::string name;                   // "tile_m"
  std::vector<std::int64_t> values;   // the search space
  std::int64_t default_value = 0;     // valid on every device for which the variant is applicable
  std::string meaning;                // one line
  std::vector<ShapeClass> classes{};  // of ops to which it makes a difference; empty: all
  bool matters_to(ShapeClass shape_class) const;
};

// What a variant's parameters are chosen for.
enum class ParamScope : std::uint8_t {
  kDevice,  // by a search, once for all ops of a device
  kShape    // by taking turns, for each shape of weight; every combination is tried
};

struct KernelVariant {
  std::string id;    // "matmul.cpu.avx512_vnni": written once, never reused
  int revision = 1;  // raised when results or the meaning of parameters change: older samples no longer match
  KernelFamily family = KernelFamily::kReference;
  OpKind kind = OpKind::kMatmul;
  ToleranceClass tolerance = ToleranceClass::kF32;
  Applicability (*applicable)(const OpDesc& op, const HardwareFacts& facts) = nullptr;
  std::vector<ParamSpec> params;
  ParamScope scope = ParamScope::kDevice;
  const HostKernel* host = nullptr;  // family kCpu and kReference
  const ClKernel* cl = nullptr;      // family kOpenCl
};

ParamValues default_params(const KernelVariant& variant);

// HostOp::params: the values in the order of the row's parameters, defaults for those that are absent. Throws
// usage_error for a value that the row does not list: host kernels are compiled for those alone.
std::vector<std::int64_t> values_in_order(const KernelVariant& variant, const ParamValues& values);

// As samples name it: "matmul.opencl.gemm#1"; empty for null.
std::string variant_name(const KernelVariant* variant);

}  // namespace hetero
