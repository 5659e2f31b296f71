#include "reports/rates.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
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
    rate.who = engine + " on " + devices;
  } else {
    rate.who = rate.devices.size() > 1 ? text_or_empty(row, "plan") + " plan on " + devices : devices + " alone";
  }
}

RateRow rate_row(const Json& row, const std::string& source) {
  if (!row.is_object()) unreadable(source, "a row is not an object");
  RateRow rate;
  rate.test = text_or_empty(row, "test");
  if (rate.test.empty()) unreadable(source, "a row names no test");
  read_who(rate, row, source);
  const auto emulated = row.find("emulated");
  rate.emulated = emulated != row.end() && *emulated == Json(true);
  rate.peak_rss_bytes = count_or_zero(row, "peak_rss_bytes");
  if (const auto model = row.find("model"); model != row.end() && model->is_object()) {
    rate.model = std::filesystem::path(text_or_empty(*model, "path")).stem().string();
    rate.model_bytes = count_or_zero(*model, "bytes");
    const auto ops = model->find("ops_per_token");
    if (ops != model->end() && ops->is_number()) rate.ops_per_token = std::max(0.0, ops->get<double>());
  }
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

void group_by_test(std::vector<RateRow>& rows) {
  std::map<std::string, std::size_t> place;  // of each test
  for (const RateRow& row : rows) place.emplace(row.test, place.size());
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const RateRow& a, const RateRow& b) { return place.at(a.test) < place.at(b.test); });
}

}  // namespace hetero
