// hetero-tune replay: strategies on a recorded space, next to random search. Nothing is measured here.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "tuner/apps/table.h"
#include "tuner/apps/tune_common.h"
#include "tuner/search/replay.h"

namespace hetero {
namespace {

const char* const kBaseline = "random";

std::vector<std::string> wanted_strategies(const std::string& list) {
  std::vector<std::string> names;
  std::istringstream in(list);
  for (std::string name; std::getline(in, name, ',');) names.push_back(name);
  if (names.empty()) throw usage_error("no strategy was given", "use --strategy guided");
  if (std::find(names.begin(), names.end(), kBaseline) == names.end()) names.emplace_back(kBaseline);
  return names;
}

std::string number(double value, const char* format = "%.4g") {
  char text[32];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// What is infinite was not reached.
nlohmann::ordered_json or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

// The longest that any search went on is where all curves are flat.
double end_of(const std::vector<ReplaySummary>& summaries) {
  double most = 1;
  for (const ReplaySummary& s : summaries) {
    for (const ReplayRun& run : s.runs) most = std::max(most, run.evaluations);
  }
  return most;
}

void print_json(const TuneFlags& flags, const RecordedSearch& recording, const std::vector<ReplaySummary>& summaries,
                double optimum, std::size_t valid) {
  nlohmann::ordered_json document;
  document["space"] = flags.search.space;
  document["kernel"] = recording.kernel;
  document["device"] = recording.device;
  document["configurations"] = recording.space.size();
  document["valid"] = valid;
  document["optimum"] = {{"value", optimum}, {"unit", recording.unit}};
  document["seeds"] = flags.search.seeds;
  document["close_factor"] = kCloseToOptimum;
  const double random = summaries.back().median_evaluations_close;
  nlohmann::ordered_json& list = document["strategies"] = nlohmann::ordered_json::array();
  for (const ReplaySummary& s : summaries) {
    nlohmann::ordered_json entry;
    entry["strategy"] = s.strategy;
    entry["median_evaluations_close"] = or_null(s.median_evaluations_close);
    entry["share_of_seeds_close"] = s.share_close;
    entry["ratio_to_random"] = or_null(s.median_evaluations_close / random);
    nlohmann::ordered_json& curve = entry["curve"] = nlohmann::ordered_json::array();
    for (const double at : curve_points(end_of(summaries))) {
      curve.push_back({{"evaluations", at}, {"median_percent_of_optimum", median_percent_after(s, optimum, at)}});
    }
    list.push_back(std::move(entry));
  }
  std::printf("%s\n", document.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
}

void print_text(const TuneFlags& flags, const RecordedSearch& recording, const std::vector<ReplaySummary>& summaries,
                double optimum, std::size_t valid) {
  std::printf("%s: %zu configurations, %zu valid, best %s %s\n", flags.search.space.c_str(), recording.space.size(),
              valid, number(optimum).c_str(), recording.unit.c_str());
  if (!recording.kernel.empty()) std::printf("%s on %s\n", recording.kernel.c_str(), recording.device.c_str());
  std::printf("\nbest found, %% of the optimum, median of %d seeds\n", flags.search.seeds);
  std::vector<std::string> header = {"evaluations"};
  for (const ReplaySummary& s : summaries) header.push_back(s.strategy);
  Table curve(header);
  for (const double at : curve_points(end_of(summaries))) {
    std::vector<std::string> row = {number(at, "%.0f")};
    for (const ReplaySummary& s : summaries) row.push_back(number(median_percent_after(s, optimum, at), "%.1f"));
    curve.add(row);
  }
  std::printf("%s\nevaluations until within %.0f %% of the optimum, median\n", curve.text().c_str(),
              100 * (kCloseToOptimum - 1));
  Table close({"strategy", "evaluations", "of random's", "seeds that got there"});
  const double random = summaries.back().median_evaluations_close;
  for (const ReplaySummary& s : summaries) {
    const double ratio = s.median_evaluations_close / random;
    close.add({s.strategy, std::isfinite(s.median_evaluations_close) ? number(s.median_evaluations_close) : "-",
               std::isfinite(ratio) ? number(ratio, "%.2f") : "-", number(100 * s.share_close, "%.0f %%")});
  }
  std::printf("%s", close.text().c_str());
}

}  // namespace

int run_replay(const TuneFlags& flags) {
  const std::vector<std::string> names = wanted_strategies(flags.search.strategy);
  const RecordedSearch recording = recording_from_json(read_file(flags.search.space), flags.search.space);
  ReplayOptions options;
  options.seeds = flags.search.seeds;
  options.most_evaluations = static_cast<double>(flags.search.evaluations);
  std::vector<ReplaySummary> summaries;
  for (const std::string& name : names) {
    if (name != kBaseline) summaries.push_back(replay(recording, name, options));
  }
  summaries.push_back(replay(recording, kBaseline, options));
  const double optimum = optimum_of(recording);
  const auto valid = static_cast<std::size_t>(
      std::count_if(recording.rows.begin(), recording.rows.end(), [](const RecordedRow& r) { return r.result.ok(); }));
  (flags.output == Output::kJson ? print_json : print_text)(flags, recording, summaries, optimum, valid);
  return 0;
}

}  // namespace hetero
