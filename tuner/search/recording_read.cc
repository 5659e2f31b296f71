// Reading recorded searches. The document is walked once; whatever is wrong is one line that says where.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "tuner/search/recording.h"

namespace hetero {
namespace {

// Older caches have this number in the place of an error's name.
constexpr double kOldError = 1e20;

// Members in the order of the file: the order of parameters is the author's.
using Json = nlohmann::ordered_json;

// A configuration as it stands in the file: a value for each parameter.
struct RawRow {
  std::vector<ParameterValue> values;
  RecordedRow row;
};

class Reader {
 public:
  explicit Reader(const std::string& name) : name_(name) {}

  RecordedSearch read(const std::string& text) {
    const Json document = parse(text);
    if (document.contains("results")) {
      read_t4(document);
    } else {
      read_cache(document);
    }
    return finish();
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw input_error("'" + name_ + "' is no recorded search: " + problem,
                      "it takes T4 results or a Kernel Tuner cache file");
  }

  Json parse(const std::string& text) const {
    Json document = Json::parse(text, nullptr, false);
    if (document.is_discarded()) {
      // Kernel Tuner appends rows while it runs, and closes the file when it is done.
      const std::size_t last = text.find_last_not_of(" \t\r\n,");
      if (last != std::string::npos && text[last] == '}' && text.find("\"cache\"") != std::string::npos) {
        document = Json::parse(text.substr(0, last + 1) + "}}", nullptr, false);
      }
    }
    if (document.is_discarded()) fail("it is not JSON, or was cut off");
    if (!document.is_object()) fail("it is not a JSON object");
    return document;
  }

  const Json& member(const Json& object, const char* key, const std::string& where) const {
    if (!object.is_object()) fail(where + " is not an object");
    const auto found = object.find(key);
    if (found == object.end()) fail(where + " has no \"" + key + "\"");
    return *found;
  }

  static std::string text_or_empty(const Json& object, const char* key) {
    const auto found = object.find(key);
    return found != object.end() && found->is_string() ? found->get<std::string>() : "";
  }

  ParameterValue value_of(const Json& v, const std::string& where) const {
    if (v.is_boolean()) return v.get<bool>();
    if (v.is_number_integer() || v.is_number_unsigned()) return v.get<std::int64_t>();
    if (v.is_number_float()) {
      const double number = v.get<double>();
      // 16.0 and 16 are the same setting.
      if (number == std::floor(number) && std::abs(number) < 1e15) return static_cast<std::int64_t>(number);
      return number;
    }
    if (v.is_string()) return v.get<std::string>();
    fail(where + " has a value that is no number, text or truth");
  }

  // Of the parameters that the first row named, in that order.
  std::vector<ParameterValue> values_of(const Json& configuration, const std::string& where) {
    if (!configuration.is_object()) fail(where + " has no configuration");
    if (names_.empty()) {
      for (const auto& [key, value] : configuration.items()) names_.push_back(key);
    }
    if (names_.empty() || configuration.size() != names_.size())
      fail(where + " has other parameters than the first row");
    std::vector<ParameterValue> values;
    for (const std::string& key : names_) values.push_back(value_of(member(configuration, key.c_str(), where), where));
    return values;
  }

  static std::vector<double> numbers(const Json& object, const char* key) {
    std::vector<double> found;
    const auto list = object.find(key);
    if (list == object.end() || !list->is_array()) return found;
    for (const Json& v : *list) {
      if (v.is_number()) found.push_back(v.get<double>());
    }
    return found;
  }

  // More is better of anything per second.
  static bool is_rate(const std::string& objective) {
    return objective.find("/s") != std::string::npos || objective.find("FLOP") != std::string::npos;
  }

  void set_value(RecordedRow& row, double value, const std::string& where) const {
    if (!(value > 0) || !std::isfinite(value)) fail(where + " is valid, and its value is not above zero");
    row.result.value = is_rate(objective_) ? 1 / value : value;
  }

  // --- T4 ---

