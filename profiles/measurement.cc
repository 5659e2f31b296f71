#include "profiles/measurement.h"

#include "profiles/names.h"

namespace hetero {
namespace {
constexpr NameTable<SampleStatus, 6> kStatus = {
    "sample status", {"ok", "untrusted", "wrong_result", "compile_failed", "device_failed", "not_supported"}};
constexpr NameTable<SampleKind, 10> kKind = {
    "sample kind",
    {"op", "bandwidth", "launch", "join", "graph_compile", "contention", "gate", "anchor", "step", "variant"}};
constexpr std::string_view kStepOf = "step of ";
}  // namespace

std::string_view name_of(SampleStatus status) { return kStatus.name(status); }
std::string_view name_of(SampleKind kind) { return kKind.name(kind); }
SampleStatus sample_status_from_name(std::string_view name) { return kStatus.parse(name); }
SampleKind sample_kind_from_name(std::string_view name) { return kKind.parse(name); }

std::string step_subject(std::string_view model_fingerprint) {
  return std::string(kStepOf) + std::string(model_fingerprint);
}
std::string model_of_step(std::string_view subject) {
  return subject.starts_with(kStepOf) ? std::string(subject.substr(kStepOf.size())) : std::string();
}

}  // namespace hetero
