#include "profiles/fault_script.h"

#include <cstdio>

#include "profiles/json_util.h"
#include "profiles/names.h"

namespace hetero {
namespace {

constexpr const char* kSchema = "hetero.faults";
constexpr double kNsPerMs = 1e6;
constexpr NameTable<FaultKind, 4> kKind = {"fault", {"slow", "lost", "compile_failure", "out_of_memory"}};

double not_negative(const JsonNode& node, const std::string& key) {
  const double value = node.number_or(key, 0);
  if (value < 0) node.at(key).fail("is negative");
  return value;
}

Fault fault_from(const JsonNode& node) {
  Fault fault;
  fault.device = node.at("device").text();
  fault.kind = kKind.parse(node.at("kind").text());
  switch (fault.kind) {
    case FaultKind::kSlow:
      fault.from_ns = not_negative(node, "from_ms") * kNsPerMs;
      fault.for_ns = not_negative(node, "for_ms") * kNsPerMs;
      fault.factor = node.at("factor").number();
      if (fault.factor <= 0) node.at("factor").fail("is not above 0");
      break;
    case FaultKind::kLost:
      fault.from_ns = not_negative(node, "from_ms") * kNsPerMs;
      break;
    case FaultKind::kCompileFailure:
      fault.graph = static_cast<int>(node.at("graph").integer(1, 1 << 20));
      break;
    case FaultKind::kOutOfMemory:
      fault.bytes = node.at("bytes").unsigned_integer();
      break;
  }
  return fault;
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

std::string_view name_of(FaultKind kind) { return kKind.name(kind); }

std::vector<Fault> faults_from_json(const std::string& text) {
  const nlohmann::json document = parse_document(text, kSchema, 1);
  std::vector<Fault> faults;
  for (const JsonNode& node : JsonNode(document, "faults").at("faults").items()) faults.push_back(fault_from(node));
  return faults;
}

std::string words(const Fault& fault) {
  switch (fault.kind) {
    case FaultKind::kSlow:
      return "slowed " + number(fault.factor) + "x" +
             (fault.for_ns > 0 ? " for " + format_duration_ns(fault.for_ns) : std::string());
    case FaultKind::kLost:
      return "lost";
    case FaultKind::kCompileFailure:
      return "graph " + std::to_string(fault.graph) + " does not compile";
    case FaultKind::kOutOfMemory:
      return "out of memory above " + format_bytes(fault.bytes);
  }
  return "";
}

}  // namespace hetero
