// Compiled kernels of one device: each source with each set of options is built once, and kept on disk between runs.
// Not thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "kernels/opencl/cl_kernel.h"
#include "runtime/device/opencl/cl_handle.h"

namespace hetero {

// The line of a compiler's log that tells what is wrong: the first with "error:", in any case, else the first of all.
std::string first_error(const std::string& log);

class ClPrograms {
 public:
  // `identity` names device and driver; programs of another identity are never loaded. `cache_dir` empty: no files.
  ClPrograms(cl_context context, cl_device_id device, std::string identity, std::string cache_dir);

  // The program, built at the first request. Lives as long as this. Throws environment_error with the first
  // error of the compiler's log. A cached file that is damaged or refused by the driver is ignored and replaced.
  cl_program get(const std::string& source, const std::string& options);

  // Writes programs that were compiled since to the cache. Call it after their first launch: some drivers finish
  // compiling only then. A cache that cannot be written is worth a note, not an error.
  void save();

 private:
  struct Entry {
    ClProgram program;
    bool fresh = false;  // compiled here, not yet saved
  };
  std::string file_of(const std::string& key) const;
  ClProgram load(const std::string& key, const std::string& options) const;
  void write(const std::string& key, cl_program program) const;

  cl_context context_;
  cl_device_id device_;
  std::string identity_;
  std::string cache_dir_;
  std::map<std::string, Entry> entries_;  // by key: fingerprint of identity, options and source
};

}  // namespace hetero
