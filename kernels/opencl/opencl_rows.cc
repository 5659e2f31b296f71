// The rows of the OpenCL family, best first. Two shapes of kernel: `wide` ones, whose work-item is a CPU thread with
// 16-float vectors, and plain ones, whose neighbouring work-items are the vector; the latter run on every device.
#include <algorithm>
#include <array>
#include <bit>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/catalogue.h"
#include "kernels/opencl/cl_kernel.h"
#include "kernels/opencl/cl_packing.h"

namespace hetero {
namespace {

constexpr std::int64_t kMaxGemvRows = 4;
// Private memory of attention_wide: two floats per query and column; 256 KiB stays in any CPU's L2.
constexpr std::int64_t kMaxWideHeadDim = 256;

std::size_t ceil_div(std::int64_t a, std::int64_t b) { return static_cast<std::size_t>((a + b - 1) / b); }

std::string define(const char* name, std::int64_t value) {
  return " -D" + std::string(name) + "=" + std::to_string(value);
}

std::int64_t param(const ClOp& op, const char* name) { return op.params.at(name); }

Applicability wide_device(const OpDesc&, const HardwareFacts& facts) {
  return facts.cl_is_cpu ? Applicability{} : Applicability::no("is made for OpenCL on a CPU");
}
Applicability any_device(const OpDesc&, const HardwareFacts&) { return {}; }
Applicability gemv_applicable(const OpDesc& op, const HardwareFacts& facts) {
  if (op.m > kMaxGemvRows) return Applicability::no("is made for up to " + std::to_string(kMaxGemvRows) + " rows");
  return wide_device(op, facts);
}
Applicability wide_attention_applicable(const OpDesc& op, const HardwareFacts& facts) {
  if (op.head_dim > kMaxWideHeadDim) return Applicability::no("is made for heads of up to 256 columns");
  return wide_device(op, facts);
}
Applicability needs_work_group(const HardwareFacts& facts, std::int64_t items) {
  if (facts.cl_max_work_group >= items) return {};
  return Applicability::no("needs work-groups of " + std::to_string(items));
}
// Kernels with a fixed work-group of 64.
Applicability group_applicable(const OpDesc&, const HardwareFacts& facts) { return needs_work_group(facts, 64); }

// matmul

std::string gemv_options(const ClOp& op) {
  return "-DLANES=16" + weight_options(op.desc.w) + define("ROWS", op.desc.m) + define("PANELS", param(op, "panels")) +
         define("CHUNK", param(op, "chunk")) + define("PREFETCH", param(op, "prefetch"));
}
ClGrid gemv_grid(const ClOp& op) { return {{ceil_div(op.desc.n, 16 * param(op, "panels")), 1}, {1, 1}}; }

// Private memory of matmul_q8: up to 76 bytes of codes, scale and shifts for each block of each row; 2 MiB at most.
constexpr std::int64_t kMaxQ8Blocks = 27000;
Applicability q8_applicable(const OpDesc& op, const HardwareFacts& facts, std::int64_t rows) {
  if (info(op.w).block_elements == 1) return Applicability::no("is made for quantised weights");
  if (rows * ((op.k + 31) / 32) > kMaxQ8Blocks) return Applicability::no("has no room for such long rows");
  return wide_device(op, facts);
}
std::string q8_options(const ClOp& op, std::int64_t rows_block, std::int64_t tile) {
  return "-DLANES=16" + weight_options(op.desc.w) + define("ROWS_BLOCK", rows_block) + define("ROWS", tile) +
         define("COLUMNS", op.desc.k) + define("PANELS", param(op, "panels"));
}
std::string prefetch_option(const ClOp& op) { return define("PREFETCH", param(op, "prefetch")); }
ClGrid q8_grid(const ClOp& op, std::int64_t rows_block) {
  return {{ceil_div(op.desc.m, rows_block), ceil_div(op.desc.n, 16 * param(op, "panels"))}, {1, 1}};
}

Applicability gemv_q8_applicable(const OpDesc& op, const HardwareFacts& facts) {
  if (op.m > kMaxGemvRows) return Applicability::no("is made for up to " + std::to_string(kMaxGemvRows) + " rows");
  return q8_applicable(op, facts, op.m);
}
std::string gemv_q8_options(const ClOp& op) { return q8_options(op, op.desc.m, op.desc.m) + prefetch_option(op); }
ClGrid gemv_q8_grid(const ClOp& op) { return q8_grid(op, op.desc.m); }

constexpr std::int64_t kGemmQ8Rows = 64;  // the most that rows_block can be
Applicability gemm_q8_applicable(const OpDesc& op, const HardwareFacts& facts) {
  return q8_applicable(op, facts, kGemmQ8Rows);
}
std::string gemm_vnni_options(const ClOp& op) { return q8_options(op, param(op, "rows_block"), param(op, "tile")); }
std::string gemm_q8_options(const ClOp& op) { return gemm_vnni_options(op) + prefetch_option(op); }
ClGrid gemm_q8_grid(const ClOp& op) { return q8_grid(op, param(op, "rows_block")); }

// Private memory of matmul_vnni: up to 48 bytes for each block of each row; 2 MiB at most.
constexpr std::int64_t kMaxVnniBlocks = 43000, kVnniRows = 96;
Applicability gemm_vnni_applicable(const OpDesc& op, const HardwareFacts& facts) {
  if (!facts.cl_is_cpu || !facts.avx512_vnni) return Applicability::no("needs PoCL on a processor with AVX-512 VNNI");
  if (info(op.w).block_elements == 1) return Applicability::no("is made for quantised weights");
  if (op.m <= kMaxGemvRows) return Applicability::no("is made for more than " + std::to_string(kMaxGemvRows) + " rows");
  if (kVnniRows * ((op.k + 31) / 32) > kMaxVnniBlocks) return Applicability::no("has no room for such long rows");
  return {};
}

std::string gemm_options(const ClOp& op) {
  return "-DLANES=16" + weight_options(op.desc.w) + define("ROWS_BLOCK", param(op, "rows_block")) +
         define("CHUNK", param(op, "chunk"));
}
ClGrid gemm_grid(const ClOp& op) {
  return {{ceil_div(op.desc.m, param(op, "rows_block")), ceil_div(op.desc.n, 32)}, {1, 1}};
}

// Local memory that OpenCL's full profile promises; matmul_tile's largest tile takes 24.1 KiB of it.
constexpr std::int64_t kTileLocalBytes = 32 << 10;
constexpr std::int64_t kTileLines = 8, kTileItems = 16 * kTileLines;  // of a work-group: 16 items a line
constexpr std::int64_t kMaxSplitRows = 8;
Applicability tile_applicable(const OpDesc& op, const HardwareFacts& facts) {
  if (op.m <= kMaxSplitRows)
    return Applicability::no("is made for more than " + std::to_string(kMaxSplitRows) + " rows");
  if (facts.cl_local_bytes < kTileLocalBytes) return Applicability::no("needs 32 KiB of local memory");
  return needs_work_group(facts, kTileItems);
}
// Processors have kernels of their own that come before it; they compute this one, slowly, in tests.
Applicability tile_q8_applicable(const OpDesc& op, const HardwareFacts& facts) {
  if (info(op.w).block_elements == 1) return Applicability::no("is made for quantised weights");
  if (!facts.cl_c3) return Applicability::no("needs OpenCL C 3.0");
  if (!facts.cl_integer_dot && !facts.cl_is_cpu) return Applicability::no("needs cl_khr_integer_dot_product");
  return tile_applicable(op, facts);
}
// No more rows than there are, in powers of two, and at least two a work-item.
std::int64_t tile_rows(const ClOp& op) {
  const auto rows = static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(op.desc.m)));
  return std::min(param(op, "tile_m"), std::max(2 * kTileLines, rows));
}
std::string any_tile_options(const ClOp& op, int bytes) {
  return "-DLANES=1" + weight_options(op.desc.w) + define("TILE_M", tile_rows(op)) +
         define("TILE_N", param(op, "tile_n")) + define("LINES", kTileLines) + define("BYTES", bytes);
}
std::string tile_options(const ClOp& op) { return any_tile_options(op, 0); }
std::string tile_q8_options(const ClOp& op) { return any_tile_options(op, 1); }
ClGrid tile_grid(const ClOp& op) {
  return {{ceil_div(op.desc.n, param(op, "tile_n")) * 16, ceil_div(op.desc.m, tile_rows(op)) * kTileLines},
          {16, kTileLines}};
}

