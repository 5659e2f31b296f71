// Test cases in the XML that CI systems read (JUnit's), and the gate's verdicts as such. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reports/report.h"

namespace hetero {

enum class JunitState : std::uint8_t { kPassed, kFailed, kSkipped };

struct JunitCase {
  std::string name;
  JunitState state = JunitState::kPassed;
  std::string message = {};  // why it failed or was skipped
  std::string details = {};  // what else there is to say; may be empty
};

struct JunitSuite {
  std::string name;
  std::vector<JunitCase> cases;
};

std::string junit_text(const std::vector<JunitSuite>& suites);

// A suite a plan, with a case for each bucket, and a suite of the samples' states. The gate has done its work whether
// it adopted a plan or kept the single device, so both pass; a bucket that it did not judge is skipped. What fails:
// samples with wrong results, a device that failed, and a plan whose devices have changed since.
std::vector<JunitSuite> junit_suites(const Report& report);
bool any_failed(const std::vector<JunitSuite>& suites);

}  // namespace hetero
