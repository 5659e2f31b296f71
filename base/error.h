// The one exception type of the project, and the exit codes of its programs.
//
// Thrown for what depends on a file, a driver, the hardware or the user; caught at the program's boundary.
// "Cannot do that" is a value with a reason (see kernels/variant.h), never an Error.
#pragma once

#include <stdexcept>
#include <string>

namespace hetero {

// The exit code a program ends with. The numbers are part of the command-line contract.
enum class ExitCode {
  kDone = 0,
  kCheckFailed = 1,   // a check failed or a regression was found
  kUsage = 2,         // flags or arguments
  kEnvironment = 3,   // no device, driver, file, space or permission
  kUnusableInput = 4  // model, plan or database that cannot be used
};

class Error : public std::runtime_error {
 public:
  // `what` is one line; `remedy` says what the user can do about it (may be empty).
  Error(ExitCode code, const std::string& what, const std::string& remedy = "")
      : std::runtime_error(remedy.empty() ? what : what + "; " + remedy), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

inline Error usage_error(const std::string& what, const std::string& remedy = "") {
  return Error(ExitCode::kUsage, what, remedy);
}
inline Error environment_error(const std::string& what, const std::string& remedy = "") {
  return Error(ExitCode::kEnvironment, what, remedy);
}
inline Error input_error(const std::string& what, const std::string& remedy = "") {
  return Error(ExitCode::kUnusableInput, what, remedy);
}

}  // namespace hetero
