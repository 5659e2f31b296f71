#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "reports/benchmark_set.h"

namespace hetero {
namespace {

using Json = nlohmann::json;

[[noreturn]] void unreadable(const std::string& source, const std::string& problem) {
  throw input_error(source + ": " + problem,
                    "give a profile database, the output of hetero-infer --bench --json or Google Benchmark's JSON");
}

// Members as they ought to be; anything else is unreadable() with the name of the member.
const Json& member(const Json& object, const char* key, const std::string& source) {
  if (!object.is_object() || !object.contains(key)) unreadable(source, std::string("'") + key + "' is missing");
  return object[key];
}
std::string text(const Json& object, const char* key, const std::string& source) {
  const Json& value = member(object, key, source);
  if (!value.is_string()) unreadable(source, std::string("'") + key + "' is not a text");
  return value.get<std::string>();
}
double positive(const Json& value, const char* what, const std::string& source) {
  const double number = value.is_number() ? value.get<double>() : 0;
  if (!std::isfinite(number) || number <= 0) unreadable(source, std::string("'") + what + "' is not a positive number");
  return number;
}
std::string text_or(const Json& object, const char* key, const std::string& fallback) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : fallback;
}
std::string dump_of(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() ? "unknown" : found->dump();
}

void add_infer_row(BenchmarkSet& set, const Json& row) {
  const std::string& source = set.source;
  std::string devices;
  const Json& ids = member(row, "devices", source);
  if (!ids.is_array()) unreadable(source, "'devices' is not a list");
  for (const Json& id : ids) {
    if (!id.is_string()) unreadable(source, "a device is not a text");
    devices += (devices.empty() ? "" : "+") + id.get<std::string>();
  }
  const std::string name = text(row, "test", source) + " on " + devices + " (" + text_or(row, "plan", "") + ")";
  const Json& samples = member(member(row, "tok_per_s", source), "samples", source);
  if (!samples.is_array()) unreadable(source, "'samples' is not a list");
  Benchmark& benchmark = set.named(name, "tok/s", Direction::kRate);
  for (const Json& sample : samples) benchmark.samples.push_back(positive(sample, "samples", source));

  const auto emulated = row.find("emulated");
  set.note_circumstance("times", emulated != row.end() && *emulated == Json(true) ? "emulated" : "measured");
  if (const auto model = row.find("model"); model != row.end() && model->is_object()) {
    // Not the path: the same file may lie elsewhere.
    set.note_circumstance("model", dump_of(*model, "params") + " parameters, " + dump_of(*model, "bytes") + " bytes");
  }
  if (const auto where = row.find("environment"); where != row.end() && where->is_object()) {
    set.note_circumstance("cpu", text_or(*where, "cpu", ""));
    set.note_circumstance("build type", text_or(*where, "build_type", ""));
    if (set.commit.empty()) set.commit = text_or(*where, "commit", "");
    const auto cores = where->find("cores");
    if (cores != where->end()) set.note_circumstance("cores", cores->dump());
  }
}

BenchmarkSet from_infer(const Json& rows, const std::string& source) {
  BenchmarkSet set{source, {{"protocol", "hetero-infer --bench"}}, {}, {}};
  for (const Json& row : rows) add_infer_row(set, row);
  return set;
}

double ns_of(const std::string& unit, const std::string& source) {
  if (unit == "ns") return 1;
  if (unit == "us") return 1e3;
  if (unit == "ms") return 1e6;
  if (unit == "s") return 1e9;
  unreadable(source, "'" + unit + "' is no unit of time");
}

BenchmarkSet from_google(const Json& document, const std::string& source) {
  BenchmarkSet set{source, {{"protocol", "Google Benchmark"}}, {}, {}};
  if (const auto context = document.find("context"); context != document.end() && context->is_object()) {
    set.commit = text_or(*context, "commit", "");
    if (const auto ours = context->find("hetero"); ours != context->end() && ours->is_object()) {
      for (const auto& [name, value] : ours->items()) {
        if (value.is_string()) set.circumstances[name] = value.get<std::string>();
      }
    } else {
      // A program may say how it was built itself; the library's own build type is what there is otherwise.
      set.note_circumstance("build type", text_or(*context, "build_type", text_or(*context, "library_build_type", "")));
      if (const auto cores = context->find("num_cpus"); cores != context->end()) {
        set.note_circumstance("cores", cores->dump());
      }
    }
  }
  std::size_t aggregates = 0;
  std::size_t failed = 0;
  const Json& rows = member(document, "benchmarks", source);
  if (!rows.is_array()) unreadable(source, "'benchmarks' is not a list");
  for (const Json& row : rows) {
    const std::string name = text(row, "name", source);
    if (text_or(row, "run_type", "iteration") != "iteration") {
      ++aggregates;
      continue;
    }
    if (const auto error = row.find("error_occurred"); error != row.end() && *error == Json(true)) {
      ++failed;
      continue;
    }
    const double scale = ns_of(text_or(row, "time_unit", "ns"), source);
    set.named(text_or(row, "run_name", name), "ns", Direction::kTime)
        .samples.push_back(scale * positive(member(row, "real_time", source), "real_time", source));
  }
  if (failed > 0)
    set.notes.push_back(source + ": " + std::to_string(failed) + " runs ended in an error and do not count");
  if (set.benchmarks.empty() && aggregates > 0) {
    unreadable(source,
               "it holds aggregates only, and a comparison needs every repetition (leave "
               "--benchmark_report_aggregates_only out)");
  }
  return set;
}

}  // namespace

BenchmarkSet benchmarks_from_json(const std::string& text, const std::string& source) {
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) unreadable(source, "it is neither a database nor JSON");
  BenchmarkSet set;
  if (document.is_array()) {
    set = from_infer(document, source);
  } else if (document.is_object() && document.contains("benchmarks")) {
    set = from_google(document, source);
  } else {
    unreadable(source, "it is JSON without benchmarks");
  }
  std::erase_if(set.benchmarks, [](const Benchmark& b) { return b.samples.empty(); });
  if (set.benchmarks.empty()) unreadable(source, "it holds no samples");
  return set;
}

std::string to_google_json(const BenchmarkSet& set) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const Benchmark& benchmark : set.benchmarks) {
    for (std::size_t i = 0; i < benchmark.samples.size(); ++i) {
      const bool is_rate = benchmark.direction == Direction::kRate;
      const double ns = is_rate ? 1e9 / benchmark.samples[i] : benchmark.samples[i];
      rows.push_back({{"name", benchmark.name},
                      {"run_name", benchmark.name},
                      {"run_type", "iteration"},
                      {"repetitions", benchmark.samples.size()},
                      {"repetition_index", i},
                      {"threads", 1},
                      {"iterations", 1},
                      {"real_time", ns},
                      {"cpu_time", ns},
                      {"time_unit", "ns"}});
    }
  }
  nlohmann::ordered_json context = {{"executable", set.source}, {"hetero", set.circumstances}};
  if (!set.commit.empty()) context["commit"] = set.commit;
  const nlohmann::ordered_json document = {{"context", context}, {"benchmarks", rows}};
  return document.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace hetero
