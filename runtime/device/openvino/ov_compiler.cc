// A blob's file: one line "hetero-ovblob 1 <key> <bytes> <fingerprint of the bytes>", then what the plugin exported.
#include "runtime/device/openvino/ov_compiler.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <openvino/runtime/properties.hpp>
#include <sstream>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/fingerprint.h"
#include "base/log.h"

namespace hetero {
namespace {

constexpr const char* kMagic = "hetero-ovblob";
constexpr int kVersion = 1;
// Activations share a scale over so many columns, as the project's own q8 kernels have it.
constexpr std::uint64_t kQuantisationGroup = 32;

ov::AnyMap properties_of(const OvSettings& settings) {
  ov::AnyMap p;
  const bool cpu = settings.device == "CPU";
  if (cpu) {
    p.insert(ov::num_streams(1));
    p.insert(ov::inference_num_threads(settings.threads));
    // The worker is bound already, and the plugin would count cores from the machine's first.
    p.insert(ov::hint::enable_cpu_pinning(false));
  }
  if (cpu || settings.device.starts_with("GPU")) {
    const bool half = settings.precision == ToleranceClass::kF16;
    p.insert(ov::hint::inference_precision(half ? ov::element::f16 : ov::element::f32));
    // Left to itself the CPU plugin quantises activations wherever it can.
    const std::uint64_t group = settings.precision == ToleranceClass::kQ8 ? kQuantisationGroup : 0;
    p.insert(ov::hint::dynamic_quantization_group_size(group));
  }
  return p;
}

std::string text_of(const ov::AnyMap& properties) {
  std::string text;
  for (const auto& [name, value] : properties) text += name + "=" + value.as<std::string>() + " ";
  return text;
}

}  // namespace

std::string ov_reason(const std::exception& error) {
  // The last line that says anything is the innermost check's.
  std::istringstream lines(error.what());
  std::string line, last;
  while (std::getline(lines, line)) {
    const std::size_t begin = line.find_first_not_of(" \t\r");
    if (begin != std::string::npos) last = line.substr(begin);
  }
  return last.empty() ? "no reason given" : last;
}

std::string ov_property(ov::Core& core, const std::string& device, const std::string& name) {
  try {
    return core.get_property(device, name).as<std::string>();
  } catch (const std::exception&) {
    return "";
  }
}

std::string ov_version(ov::Core& core, const std::string& device) {
  std::string text = "OpenVINO";
  for (const auto& [name, version] : core.get_versions(device)) {
    text += " " + std::string(version.buildNumber != nullptr ? version.buildNumber : "");
    break;
  }
  text.resize(std::min(text.size(), text.find("-releases")));  // the branch says nothing that the number does not
  const std::string driver = ov_property(core, device, device.starts_with("NPU") ? "NPU_DRIVER_VERSION" : "");
  return driver.empty() ? text : text + ", driver " + driver;
}

std::uint64_t ov_memory_bytes(ov::Core& core, const std::string& device) {
  if (device == "CPU") {
    return static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  }
  const std::string text =
      ov_property(core, device, device.starts_with("GPU") ? "GPU_DEVICE_TOTAL_MEM_SIZE" : "NPU_DEVICE_TOTAL_MEM_SIZE");
  std::uint64_t bytes = 0;
  std::from_chars(text.data(), text.data() + text.size(), bytes);
  return bytes;
}

OvCompiler::OvCompiler(ov::Core& core, const Timeline& timeline, OvSettings settings)
    : core_(core),
      timeline_(timeline),
      settings_(std::move(settings)),
      properties_(properties_of(settings_)),
      identity_(settings_.device + " " + ov_property(core, settings_.device, "FULL_DEVICE_NAME") + " " +
                ov_version(core, settings_.device) + " " + text_of(properties_)) {}

OvCompiled OvCompiler::compile(const OvGraph& graph) {
  OvCompiled compiled;
  const std::string key = settings_.cache_dir.empty() ? "" : key_of(graph);
  if (!key.empty() && load(key, compiled)) return compiled;
  try {
    const Nanos start = timeline_.now();
    compiled.model = core_.compile_model(graph.model, settings_.device, properties_);
    compiled.compile_ns = to_ns(timeline_.now() - start);
  } catch (const std::exception& error) {
    throw environment_error("OpenVINO cannot compile a graph for " + settings_.device + ": " + ov_reason(error),
                            "give this part to another device, or update the driver");
  }
  if (!key.empty()) save(key, compiled);
  return compiled;
}

std::string OvCompiler::key_of(const OvGraph& graph) const {
  std::string text = identity_ + "\n" + graph.text;
  for (const auto& weight : graph.constants) text += weight->fingerprint() + "\n";
  return fingerprint_text(text);
}

bool OvCompiler::load(const std::string& key, OvCompiled& compiled) {
  if (!std::filesystem::exists(file_of(key))) return false;
  try {
    const std::string contents = read_file(file_of(key));
    const std::size_t line = contents.find('\n');
    std::istringstream header(contents.substr(0, line));
    std::string magic, stored_key, fingerprint;
    int version = 0;
    std::size_t bytes = 0;
    header >> magic >> version >> stored_key >> bytes >> fingerprint;
    if (!header || magic != kMagic || version != kVersion || stored_key != key) return false;
    std::string blob = contents.substr(line + 1);
    if (blob.size() != bytes || fingerprint_text(blob) != fingerprint) return false;
    std::istringstream stream(std::move(blob));
    compiled.model = core_.import_model(stream, settings_.device, properties_);
  } catch (const std::exception& error) {
    log_detail("a kept graph is compiled anew: " + ov_reason(error));
    return false;
  }
  return true;
}

void OvCompiler::save(const std::string& key, OvCompiled& compiled) {
  try {
    std::ostringstream stream;
    compiled.model.export_model(stream);
    const std::string blob = stream.str();
    std::filesystem::create_directories(settings_.cache_dir);
    write_file(file_of(key), std::string(kMagic) + " " + std::to_string(kVersion) + " " + key + " " +
                                 std::to_string(blob.size()) + " " + fingerprint_text(blob) + "\n" + blob);
  } catch (const std::exception& error) {
    log_detail("a compiled graph cannot be kept in " + settings_.cache_dir + ": " + ov_reason(error));
  }
}

}  // namespace hetero