  SearchStatus status_of(const Json& row, const std::string& where) const {
    const std::string text = text_or_empty(row, "invalidity");
    if (text == "correct") return SearchStatus::kOk;
    if (text == "compile") return SearchStatus::kCompileError;
    if (text == "constraints") return SearchStatus::kDeviceLimit;
    if (text == "correctness") return SearchStatus::kWrongResult;
    if (text == "timeout") return SearchStatus::kTimeout;
    if (text == "runtime") return SearchStatus::kCrash;
    fail(where + " has an invalidity that T4 does not know: '" + text + "'");
  }

  const Json& measurement(const Json& row, const std::string& where) const {
    const Json& list = member(row, "measurements", where);
    if (list.is_array()) {
      for (const Json& m : list) {
        if (m.is_object() && text_or_empty(m, "name") == objective_) return m;
      }
    }
    fail(where + " has no measurement of '" + objective_ + "'");
  }

  void read_t4(const Json& document) {
    const std::string version = text_or_empty(document, "schema_version");
    if (!version.empty() && version.rfind("1.", 0) != 0) fail("its schema version " + version + " is not 1.x");
    const Json& results = document["results"];
    if (!results.is_array()) fail("\"results\" is not a list");
    if (const auto metadata = document.find("metadata"); metadata != document.end() && metadata->is_object()) {
      recording_.kernel = text_or_empty(*metadata, "kernel_name");
      recording_.device = text_or_empty(*metadata, "device_name");
      recording_.driver = text_or_empty(*metadata, "driver");
    }
    for (std::size_t i = 0; i < results.size(); ++i) {
      const std::string where = "row " + std::to_string(i + 1);
      const Json& from = results[i];
      RawRow raw;
      raw.values = values_of(member(from, "configuration", where), where);
      raw.row.result.status = status_of(from, where);
      raw.row.timestamp = text_or_empty(from, "timestamp");
      raw.row.message = text_or_empty(from, "message");
      if (const auto times = from.find("times"); times != from.end() && times->is_object()) {
        raw.row.runtimes = numbers(*times, "runtimes");
        if (const auto ms = times->find("compilation_time"); ms != times->end() && ms->is_number()) {
          raw.row.compile_ms = ms->get<double>();
        }
      }
      if (raw.row.result.ok()) {
        if (objective_.empty()) choose_objective(from);
        const Json& m = measurement(from, where);
        const Json& value = member(m, "value", where);
        if (!value.is_number()) fail(where + " is valid, and its value is no number");
        set_value(raw.row, value.get<double>(), where);
        if (unit_.empty()) unit_ = text_or_empty(m, "unit");
      }
      rows_.push_back(std::move(raw));
    }
  }

  // The first that the first valid row names; "time" where it names none.
  void choose_objective(const Json& row) {
    objective_ = "time";
    const auto list = row.find("objectives");
    if (list != row.end() && list->is_array() && !list->empty() && list->front().is_string()) {
      objective_ = list->front().get<std::string>();
    }
  }

  // --- Kernel Tuner's cache ---

  void read_cache(const Json& document) {
    const auto cache = document.find("cache");
    if (cache == document.end() || !cache->is_object()) fail("it has neither \"results\" nor \"cache\"");
    const Json& keys = member(document, "tune_params_keys", "it");
    if (!keys.is_array() || keys.empty()) fail("\"tune_params_keys\" names no parameters");
    for (const Json& key : keys) {
      if (!key.is_string()) fail("\"tune_params_keys\" is not a list of names");
      names_.push_back(key.get<std::string>());
    }
    recording_.kernel = text_or_empty(document, "kernel_name");
    recording_.device = text_or_empty(document, "device_name");
    objective_ = text_or_empty(document, "objective");
    if (objective_.empty()) objective_ = "time";
    for (const auto& [key, from] : cache->items()) {
      const std::string where = "row \"" + key.substr(0, 60) + "\"";
      RawRow raw;
      for (const std::string& name : names_) raw.values.push_back(value_of(member(from, name.c_str(), where), where));
      // An error stands in the place of the time, whatever the objective.
      const Json& value = member(from, from.contains(objective_) ? objective_.c_str() : "time", where);
      if (value.is_number() && value.get<double>() >= kOldError) {
        raw.row.result.status = SearchStatus::kCrash;
      } else if (value.is_number()) {
        set_value(raw.row, value.get<double>(), where);
      } else {
        raw.row.result.status = cache_status(value, where);
      }
      raw.row.runtimes = numbers(from, "times");
      raw.row.timestamp = text_or_empty(from, "timestamp");
      if (const auto ms = from.find("compile_time"); ms != from.end() && ms->is_number()) {
        raw.row.compile_ms = ms->get<double>();
      }
      rows_.push_back(std::move(raw));
    }
  }

