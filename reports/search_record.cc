#include "reports/search_record.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace hetero {
namespace {

// Members in the order of the file: the order of parameters is the author's.
using Json = nlohmann::ordered_json;

[[noreturn]] void unreadable(const std::string& source, const std::string& problem) {
  throw input_error(source + " is no recorded search: " + problem, "give what hetero-tune search -o wrote");
}

std::string text_or_empty(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

std::string configuration_text(const Json& configuration) {
  std::string text;
  for (const auto& [name, value] : configuration.items()) {
    text += (text.empty() ? "" : ", ") + name + " " +
            (value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace));
  }
  return text;
}

// To nanoseconds; 0 for what is no unit of time.
double ns_of(const std::string& unit) {
  if (unit == "ns") return 1;
  if (unit == "us") return 1e3;
  if (unit == "ms" || unit.empty()) return 1e6;  // those who leave it out mean milliseconds
  if (unit == "s") return 1e9;
  return 0;
}

const Json* measurement_of(const Json& row, const std::string& objective) {
  const auto list = row.find("measurements");
  if (list == row.end() || !list->is_array()) return nullptr;
  for (const Json& measurement : *list) {
    if (text_or_empty(measurement, "name") == objective) return &measurement;
  }
  return nullptr;
}

std::string objective_of(const Json& results) {
  for (const Json& row : results) {
    if (!row.is_object()) continue;
    const auto list = row.find("objectives");
    if (list != row.end() && list->is_array() && !list->empty() && list->front().is_string()) {
      return list->front().get<std::string>();
    }
  }
  return "time";
}

Evaluation evaluation_of(const Json& row, SearchRecord& record, const std::string& where) {
  if (!row.is_object() || !row.contains("configuration") || !row["configuration"].is_object()) {
    unreadable(record.source, where + " has no configuration");
  }
  Evaluation evaluation{configuration_text(row["configuration"]), std::nullopt, text_or_empty(row, "invalidity")};
  if (evaluation.status != "correct") return evaluation;
  const Json* measurement = measurement_of(row, record.objective);
  const double value = measurement != nullptr && measurement->contains("value") && (*measurement)["value"].is_number()
                           ? (*measurement)["value"].get<double>()
                           : 0;
  if (!(value > 0) || !std::isfinite(value)) {
    unreadable(record.source, where + " is valid and has no positive '" + record.objective + "'");
  }
  const std::string unit = text_or_empty(*measurement, "unit");
  const bool is_time = record.better == SearchRecord::Better::kLess && ns_of(unit) > 0;
  record.unit = is_time ? "ns" : unit;
  evaluation.value = is_time ? value * ns_of(unit) : value;
  return evaluation;
}

}  // namespace

std::vector<std::optional<double>> SearchRecord::best_so_far() const {
  std::vector<std::optional<double>> best;
  for (const Evaluation& e : evaluations) {
    std::optional<double> now = best.empty() ? std::nullopt : best.back();
    if (e.value && (!now || (better == Better::kLess ? *e.value < *now : *e.value > *now))) now = e.value;
    best.push_back(now);
  }
  return best;
}

SearchRecord search_record_from_json(const std::string& text, const std::string& source) {
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) unreadable(source, "it is not JSON, or was cut off");
  if (!document.is_object() || !document.contains("results") || !document["results"].is_array()) {
    unreadable(source, "it has no \"results\"");
  }
  if (const std::string version = text_or_empty(document, "schema_version");
      !version.empty() && !version.starts_with("1.")) {
    unreadable(source, "its schema version " + version + " is not 1.x");
  }
  SearchRecord record;
  record.source = source;
  if (const auto metadata = document.find("metadata"); metadata != document.end()) {
    record.kernel = text_or_empty(*metadata, "kernel_name");
    record.device = text_or_empty(*metadata, "device_name");
    record.driver = text_or_empty(*metadata, "driver");
  }
  const Json& results = document["results"];
  record.objective = objective_of(results);
  const bool is_rate =
      record.objective.find("/s") != std::string::npos || record.objective.find("FLOP") != std::string::npos;
  record.better = is_rate ? SearchRecord::Better::kMore : SearchRecord::Better::kLess;
  for (const Json& row : results) {
    const std::string where = "row " + std::to_string(record.evaluations.size() + 1);
    record.evaluations.push_back(evaluation_of(row, record, where));
  }
  if (record.evaluations.empty()) unreadable(source, "it has no rows");
  return record;
}

}  // namespace hetero