Applicability split_applicable(const OpDesc& op, const HardwareFacts& facts) {
  if (op.m > kMaxSplitRows) return Applicability::no("is made for up to " + std::to_string(kMaxSplitRows) + " rows");
  return needs_work_group(facts, 256);
}
std::int64_t lane_rows(const ClOp& op) { return op.desc.m == 1 ? 1 : param(op, "tile_m"); }
std::string any_lane_options(const ClOp& op, std::int64_t split) {
  return "-DLANES=1" + weight_options(op.desc.w) + define("ROWS", lane_rows(op)) + define("GROUP", param(op, "group")) +
         define("SPLIT", split);
}
ClGrid any_lane_grid(const ClOp& op, std::int64_t split) {
  const auto group = static_cast<std::size_t>(param(op, "group")), slices = static_cast<std::size_t>(split);
  return {{ceil_div(op.desc.n, param(op, "group")) * group, ceil_div(op.desc.m, lane_rows(op)) * slices},
          {group, slices}};
}
std::string lane_options(const ClOp& op) { return any_lane_options(op, 1); }
ClGrid lane_grid(const ClOp& op) { return any_lane_grid(op, 1); }
std::string split_options(const ClOp& op) { return any_lane_options(op, param(op, "split")); }
ClGrid split_grid(const ClOp& op) { return any_lane_grid(op, param(op, "split")); }

