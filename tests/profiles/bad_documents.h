// What every reader of documents must survive: each is fed a valid document cut, bent and renamed.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "base/error.h"
#include "base/rng.h"

namespace hetero {

// The reader must throw input_error; an answer or another exception is a failure.
inline void expect_refused(const std::function<void(const std::string&)>& read, const std::string& text,
                           const std::string& what) {
  try {
    read(text);
    ADD_FAILURE() << what << " was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnusableInput) << what << ": " << error.what();
  }
}

inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << "the document has no " << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

inline void expect_sturdy(const std::function<void(const std::string&)>& read, const std::string& valid) {
  ASSERT_NO_THROW(read(valid));
  // The last two characters are the closing brace and a newline.
  for (std::size_t length = 0; length + 2 < valid.size(); ++length) {
    expect_refused(read, valid.substr(0, length), "the first " + std::to_string(length) + " characters");
  }
  expect_refused(read, replaced(valid, "\"version\": 1", "\"version\": 2"), "a newer version");
  expect_refused(read, replaced(valid, "\"version\": 1", "\"version\": \"1\""), "a version that is a text");
  expect_refused(read, replaced(valid, "\"schema\": \"hetero.", "\"schema\": \"other."), "another schema");
  expect_refused(read, "[]", "an array");
  expect_refused(read, "null", "null");
  expect_refused(read, std::string(100000, '['), "deep nesting");
  EXPECT_NO_THROW(read(replaced(valid, "\"version\": 1", "\"version\": 1, \"from_the_future\": {\"x\": [1]}")));

  // Random bytes in random places: an answer is allowed, an Error too, nothing else.
  constexpr std::uint64_t kSeed = 20;
  Rng rng(kSeed);
  for (int round = 0; round < 2000; ++round) {
    std::string bent = valid;
    for (std::uint64_t i = 0; i <= rng.below(3); ++i) bent[rng.below(bent.size())] = static_cast<char>(rng.below(256));
    try {
      read(bent);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUnusableInput) << "seed " << kSeed << " round " << round;
    }
  }
}

}  // namespace hetero
