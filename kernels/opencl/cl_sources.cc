// The embedded kernel sources: finding, joining and identifying them.
#include "base/error.h"
#include "base/fingerprint.h"
#include "kernels/opencl/cl_kernel.h"

namespace hetero {

std::string source_text(const ClKernel& kernel) {
  std::string text;
  for (const std::string_view file : kernel.files) {
    bool found = false;
    for (const EmbeddedFile& embedded : opencl_sources()) {
      if (embedded.name != file) continue;
      text += embedded.text;
      found = true;
    }
    if (!found) throw input_error("kernel source '" + std::string(file) + "' was not built into the program");
  }
  return text;
}

std::string opencl_sources_fingerprint() {
  std::string all;
  for (const EmbeddedFile& file : opencl_sources()) {
    all += file.name;
    all += file.text;
  }
  return fingerprint_text(all);
}

}  // namespace hetero
