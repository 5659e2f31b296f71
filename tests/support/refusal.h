// What every program does with wrong input: one line on stderr that begins with "error: ", nothing on stdout, the
// documented exit code.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "tests/support/program.h"

namespace hetero::test {

inline void expect_refusal(const std::string& program, const std::string& arguments, int code) {
  const Finished run = run_line(program, arguments);
  EXPECT_EQ(run.exit_code, code) << arguments << "\n" << run.err;
  EXPECT_EQ(run.out, "") << arguments;
  EXPECT_EQ(run.err.rfind("error: ", 0), 0U) << arguments << "\n" << run.err;
  EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << arguments << "\n" << run.err;
}

}  // namespace hetero::test
