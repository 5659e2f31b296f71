// Writing recorded searches, a row a line: the files are looked at by people, and compared with diff.
#include <nlohmann/json.hpp>

#include "tuner/search/recording.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;

struct JsonOf {
  Json operator()(const auto& v) const { return v; }
};

const char* invalidity_of(SearchStatus status) {
  switch (status) {
    case SearchStatus::kOk:
      return "correct";
    case SearchStatus::kCompileError:
      return "compile";
    case SearchStatus::kDeviceLimit:
      return "constraints";
    case SearchStatus::kWrongResult:
      return "correctness";
    case SearchStatus::kTimeout:
      return "timeout";
    case SearchStatus::kCrash:
      return "runtime";
  }
  return "runtime";
}

Json json_of(const RecordedSearch& recording, const RecordedRow& row) {
  Json out;
  if (!row.timestamp.empty()) out["timestamp"] = row.timestamp;
  Json& configuration = out["configuration"] = Json::object();
  for (std::size_t p = 0; p < recording.space.parameters().size(); ++p) {
    configuration[recording.space.parameters()[p].name] = std::visit(JsonOf{}, recording.space.value(row.config, p));
  }
  out["objectives"] = Json::array({recording.objective});
  out["times"] = {{"compilation_time", row.compile_ms}, {"runtimes", row.runtimes}};
  out["invalidity"] = invalidity_of(row.result.status);
  out["correctness"] = row.result.ok() ? 1 : 0;
  Json measurements = Json::array();
  if (row.result.ok()) {
    measurements.push_back({{"name", recording.objective}, {"value", row.result.value}, {"unit", recording.unit}});
  }
  out["measurements"] = measurements;
  if (!row.message.empty()) out["message"] = row.message;
  return out;
}

std::string line_of(const Json& value) {
  // A driver's message may hold anything.
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string t4_json(const RecordedSearch& recording) {
  Json metadata = {{"kernel_name", recording.kernel}, {"device_name", recording.device}, {"driver", recording.driver}};
  std::string text = "{\"schema_version\": \"1.0.0\",\n\"metadata\": " + line_of(metadata) + ",\n\"results\": [";
  const char* before = "\n";
  for (const RecordedRow& row : recording.rows) {
    text += before + line_of(json_of(recording, row));
    before = ",\n";
  }
  return text + "\n]}\n";
}

std::vector<std::int32_t> RecordedSearch::row_of() const {
  std::vector<std::int32_t> found(space.size(), -1);
  for (std::size_t i = 0; i < rows.size(); ++i) found[rows[i].config] = static_cast<std::int32_t>(i);
  return found;
}

}  // namespace hetero