constexpr std::array<std::string_view, 3> kGemvFiles = {"prelude.cl", "weights.cl", "matmul_gemv.cl"};
constexpr std::array<std::string_view, 3> kQ8Files = {"prelude.cl", "weights.cl", "matmul_q8.cl"};
constexpr std::array<std::string_view, 3> kVnniFiles = {"prelude.cl", "weights.cl", "matmul_vnni.cl"};
constexpr std::array<std::string_view, 3> kGemmFiles = {"prelude.cl", "weights.cl", "matmul_gemm.cl"};
constexpr std::array<std::string_view, 3> kTileFiles = {"prelude.cl", "weights.cl", "matmul_tile.cl"};
constexpr std::array<std::string_view, 3> kLaneFiles = {"prelude.cl", "weights.cl", "matmul_lane.cl"};
const ClKernel kGemv = {kGemvFiles, "matmul_gemv", &kClPanels, gemv_options, gemv_grid};
const ClKernel kGemvQ8 = {kQ8Files, "matmul_q8", &kClPanels, gemv_q8_options, gemv_q8_grid};
const ClKernel kGemmQ8 = {kQ8Files, "matmul_q8", &kClPanels, gemm_q8_options, gemm_q8_grid};
const ClKernel kGemmVnni = {kVnniFiles, "matmul_vnni", &kClPanels, gemm_vnni_options, gemm_q8_grid};
const ClKernel kGemm = {kGemmFiles, "matmul_gemm", &kClPanels, gemm_options, gemm_grid};
const ClKernel kTile = {kTileFiles, "matmul_tile", &kClPanels, tile_options, tile_grid};
const ClKernel kTileQ8 = {kTileFiles, "matmul_tile", &kClPanels, tile_q8_options, tile_grid, "CL3.0"};
const ClKernel kSplit = {kLaneFiles, "matmul_lane", &kClPanels, split_options, split_grid};
const ClKernel kLane = {kLaneFiles, "matmul_lane", &kClPanels, lane_options, lane_grid};

// rms_norm

std::string wide_norm_options(const ClOp&) { return "-DLANES=16 -DGROUP=1"; }
ClGrid wide_norm_grid(const ClOp& op) { return {{static_cast<std::size_t>(op.desc.m), 1}, {1, 1}}; }
std::string group_norm_options(const ClOp&) { return "-DLANES=1 -DGROUP=64"; }
ClGrid group_norm_grid(const ClOp& op) { return {{static_cast<std::size_t>(op.desc.m) * 64, 1}, {64, 1}}; }

constexpr std::array<std::string_view, 2> kNormFiles = {"prelude.cl", "rms_norm.cl"};
const ClKernel kWideNorm = {kNormFiles, "rms_norm", &kClVector, wide_norm_options, wide_norm_grid};
const ClKernel kGroupNorm = {kNormFiles, "rms_norm", &kClVector, group_norm_options, group_norm_grid};

// rope

