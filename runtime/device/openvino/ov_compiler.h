// Compilation of one device's graphs, and the blobs that are kept of them on disk.
// Runs on the device's worker: a plugin's threads inherit the affinity of the one that first needs them.
#pragma once

#include <openvino/runtime/core.hpp>
#include <string>

#include "kernels/variant.h"
#include "runtime/device/openvino/ov_graph.h"
#include "runtime/device/timeline.h"

namespace hetero {

struct OvSettings {
  std::string device;                               // OpenVINO's name: "CPU", "GPU.0", "NPU"
  ToleranceClass precision = ToleranceClass::kF32;  // q8: activations quantised to 8 bits in groups of 32
  int threads = 0;                                  // CPU: on how many it computes; else not used
  std::string cache_dir;                            // blobs; empty: none are kept
};

struct OvCompiled {
  ov::CompiledModel model;
  double compile_ns = 0;  // 0: its blob was on disk
};

class OvCompiler {
 public:
  OvCompiler(ov::Core& core, const Timeline& timeline, OvSettings settings);

  // Throws environment_error with the plugin's reason. What compiles is kept on disk for later runs; a damaged or
  // foreign blob is compiled anew.
  OvCompiled compile(const OvGraph& graph);

  // Device, driver, OpenVINO and settings: what a compiled graph is valid for.
  const std::string& identity() const { return identity_; }

 private:
  std::string key_of(const OvGraph& graph) const;
  std::string file_of(const std::string& key) const { return settings_.cache_dir + "/" + key + ".ovblob"; }
  bool load(const std::string& key, OvCompiled& compiled);
  void save(const std::string& key, OvCompiled& compiled);

  ov::Core& core_;
  const Timeline& timeline_;
  OvSettings settings_;
  ov::AnyMap properties_;
  std::string identity_;
};

// OpenVINO's reason in one line: its messages carry file names and checks before it and line breaks within.
std::string ov_reason(const std::exception& error);
// "OpenVINO 2026.4.1-22982", and the driver's version where the device has one.
std::string ov_version(ov::Core& core, const std::string& device);
// The memory that the device computes in; 0 where it does not say.
std::uint64_t ov_memory_bytes(ov::Core& core, const std::string& device);
// A property's value as text; empty where the device does not have it.
std::string ov_property(ov::Core& core, const std::string& device, const std::string& name);

}  // namespace hetero
