// A cache file: one line "hetero-clbin 1 <key> <bytes> <fingerprint of the bytes>", then the driver's binary.
#include "runtime/device/opencl/cl_programs.h"

#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "base/fingerprint.h"
#include "base/log.h"

namespace hetero {
namespace {

constexpr const char* kMagic = "hetero-clbin";
constexpr int kVersion = 1;

std::string build_log(cl_program program, cl_device_id device) {
  std::size_t bytes = 0;
  if (clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &bytes) != CL_SUCCESS) return "";
  std::string log(bytes, '\0');
  clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, bytes, log.data(), nullptr);
  while (!log.empty() && log.back() == '\0') log.pop_back();
  return log;
}

}  // namespace

std::string first_error(const std::string& log) {
  std::istringstream lines(log);
  for (std::string line; std::getline(lines, line);) {
    std::string lower = line;
    std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (lower.find("error:") != std::string::npos) return line;
  }
  return log.substr(0, log.find('\n'));
}

ClPrograms::ClPrograms(cl_context context, cl_device_id device, std::string identity, std::string cache_dir)
    : context_(context), device_(device), identity_(std::move(identity)), cache_dir_(std::move(cache_dir)) {}

cl_program ClPrograms::get(const std::string& source, const std::string& options) {
  const std::string key = fingerprint_text(identity_ + "\n" + options + "\n" + source);
  Entry& entry = entries_[key];
  if (entry.program.get() != nullptr) return entry.program.get();
  entry.program = load(key, options);
  if (entry.program.get() != nullptr) return entry.program.get();

  const char* text = source.data();
  const std::size_t length = source.size();
  cl_int status = CL_SUCCESS;
  ClProgram program(clCreateProgramWithSource(context_, 1, &text, &length, &status));
  cl_check(status, "create a program");
  status = clBuildProgram(program.get(), 1, &device_, options.c_str(), nullptr, nullptr);
  if (status != CL_SUCCESS) {
    const std::string log = build_log(program.get(), device_);
    log_detail("OpenCL compiler, options '" + options + "':\n" + log);
    throw environment_error("OpenCL cannot compile a kernel (" + cl_status_name(status) + "): " + first_error(log),
                            "choose another device, or report this with the driver's version");
  }
  entry.program = std::move(program);
  entry.fresh = true;
  return entry.program.get();
}

std::string ClPrograms::file_of(const std::string& key) const { return cache_dir_ + "/" + key + ".clbin"; }

ClProgram ClPrograms::load(const std::string& key, const std::string& options) const {
  if (cache_dir_.empty()) return ClProgram();
  std::ifstream file(file_of(key), std::ios::binary);
  std::string magic, stored_key, fingerprint;
  int version = 0;
  std::size_t bytes = 0;
  std::string line;
  if (!std::getline(file, line)) return ClProgram();
  std::istringstream header(line);
  header >> magic >> version >> stored_key >> bytes >> fingerprint;
  if (!header || magic != kMagic || version != kVersion || stored_key != key) return ClProgram();
  std::error_code error;
  const auto size = std::filesystem::file_size(file_of(key), error);
  if (error || size != line.size() + 1 + bytes) return ClProgram();
  std::string binary(bytes, '\0');
  if (!file.read(binary.data(), static_cast<std::streamsize>(bytes)) || fingerprint_text(binary) != fingerprint) {
    return ClProgram();
  }
  const auto* data = reinterpret_cast<const unsigned char*>(binary.data());
  cl_int binary_status = CL_SUCCESS;
  cl_int status = CL_SUCCESS;
  ClProgram program(clCreateProgramWithBinary(context_, 1, &device_, &bytes, &data, &binary_status, &status));
  if (status != CL_SUCCESS || binary_status != CL_SUCCESS) return ClProgram();
  if (clBuildProgram(program.get(), 1, &device_, options.c_str(), nullptr, nullptr) != CL_SUCCESS) return ClProgram();
  return program;
}

void ClPrograms::save() {
  for (auto& [key, entry] : entries_) {
    if (!entry.fresh) continue;
    entry.fresh = false;
    if (!cache_dir_.empty()) write(key, entry.program.get());
  }
}

void ClPrograms::write(const std::string& key, cl_program program) const {
  std::size_t bytes = 0;
  if (clGetProgramInfo(program, CL_PROGRAM_BINARY_SIZES, sizeof bytes, &bytes, nullptr) != CL_SUCCESS || bytes == 0) {
    return;  // the driver gives no binaries
  }
  std::string binary(bytes, '\0');
  auto* data = reinterpret_cast<unsigned char*>(binary.data());
  if (clGetProgramInfo(program, CL_PROGRAM_BINARIES, sizeof data, &data, nullptr) != CL_SUCCESS) return;
  std::error_code error;
  std::filesystem::create_directories(cache_dir_, error);
  // Written beside and renamed, so that another process never sees half a file.
  const std::string temporary = file_of(key) + "." + std::to_string(getpid());
  {
    std::ofstream file(temporary, std::ios::binary);
    file << kMagic << ' ' << kVersion << ' ' << key << ' ' << bytes << ' ' << fingerprint_text(binary) << '\n'
         << binary;
    if (!file.flush()) {
      log_detail("compiled kernels cannot be kept in " + cache_dir_);
      std::filesystem::remove(temporary, error);
      return;
    }
  }
  std::filesystem::rename(temporary, file_of(key), error);
  if (error) std::filesystem::remove(temporary, error);
}

}  // namespace hetero