  SearchStatus cache_status(const Json& value, const std::string& where) const {
    const std::string text = value.is_string() ? value.get<std::string>() : "";
    if (text == "InvalidConfig") return SearchStatus::kDeviceLimit;
    if (text == "CompilationFailedConfig") return SearchStatus::kCompileError;
    if (text == "RuntimeFailedConfig") return SearchStatus::kCrash;
    fail(where + " has neither a value nor an error that is known");
  }

  // --- rows to space ---

  RecordedSearch finish() {
    if (rows_.empty()) fail("it has no rows");
    if (std::none_of(rows_.begin(), rows_.end(), [](const RawRow& r) { return r.row.result.ok(); })) {
      fail("none of its configurations is valid");
    }
    std::vector<Parameter> parameters;
    for (std::size_t p = 0; p < names_.size(); ++p) {
      Parameter parameter{names_[p], {}};
      for (const RawRow& raw : rows_) parameter.values.push_back(raw.values[p]);
      std::sort(parameter.values.begin(), parameter.values.end(), less);
      parameter.values.erase(std::unique(parameter.values.begin(), parameter.values.end()), parameter.values.end());
      if (parameter.values.size() > std::numeric_limits<std::uint16_t>::max()) {
        fail("parameter '" + names_[p] + "' has more than 65535 values");
      }
      parameters.push_back(std::move(parameter));
    }
    std::map<std::vector<std::uint16_t>, std::size_t> known;
    std::vector<std::uint16_t> points;
    for (RawRow& raw : rows_) {
      std::vector<std::uint16_t> at;
      for (std::size_t p = 0; p < names_.size(); ++p) {
        const auto& values = parameters[p].values;
        at.push_back(static_cast<std::uint16_t>(std::lower_bound(values.begin(), values.end(), raw.values[p], less) -
                                                values.begin()));
      }
      const auto [place, fresh] = known.emplace(at, recording_.rows.size());
      if (!fresh) {
        RecordedRow& first = recording_.rows[place->second];
        if (!first.result.ok() && raw.row.result.ok()) {
          raw.row.config = first.config;
          first = std::move(raw.row);
        }
        continue;
      }
      raw.row.config = static_cast<ConfigId>(recording_.rows.size());
      recording_.rows.push_back(std::move(raw.row));
      points.insert(points.end(), at.begin(), at.end());
    }
    recording_.space = SearchSpace(std::move(parameters), std::move(points));
    recording_.objective = is_rate(objective_) ? "inverse_rate" : objective_;
    recording_.unit = is_rate(objective_) ? "" : unit_;
    return std::move(recording_);
  }

  // Numbers by size, whole or not.
  static bool less(const ParameterValue& a, const ParameterValue& b) {
    const auto number = [](const ParameterValue& v) -> std::optional<double> {
      if (const auto* i = std::get_if<std::int64_t>(&v)) return static_cast<double>(*i);
      if (const auto* d = std::get_if<double>(&v)) return *d;
      return std::nullopt;
    };
    const std::optional<double> x = number(a);
    const std::optional<double> y = number(b);
    return x && y && *x != *y ? *x < *y : a < b;
  }

  std::string name_;
  std::vector<std::string> names_;  // of the parameters
  std::string objective_;
  std::string unit_;
  std::vector<RawRow> rows_;
  RecordedSearch recording_;
};

}  // namespace

RecordedSearch recording_from_json(const std::string& text, const std::string& name) { return Reader(name).read(text); }

}  // namespace hetero