std::string rope_options(const ClOp& op) {
  return "-DLANES=1" + define("HALVES", op.constants.rope_style == RopeStyle::kHalves ? 1 : 0);
}
ClGrid rope_grid(const ClOp& op) {
  return {{ceil_div(op.desc.head_dim / 2, 16) * 16, static_cast<std::size_t>(op.desc.m)}, {16, 1}};
}

constexpr std::array<std::string_view, 2> kRopeFiles = {"prelude.cl", "rope.cl"};
const ClKernel kRope = {kRopeFiles, "rope", &kClTurnTable, rope_options, rope_grid};

// attention

// A chunk of prompt rows shares the transposed keys; decode has one row, and its chunk is one program more.
std::int64_t wide_attention_rows(const ClOp& op) { return op.desc.m == 1 ? 1 : param(op, "rows"); }
std::string wide_attention_options(const ClOp& op) {
  return "-DLANES=16" + define("HEAD_DIM", op.desc.head_dim) + define("ROWS", wide_attention_rows(op)) +
         define("GROUP_HEADS", op.desc.heads / op.desc.kv_heads);
}
ClGrid wide_attention_grid(const ClOp& op) {
  return {{static_cast<std::size_t>(op.desc.kv_heads), ceil_div(op.desc.m, wide_attention_rows(op))}, {1, 1}};
}
std::string group_attention_options(const ClOp& op) {
  return "-DLANES=1 -DGROUP=64" + define("HEAD_DIM", op.desc.head_dim) +
         define("COLUMNS", (op.desc.head_dim + 63) / 64);
}
ClGrid group_attention_grid(const ClOp& op) {
  return {{static_cast<std::size_t>(op.desc.heads) * 64, static_cast<std::size_t>(op.desc.m)}, {64, 1}};
}

constexpr std::array<std::string_view, 2> kWideAttentionFiles = {"prelude.cl", "attention_wide.cl"};
constexpr std::array<std::string_view, 2> kGroupAttentionFiles = {"prelude.cl", "attention_group.cl"};
const ClKernel kWideAttention = {kWideAttentionFiles, "attention_wide", nullptr, wide_attention_options,
                                 wide_attention_grid};
const ClKernel kGroupAttention = {kGroupAttentionFiles, "attention_group", nullptr, group_attention_options,
                                  group_attention_grid};

// swiglu, add

std::string elementwise_options(const ClOp& op, int lanes) {
  return define("LANES", lanes).substr(1) + define("SWIGLU", op.desc.kind == OpKind::kSwiGlu ? 1 : 0) +
         define("CHUNK", param(op, "chunk"));
}
std::string wide_elementwise_options(const ClOp& op) { return elementwise_options(op, 16); }
std::string lane_elementwise_options(const ClOp& op) { return elementwise_options(op, 1); }
ClGrid wide_elementwise_grid(const ClOp& op) {
  return {{ceil_div(op.desc.n, param(op, "chunk")), static_cast<std::size_t>(op.desc.m)}, {1, 1}};
}
ClGrid lane_elementwise_grid(const ClOp& op) {
  return {{ceil_div(op.desc.n, 64 * param(op, "chunk")) * 64, static_cast<std::size_t>(op.desc.m)}, {64, 1}};
}

constexpr std::array<std::string_view, 2> kElementwiseFiles = {"prelude.cl", "elementwise.cl"};
const ClKernel kWideElementwise = {kElementwiseFiles, "elementwise", nullptr, wide_elementwise_options,
                                   wide_elementwise_grid};
const ClKernel kLaneElementwise = {kElementwiseFiles, "elementwise", nullptr, lane_elementwise_options,
                                   lane_elementwise_grid};

KernelVariant row(const char* id, OpKind kind, Applicability (*applicable)(const OpDesc&, const HardwareFacts&),
                  const ClKernel& kernel, std::vector<ParamSpec> params,
                  ToleranceClass tolerance = ToleranceClass::kF32) {
  return {.id = id,
          .revision = 1,
          .family = KernelFamily::kOpenCl,
          .kind = kind,
          .tolerance = tolerance,
          .applicable = applicable,
          .params = std::move(params),
          .host = nullptr,
          .cl = &kernel};
}

}  // namespace

