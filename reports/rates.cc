#include "reports/rates.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "reports/statistics.h"
#include "reports/words.h"

namespace hetero {
namespace {

using Json = nlohmann::json;

[[noreturn]] void unreadable(const std::string& source, const std::string& problem) {
  throw input_error(source + ": " + problem, "give the output of hetero-infer --bench --json");
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::int64_t count_or_zero(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? std::max<std::int64_t>(0, found->get<std::int64_t>())
                                                             : 0;
}

double positive_or_zero(const Json& object, const char* key) {
  const auto found = object.find(key);
  const double value = found != object.end() && found->is_number() ? found->get<double>() : 0;
  return std::isfinite(value) ? std::max(0.0, value) : 0;
}

// What scripts/bench_peers.py adds to the rows of hetero-infer.
void read_circumstances(RateRow& rate, const Json& row) {
  if (const auto weights = row.find("weights"); weights != row.end() && weights->is_object()) {
    rate.weights = text_or_empty(*weights, "made");
    if (const std::int64_t bytes = count_or_zero(*weights, "bytes"); bytes > 0) rate.model_bytes = bytes;
  }
  if (const auto limits = row.find("limits"); limits != row.end() && limits->is_object()) {
    rate.limits = {positive_or_zero(*limits, "gops"), positive_or_zero(*limits, "read_gbps"),
                   text_or_empty(*limits, "arithmetic")};
  }
}

void read_who(RateRow& rate, const Json& row, const std::string& source) {
  const std::string engine = text_or_empty(row, "engine");
  const auto ids = row.find("devices");
  if (ids == row.end() || !ids->is_array() || ids->empty()) unreadable(source, "a row has no list of devices");
  for (const Json& id : *ids) {
    if (!id.is_string()) unreadable(source, "a device is not a text");
    rate.devices.push_back(id.get<std::string>());
  }
  const std::string devices = joined(rate.devices, " + ");
  if (!engine.empty() && engine != "hetero-infer") {
    rate.who = engine;
    rate.devices.clear();
  } else if (!engine.empty()) {
    const std::string own = text_or_empty(row, "command_devices");  // among other engines all rows have one name
    rate.who = engine + " on " + (own.empty() ? devices : own);
  } else {
    rate.who = rate.devices.size() > 1 ? text_or_empty(row, "plan") + " plan on " + devices : devices + " alone";
  }
}

RateRow rate_row(const Json& row, const std::string& source) {
  if (!row.is_object()) unreadable(source, "a row is not an object");
  RateRow rate;
  rate.source = std::filesystem::path(source).filename().string();
  rate.test = text_or_empty(row, "test");
  if (rate.test.empty()) unreadable(source, "a row names no test");
  read_who(rate, row, source);
  const auto emulated = row.find("emulated");
  rate.emulated = emulated != row.end() && *emulated == Json(true);
  rate.peak_rss_bytes = count_or_zero(row, "peak_rss_bytes");
  if (const auto model = row.find("model"); model != row.end() && model->is_object()) {
    rate.model = std::filesystem::path(text_or_empty(*model, "path")).stem().string();
    rate.model_bytes = count_or_zero(*model, "bytes");
    rate.ops_per_token = positive_or_zero(*model, "ops_per_token");
  }
  read_circumstances(rate, row);
  const auto rates = row.find("tok_per_s");
  const auto samples = rates != row.end() && rates->is_object() ? rates->find("samples") : row.end();
  if (rates == row.end() || !rates->is_object() || samples == rates->end() || !samples->is_array() ||
      samples->empty()) {
    unreadable(source, rate.test + " has no samples");
  }
  for (const Json& sample : *samples) {
    const double value = sample.is_number() ? sample.get<double>() : 0;
    if (!(value > 0) || !std::isfinite(value))
      unreadable(source, rate.test + " has a sample that is no positive number");
    rate.tok_per_s.push_back(value);
  }
  return rate;
}

// GB/s that all devices together read in the best case that was measured; 0: nothing was.
double best_bandwidth(const Characteristics& characteristics) {
  double best = 0;
  for (const SampleGroup& group : characteristics.bandwidth_gbps) {
    double sum = median_of(group.values);
    for (const SampleGroup& other : characteristics.bandwidth_gbps) {
      const bool pair = other.device == group.active_with && other.active_with == group.device;
      if (pair) sum += median_of(other.values);
    }
    best = std::max(best, sum);
  }
  return best;
}

// Operations a nanosecond of all devices together, each by its fastest matmul; 0: nothing was measured.
double best_arithmetic(const Characteristics& characteristics) {
  std::map<std::string, double> best;
  for (const OpSamples& s : characteristics.ops) {
    if (s.op.kind == OpKind::kMatmul) best[s.device] = std::max(best[s.device], flops(s.op) / median_of(s.samples_ns));
  }
  double sum = 0;
  for (const auto& [device, rate] : best) sum += rate;
  return sum;
}

MachineLimits limits_for(const RateRow& row, const MachineLimits& others) {
  return {row.limits.gops > 0 ? row.limits.gops : others.gops,
          row.limits.read_gbps > 0 ? row.limits.read_gbps : others.read_gbps, ""};
}

std::string per_cent_of(double part, double limit, const char* format) {
  return number_text("%.0f %% of ", 100 * part / limit) + number_text(format, limit);
}

}  // namespace

std::vector<RateRow> rate_rows_from_json(const std::string& text, const std::string& source) {
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) unreadable(source, "it is not JSON, or was cut off");
  if (!document.is_array() || document.empty()) unreadable(source, "it is not a list of rows");
  std::vector<RateRow> rows;
  for (const Json& row : document) rows.push_back(rate_row(row, source));
  return rows;
}

void share_model_facts(std::vector<RateRow>& rows) {
  std::map<std::string, double> ops;
  for (const RateRow& row : rows) ops[row.model] = std::max(ops[row.model], row.ops_per_token);
  for (RateRow& row : rows) row.ops_per_token = ops[row.model];
}

std::int64_t prompt_tokens(const RateRow& row) {
  return row.test.starts_with("pp") ? std::atoll(row.test.c_str() + 2) : 0;
}

MachineLimits limits_of(const Characteristics& characteristics) {
  return {best_arithmetic(characteristics), best_bandwidth(characteristics), ""};
}

std::string part_of_limit(const RateRow& row, const MachineLimits& others) {
  if (row.emulated) return "";
  const MachineLimits limits = limits_for(row, others);
  const double rate = median_of(row.tok_per_s);
  if (prompt_tokens(row) > 0 && row.ops_per_token > 0 && limits.gops > 0) {
    return per_cent_of(rate * row.ops_per_token / 1e9, limits.gops, "%.0f Gop/s");
  }
  if (row.test.starts_with("tg") && row.model_bytes > 0 && limits.read_gbps > 0) {
    return per_cent_of(rate * static_cast<double>(row.model_bytes) / 1e9, limits.read_gbps, "%.1f GB/s");
  }
  return "";
}

bool from_several_files(const std::vector<RateRow>& rows) {
  return std::any_of(rows.begin(), rows.end(), [&](const RateRow& row) { return row.source != rows.front().source; });
}

std::string limits_text(const std::vector<RateRow>& rows, const MachineLimits& others) {
  bool own = false;
  bool from_database = false;
  std::string arithmetic;
  for (const RateRow& row : rows) {
    if (part_of_limit(row, others).empty()) continue;
    const bool has_own = (prompt_tokens(row) > 0 ? row.limits.gops : row.limits.read_gbps) > 0;
    (has_own ? own : from_database) = true;
    if (has_own && arithmetic.empty()) arithmetic = row.limits.arithmetic;
  }
  if (!own && !from_database) return "";
  std::string text =
      "Of the limit: what a prompt's matmuls compute, of the machine's arithmetic; what single tokens read, "
      "all weights a token, of its bandwidth.";
  if (own) {
    text += " Limits measured in the same run" + (arithmetic.empty() ? "" : " (arithmetic: " + arithmetic + ")") + ".";
  }
  if (from_database) {
    text += std::string(own ? " Of rows without such" : " The limits") +
            ": the fastest matmuls of the database's devices added up, and the most that they read together.";
  }
  return text;
}

std::vector<std::string> weights_texts(const std::vector<RateRow>& rows) {
  std::vector<std::string> texts;
  for (const RateRow& row : rows) {
    if (row.weights.empty()) continue;
    std::string text = row.who + ": " + row.weights;
    if (std::find(texts.begin(), texts.end(), text) == texts.end()) texts.push_back(std::move(text));
  }
  return texts;
}

void group_by_test(std::vector<RateRow>& rows) {
  std::map<std::string, std::size_t> place;  // of each test
  for (const RateRow& row : rows) place.emplace(row.test, place.size());
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const RateRow& a, const RateRow& b) { return place.at(a.test) < place.at(b.test); });
}

}  // namespace hetero
