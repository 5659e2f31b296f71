// One op with random operands in an arena: run on an OpenCL device through the Device interface, and by the reference.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/device/device.h"
#include "tests/compare.h"

namespace hetero::test {

struct ClCase {
  OpDesc desc;
  OpConstants constants;
  std::int64_t position = 0;
  std::int64_t n0 = 0;  // matmul: the slice begins at this weight row ...
  std::int64_t k0 = 0;  // ... and this column
  enum class Residual { kNone, kSeparate, kAliased } residual = Residual::kNone;
  std::int64_t column = 0;  // of the regions in their tensors
  bool factors = false;     // rope: with factors
};

// "" when there is no OpenCL device here and the test should be skipped; else the id of the first CPU device.
std::string cl_test_device();

// Opens it with this request. `timeline` outlives the device.
std::unique_ptr<Device> open_cl(const std::string& spec, Timeline& timeline, const std::string& forced_variant = "",
                                const std::string& cache_dir = "", const ParamValues& params = {});

// Attaches an arena of its own, runs the case once and compares with the reference: "" when all is well. Everything in
// the arena outside of the output must be unchanged.
std::string run_case(Device& device, Timeline& timeline, const ClCase& c, ToleranceClass tolerance);

// Waits as a program does; throws the ticket's Error.
void finish(Timeline& timeline, Ticket& ticket);

}  // namespace hetero::test
