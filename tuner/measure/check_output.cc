// Whether an op that is about to be timed computes what it should: a few rows and columns against the reference kernel.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "kernels/catalogue.h"
#include "tuner/measure/bench_set.h"

namespace hetero {
namespace {

// Relative error over a row's sample. Activations of 8 bits give about 1 %, float16 0.1 %; an op that is wrong gives
// about 100 %, so anything between tells them apart. This is no test of accuracy: those are under tests/.
constexpr double kAllowedError = 0.06;
constexpr std::int64_t kColumns = 32;  // at either end of a matmul's row

float* row_of(const HostMatrix& m, std::int64_t row) { return m.data + row * m.stride; }

// What an untouched output holds: a NaN that no computation gives.
const float kSpoiled = std::bit_cast<float>(std::uint32_t{0x7fc5ab1e});
bool is_spoiled(float v) { return std::bit_cast<std::uint32_t>(v) == std::bit_cast<std::uint32_t>(kSpoiled); }

// One row of `op`, output columns [c0, c0 + result.size()).
void reference_row(const Op& op, const Bench& bench, Arena& arena, std::int64_t row, std::int64_t c0,
                   std::vector<float>& result) {
  HostOp host;
  host.desc = op.desc;
  host.desc.m = 1;
  host.desc.n = static_cast<std::int64_t>(result.size());
  host.constants = op.constants;
  host.position = bench.bindings.position + row;
  const auto input = [&](std::size_t i) -> ConstHostMatrix {
    if (!op.in[i].valid()) return {};
    const bool cache = op.desc.kind == OpKind::kAttention && i > 0;
    if (cache) {
      const HostMatrix m = arena.from_first_row(op.in[i]);
      return {m.data, m.stride};
    }
    const HostMatrix m = arena.matrix(op.in[i], bench.bindings.position);
    return {row_of(m, row), m.stride};
  };
  host.in0 = input(0);
  host.in1 = input(1);
  host.in2 = input(2);
  host.out = {result.data(), host.desc.n};
  host.vector = reinterpret_cast<const float*>(op.vector.data);
  WeightSlice slice = op.weight;
  slice.n0 += c0;
  slice.n1 = slice.n0 + host.desc.n;
  if (op.desc.kind == OpKind::kMatmul) host.weights = reinterpret_cast<const std::byte*>(&slice);

  const HostKernel& kernel = *choose(KernelFamily::kReference, host.desc, {}, {}).host;
  AlignedBuffer workspace(kernel.workspace_bytes == nullptr ? 0 : kernel.workspace_bytes(host.desc));
  host.workspace = workspace.data();
  for (int phase = 0; phase < kernel.phases; ++phase) kernel.run(host, phase, 0, 1);
}

}  // namespace

void spoil_output(const Bench& bench, Arena& arena) {
  const HostMatrix out = arena.matrix(bench.out, bench.bindings.position);
  for (std::int64_t row = 0; row < bench.out.rows; ++row) std::fill_n(row_of(out, row), bench.out.cols, kSpoiled);
}

std::string check_output(const Bench& bench, Arena& arena, const Op& op) {
  const HostMatrix out = arena.matrix(bench.out, bench.bindings.position);
  const std::int64_t m = bench.op.m;
  const std::int64_t n = bench.op.n;
  bool untouched = true;
  for (std::int64_t row = 0; row < m && untouched; ++row) {
    untouched = std::all_of(row_of(out, row), row_of(out, row) + n, is_spoiled);
  }
  if (untouched) return bench.device->facts().emulated ? "" : "the device wrote no output";

  const bool matmul = bench.op.kind == OpKind::kMatmul;
  std::set<std::int64_t> first_columns = {0};
  if (matmul && n > kColumns) first_columns.insert(n - kColumns);
  for (const std::int64_t row : std::set<std::int64_t>{0, m / 2, m - 1}) {
    for (const std::int64_t c0 : first_columns) {
      std::vector<float> expected(static_cast<std::size_t>(matmul ? std::min(n, kColumns) : n));
      reference_row(op, bench, arena, row, c0, expected);
      double error = 0;
      double norm = 0;
      for (std::size_t i = 0; i < expected.size(); ++i) {
        const double got = row_of(out, row)[c0 + static_cast<std::int64_t>(i)];
        error += (got - expected[i]) * (got - expected[i]);
        norm += double{expected[i]} * expected[i];
      }
      const double relative = std::sqrt(error / std::max(norm, std::numeric_limits<double>::min()));
      if (!(relative <= kAllowedError)) {
        return "row " + std::to_string(row) + " is off the reference by " + std::to_string(100 * relative) + " %";
      }
    }
  }
  return "";
}

}  // namespace hetero
