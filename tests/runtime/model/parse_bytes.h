// Helpers to parse files that tests make in memory, and to look at the Error that a call throws.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "runtime/model/gguf.h"

namespace hetero::test {

// A parsed file with the bytes that it borrows, in a block of exactly their size so that sanitizers see every overrun.
class ParsedBytes {
 public:
  explicit ParsedBytes(std::string_view bytes) : bytes_(new std::byte[bytes.size()]) {
    std::memcpy(bytes_.get(), bytes.data(), bytes.size());
    file_ = GgufFile::parse(bytes_.get(), bytes.size());
  }
  const GgufFile& operator*() const { return *file_; }
  const GgufFile* operator->() const { return file_.get(); }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  std::unique_ptr<GgufFile> file_;
};

// What the Error says; fails when none is thrown or its code is not `code`.
template <typename F>
std::string message_of(F&& call, ExitCode code = ExitCode::kUnusableInput) {
  try {
    std::forward<F>(call)();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.code()), static_cast<int>(code)) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "an error is one line";
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return "";
}

inline bool says(const std::string& message, const std::string& part) { return message.find(part) != message.npos; }
#define EXPECT_SAYS(message, part) EXPECT_PRED2(::hetero::test::says, message, std::string(part))

}  // namespace hetero::test
