#include "profiles/measurement.h"

#include "profiles/names.h"

namespace hetero {
namespace {
constexpr NameTable<SampleStatus, 6> kStatus = {
    "sample status", {"ok", "untrusted", "wrong_result", "compile_failed", "device_failed", "not_supported"}};
constexpr NameTable<SampleKind, 9> kKind = {
    "sample kind", {"op", "bandwidth", "launch", "join", "graph_compile", "contention", "gate", "anchor", "variant"}};
}  // namespace

std::string_view name_of(SampleStatus status) { return kStatus.name(status); }
std::string_view name_of(SampleKind kind) { return kKind.name(kind); }
SampleStatus sample_status_from_name(std::string_view name) { return kStatus.parse(name); }
SampleKind sample_kind_from_name(std::string_view name) { return kKind.parse(name); }

}  // namespace hetero