std::vector<KernelVariant> opencl_rows() {
  const std::vector<ShapeClass> several_rows = {ShapeClass::kFewRows, ShapeClass::kManyRows};
  const std::vector<ParamSpec> tile = {{"tile_m", {16, 32, 64}, 64, "rows of a work-group", several_rows},
                                       {"tile_n", {32, 64, 128}, 64, "output features of a work-group"}};
  const ParamSpec wide_chunk = {"chunk", {512, 1024, 4096}, 1024, "columns of a row per work-item"};
  const ParamSpec lane_chunk = {"chunk", {1, 2, 4}, 1, "columns of a row per work-item"};
  return {
      row("matmul.opencl.gemv_q8", OpKind::kMatmul, gemv_q8_applicable, kGemvQ8,
          {{"panels", {4, 8, 16, 32}, 16, "panels of 16 output features per work-item"},
           {"prefetch", {0, 2048, 4096, 8192}, 4096, "bytes ahead of the read"}},
          ToleranceClass::kQ8),
      row("matmul.opencl.gemm_vnni", OpKind::kMatmul, gemm_vnni_applicable, kGemmVnni,
          {{"rows_block", {24, 48, 96}, 48, "rows that a work-item quantises"},
           {"tile", {4, 6}, 6, "rows in registers"},
           {"panels", {16, 32, 64, 128}, 32, "panels of 16 output features per work-item"}},
          ToleranceClass::kQ8),
      row("matmul.opencl.gemm_q8", OpKind::kMatmul, gemm_q8_applicable, kGemmQ8,
          {{"rows_block", {16, 32, 64}, 32, "rows that a work-item quantises"},
           {"tile", {2, 4, 6, 8}, 4, "rows in registers"},
           {"panels", {8, 16, 32}, 32, "panels of 16 output features per work-item"},
           {"prefetch", {0, 4096}, 0, "bytes ahead of the read"}},
          ToleranceClass::kQ8),
      row("matmul.opencl.gemv", OpKind::kMatmul, gemv_applicable, kGemv,
          {{"panels", {1, 2, 4, 8}, 4, "panels of 16 output features per work-item"},
           {"chunk", {512, 1024, 2048}, 1024, "columns between two visits of a panel"},
           {"prefetch", {0, 1024, 2048, 4096}, 2048, "bytes ahead of the read"}}),
      row("matmul.opencl.gemm", OpKind::kMatmul, wide_device, kGemm,
          {{"rows_block", {16, 32, 64, 128}, 64, "rows that share one dequantised panel"},
           {"chunk", {64, 128, 256}, 128, "columns dequantised at a time"}}),
      row("matmul.opencl.tile_q8", OpKind::kMatmul, tile_q8_applicable, kTileQ8, tile, ToleranceClass::kQ8),
      row("matmul.opencl.tile", OpKind::kMatmul, tile_applicable, kTile, tile),
      row("matmul.opencl.split", OpKind::kMatmul, split_applicable, kSplit,
          {{"tile_m", {2, 4, 8}, 4, "rows per work-item", {ShapeClass::kFewRows}},
           {"group", {16, 32}, 16, "output features of a work-group"},
           {"split", {2, 4, 8}, 8, "work-items that share the columns of a feature"}}),
      row("matmul.opencl.lane", OpKind::kMatmul, any_device, kLane,
          {{"tile_m", {2, 4, 8, 16}, 8, "rows per work-item", several_rows},
           {"group", {16, 64}, 16, "work-items in a work-group: output features"}}),
      row("rms_norm.opencl.wide", OpKind::kRmsNorm, wide_device, kWideNorm, {}),
      row("rms_norm.opencl.group", OpKind::kRmsNorm, group_applicable, kGroupNorm, {}),
      row("rope.opencl.pair", OpKind::kRope, any_device, kRope, {}),
      row("attention.opencl.wide", OpKind::kAttention, wide_attention_applicable, kWideAttention,
          {{"rows", {4, 8, 16, 32}, 16, "query rows that share transposed keys", several_rows}}),
      row("attention.opencl.group", OpKind::kAttention, group_applicable, kGroupAttention, {}),
      row("swiglu.opencl.wide", OpKind::kSwiGlu, wide_device, kWideElementwise, {wide_chunk}),
      row("swiglu.opencl.lane", OpKind::kSwiGlu, group_applicable, kLaneElementwise, {lane_chunk}),
      row("add.opencl.wide", OpKind::kAdd, wide_device, kWideElementwise, {wide_chunk}),
      row("add.opencl.lane", OpKind::kAdd, group_applicable, kLaneElementwise, {lane_chunk}),
  };
}

}  // namespace hetero
