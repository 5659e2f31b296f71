#include "tests/tuner/search/synthetic.h"

#include <cmath>
#include <functional>

#include "base/rng.h"

namespace hetero::testing_search {
namespace {

using Values = std::vector<std::int64_t>;
using Time = std::function<SearchResult(const Values&)>;

RecordedSearch record(const std::string& name, const std::vector<std::pair<std::string, Values>>& parameters,
                      const std::function<bool(const Values&)>& feasible, const Time& time, double noise) {
  const auto numbers = [](const std::vector<ParameterValue>& values) {
    Values v;
    for (const ParameterValue& value : values) v.push_back(std::get<std::int64_t>(value));
    return v;
  };
  std::vector<Parameter> list;
  for (const auto& [key, values] : parameters) list.push_back({key, {values.begin(), values.end()}});
  RecordedSearch recording;
  recording.kernel = name;
  recording.device = "made up";
  recording.space = SearchSpace::combinations(
      list, [&](const std::vector<ParameterValue>& values) { return !feasible || feasible(numbers(values)); });
  Rng rng(41);
  for (ConfigId config = 0; config < recording.space.size(); ++config) {
    std::vector<ParameterValue> values;
    for (std::size_t p = 0; p < list.size(); ++p) values.push_back(recording.space.value(config, p));
    RecordedRow row;
    row.config = config;
    row.result = time(numbers(values));
    row.result.value *= std::exp(noise * rng.normal());
    recording.rows.push_back(row);
  }
  return recording;
}

double d(std::int64_t v) { return static_cast<double>(v); }

}  // namespace

RecordedSearch gemm_like() {
  enum { kMwg, kNwg, kKwg, kMdim, kNdim, kVwm, kVwn, kSa, kSb };
  return record(
      "gemm",
      {{"MWG", {16, 32, 64, 128}},
       {"NWG", {16, 32, 64, 128}},
       {"KWG", {16, 32, 64}},
       {"MDIM", {8, 16, 32}},
       {"NDIM", {8, 16, 32}},
       {"VWM", {1, 2, 4, 8}},
       {"VWN", {1, 2, 4, 8}},
       {"SA", {0, 1}},
       {"SB", {0, 1}}},
      [](const Values& v) { return v[kMwg] % (v[kMdim] * v[kVwm]) == 0 && v[kNwg] % (v[kNdim] * v[kVwn]) == 0; },
      [](const Values& v) -> SearchResult {
        const double threads = d(v[kMdim] * v[kNdim]);
        const double tile_m = d(v[kMwg]) / d(v[kMdim]);
        const double tile_n = d(v[kNwg]) / d(v[kNdim]);
        const double registers = tile_m * tile_n + tile_m + tile_n + 20;
        const double local = 4 * d(v[kKwg]) * (d(v[kSa] * v[kMwg]) + d(v[kSb] * v[kNwg]));
        if (threads > 512 || local > 48 * 1024) return {SearchStatus::kDeviceLimit, 0};
        if (registers > 200) return {SearchStatus::kCompileError, 0};
        // Groups on a multiprocessor: limited by threads, registers and local memory, and only whole ones count.
        const double groups = std::floor(
            std::min({2048 / threads, 65536 / (registers * threads), local > 0 ? 98304 / local : 16.0, 16.0}));
        if (groups < 1) return {SearchStatus::kCrash, 0};
        const double occupancy = std::min(1.0, groups * threads / 2048);
        const double hidden = 1 - std::exp(-occupancy * tile_m * tile_n / 4);
        const double arithmetic = 1 / (hidden * (tile_m * tile_n / (tile_m * tile_n + tile_m + tile_n)));
        const double cached_a = v[kSa] != 0 ? 1 : 1 + 2.0 / d(v[kVwm]) + d(v[kNdim]) / 40;
        const double cached_b = v[kSb] != 0 ? 1 : 1 + 2.0 / d(v[kVwn]) + d(v[kMdim]) / 40;
        const double traffic = 24 * (cached_a / d(v[kNwg]) + cached_b / d(v[kMwg]));
        const double conflicts = 1 + 0.12 * d(v[kSa]) * std::abs(std::log2(d(v[kVwm]) / 4)) +
                                 0.12 * d(v[kSb]) * std::abs(std::log2(d(v[kVwn]) / 2));
        const double barriers = 1 + 0.3 * d(v[kSa] + v[kSb]) * 16 / d(v[kKwg]) / groups;
        const double tail = std::ceil(1024 / (d(v[kMwg]) * d(v[kNwg]) / 1024) / (80 * groups)) * 80 * groups /
                            (1024 / (d(v[kMwg]) * d(v[kNwg]) / 1024));
        return {SearchStatus::kOk, (std::max(arithmetic, traffic) + 0.2 * std::min(arithmetic, traffic)) * conflicts *
                                       barriers * std::max(1.0, std::sqrt(tail))};
      },
      0.01);
}

RecordedSearch convolution_like() {
  return record(
      "convolution",
      {{"block_size_x", {16, 32, 48, 64, 80, 96, 112, 128, 256}},
       {"block_size_y", {1, 2, 4, 8, 16, 32}},
       {"tile_size_x", {1, 2, 3, 4, 5, 6}},
       {"tile_size_y", {1, 2, 3, 4, 5, 6}},
       {"use_padding", {0, 1}},
       {"read_only", {0, 1}}},
      [](const Values& v) { return v[0] * v[1] >= 32 && v[0] * v[1] <= 1024; },
      [](const Values& v) -> SearchResult {
        const double threads = d(v[0] * v[1]);
        const double tile = d(v[2] * v[3]);
        const double local = 4 * (d(v[0] * v[2]) + 14 + d(v[4])) * (d(v[1] * v[3]) + 14);
        if (local > 48 * 1024) return {SearchStatus::kDeviceLimit, 0};
        const double groups =
            std::floor(std::min({2048 / threads, 98304 / local, 65536 / ((24 + 2 * tile) * threads)}));
        if (groups < 1) return {SearchStatus::kCrash, 0};
        const double occupancy = groups * threads / 2048;
        const double halo = (d(v[0] * v[2]) + 14) * (d(v[1] * v[3]) + 14) / (d(v[0] * v[2]) * d(v[1] * v[3]));
        const double reuse = 1 + 1.6 / tile;
        const double bank = v[4] == 0 && v[0] % 32 != 0 ? 1.35 : 1.0 + 0.02 * d(v[4]);
        const double ragged = v[0] % 32 == 0 ? 1 : 1.15;
        return {SearchStatus::kOk, (reuse / (1 - std::exp(-5 * occupancy)) + 0.4 * halo) * bank * ragged *
                                       (v[5] != 0 ? 0.97 : 1) * (tile > 16 ? 1 + (tile - 16) / 30 : 1)};
      },
      0.01);
}

RecordedSearch rugged(std::uint64_t seed) {
  constexpr std::size_t kParameters = 6, kValues = 5;
  Rng rng(seed);
  double alone[kParameters][kValues];
  double pair[kParameters][kParameters][kValues][kValues];
  for (auto& effects : alone) {
    for (double& effect : effects) effect = 0.25 * rng.normal();
  }
  for (auto& row : pair) {
    for (auto& effects : row) {
      const double weight = rng.uniform() < 0.4 ? 0.15 : 0.02;
      for (auto& line : effects) {
        for (double& effect : line) effect = weight * rng.normal();
      }
    }
  }
  std::vector<std::pair<std::string, Values>> parameters;
  for (std::size_t p = 0; p < kParameters; ++p) parameters.push_back({"p" + std::to_string(p), {1, 2, 4, 8, 16}});
  return record(
      "rugged", parameters, {},
      [&](const Values& v) -> SearchResult {
        double sum = 0;
        std::size_t at[kParameters];
        for (std::size_t p = 0; p < kParameters; ++p) at[p] = static_cast<std::size_t>(std::lround(std::log2(d(v[p]))));
        for (std::size_t p = 0; p < kParameters; ++p) {
          sum += alone[p][at[p]];
          for (std::size_t q = 0; q < p; ++q) sum += pair[p][q][at[p]][at[q]];
        }
        return {SearchStatus::kOk, std::exp(sum)};
      },
      0.01);
}

RecordedSearch small_like() {
  return record(
      "small",
      {{"rows_block", {16, 32, 64, 128}}, {"tile", {2, 4, 6, 8}}, {"panels", {8, 16, 32}}, {"prefetch", {0, 4096}}}, {},
      [](const Values& v) -> SearchResult {
        const double spill = v[1] == 8 ? 1.4 : 1;
        const double reuse = 1 + 1.2 / d(v[1]);
        const double overhead = 1 + 6 / d(v[2]) / d(v[0]) * 16;
        const double cache = d(v[0] * v[2]) > 1024 ? 1.25 : 1;
        return {SearchStatus::kOk, spill * reuse * overhead * cache * (v[3] != 0 ? 1.03 : 1)};
      },
      0.01);
}

}  // namespace hetero::testing_search
