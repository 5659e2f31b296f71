// What goes wrong in a simulation, and when: a small document, so that a failure can be studied again and again.
//
//   {"schema": "hetero.faults", "version": 1, "faults": [
//     {"device": "gpu", "kind": "slow", "from_ms": 100, "for_ms": 500, "factor": 2},
//     {"device": "gpu", "kind": "slow", "from_ms": 2000, "factor": 1.3},
//     {"device": "npu", "kind": "lost", "from_ms": 1500},
//     {"device": "npu", "kind": "compile_failure", "graph": 3},
//     {"device": "npu", "kind": "out_of_memory", "bytes": 1073741824}]}
//
// Times count from when the prompt is there. Several "slow" that overlap multiply, so steps of heat are rows without an
// end. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/units.h"

namespace hetero {

enum class FaultKind : std::uint8_t {
  kSlow,            // everything takes `factor` times as long
  kLost,            // what it was doing and what comes later fails
  kCompileFailure,  // of its n-th graph
  kOutOfMemory      // when packed weights exceed so many bytes
};
std::string_view name_of(FaultKind kind);  // "slow", "lost", ...

struct Fault {
  std::string device;  // short name: "npu"
  FaultKind kind = FaultKind::kSlow;
  double from_ns = 0;
  double for_ns = 0;  // kSlow; 0: to the end
  double factor = 1;  // kSlow; more than 0
  int graph = 1;      // kCompileFailure: counted from 1
  std::uint64_t bytes = 0;
};

// Throws input_error.
std::vector<Fault> faults_from_json(const std::string& text);

// "slowed 2x for 500 ms", "lost", "graph 3 does not compile", "out of memory above 1.00 GiB"
std::string words(const Fault& fault);

}  // namespace hetero
