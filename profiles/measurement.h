// What the tuner measured: raw samples with their circumstances. Rows of the store; never updated.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "profiles/device_profile.h"

namespace hetero {

enum class SampleStatus : std::uint8_t {
  kOk,
  kUntrusted,  // taken while the anchor had drifted: kept, never used
  kWrongResult,
  kCompileFailed,
  kDeviceFailed,
  kNotSupported
};
std::string_view name_of(SampleStatus status);                // "ok", "untrusted", ...
SampleStatus sample_status_from_name(std::string_view name);  // throws input_error

// What was timed. The canonical text of an op for kOp and kVariant (sets of parameters of one kernel, timed in turn on
// one weight that stays in the caches: to be compared with each other only); for the others a name: "stream",
// "join poll", "launch".
enum class SampleKind : std::uint8_t {
  kOp,
  kBandwidth,
  kLaunch,
  kJoin,
  kGraphCompile,
  kContention,
  kGate,
  kAnchor,
  kStep,  // a whole step of a model in the executor, on this device alone; params: "rows" (1: decode), "context"
  kVariant
};
std::string_view name_of(SampleKind kind);                // "op", "bandwidth", ...
SampleKind sample_kind_from_name(std::string_view name);  // throws input_error

// The subject of a step's samples, "step of 0123456789abcdef", and back; empty where it is none.
std::string step_subject(std::string_view model_fingerprint);
std::string model_of_step(std::string_view subject);

struct Sample {
  SampleKind kind = SampleKind::kOp;
  std::string device;             // id
  std::string exact_fingerprint;  // of the device at that time
  std::string subject;            // canonical op text, or a name (see SampleKind)
  std::string variant;            // kernel variant id, with "#revision"; may be empty
  std::map<std::string, std::int64_t> params;
  std::string active_with;  // other devices active meanwhile, sorted, joined by '+'; empty: alone
  double device_ns = 0;     // on the device
  double launch_ns = 0;     // host time to submit
  double compile_ns = 0;
  double transfer_ns = 0;
  double join_ns = 0;  // device completion -> host goes on
  double value = 0;    // for kinds whose result is no time (GB/s, ratio)
  SampleStatus status = SampleStatus::kOk;
  std::string message;  // why, when not ok
  int round = 0;

  std::int64_t param(const std::string& name, std::int64_t otherwise = 0) const {
    const auto found = params.find(name);
    return found == params.end() ? otherwise : found->second;
  }
};

// The circumstances of a run.
struct RunInfo {
  std::string program_version;
  std::string host;
  std::string cpu;
  std::string started_utc;  // ISO 8601
  std::string build_type;
  std::string command;
  double load_average = 0;
  std::string model_fingerprint;  // may be empty
  // The run's own name, wherever its rows are copied to; sorts by time. Empty in databases of older versions.
  std::string uid = {};
};

// What a part of a run spent. stage: "search", "variants", "measure", "fit", "solve", "gate", or "run" for all of it.
struct StageTime {
  std::string stage;
  double seconds = 0;
  double budget_seconds = 0;  // 0: without a bound
};

}  // namespace hetero
