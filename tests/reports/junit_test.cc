// Verdicts as test cases, and text that XML must survive.
#include "reports/junit.h"

#include <gtest/gtest.h>

#include "reports/markup.h"
#include "tests/reports/example_report.h"

namespace hetero {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(Junit, TheGateDidItsWorkWhicheverItChose) {
  Report r = report();
  r.samples.erase(SampleStatus::kWrongResult);
  const std::vector<JunitSuite> suites = junit_suites(r);
  EXPECT_FALSE(any_failed(suites));
  const std::string xml = junit_text(suites);
  EXPECT_TRUE(has(xml, "<testsuite name=\"gate: Little_Model on cpu:0 + opencl:0@1\" tests=\"3\" failures=\"0\""))
      << xml;
  EXPECT_TRUE(has(xml, "<system-out>adopted: it won [times: measured]</system-out>")) << xml;
  EXPECT_TRUE(has(xml, "<system-out>cpu:0 alone: it lost [times: measured]</system-out>")) << xml;
}

TEST(Junit, WhatWasNotJudgedIsSkipped) {
  Report r = report();
  r.plans[0].plan.buckets[1].verdict.reset();
  EXPECT_TRUE(has(junit_text(junit_suites(r)), "<skipped message=\"the gate has not judged this bucket\"/>"));
}

TEST(Junit, WrongResultsAndChangedDevicesFail) {
  Report r = report();
  EXPECT_TRUE(any_failed(junit_suites(r))) << "the example has wrong results";
  EXPECT_TRUE(has(junit_text(junit_suites(r)), "<failure message=\"2 samples had a wrong result\"/>"));
  r.samples.erase(SampleStatus::kWrongResult);
  r.devices[1].profile.exact_fingerprint = "new driver";
  EXPECT_TRUE(any_failed(junit_suites(r)));
  EXPECT_TRUE(has(junit_text(junit_suites(r)), "<failure message=\"opencl:0@1 changed since the plan was made"));
}

TEST(Junit, AnEmptyDatabase) { EXPECT_FALSE(any_failed(junit_suites(Report{}))); }

TEST(Markup, IsEscaped) {
  EXPECT_EQ(escape_markup("<a href='x'>&\"</a>"), "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;");
  EXPECT_EQ(escape_markup(std::string("a\x01"
                                      "b\nc\x7f\0d",
                                      8)),
            "a b c  d")
      << "XML cannot hold these at all";
  EXPECT_EQ(escape_markup("bad \xff, good \xc3\xa4"), "bad \xef\xbf\xbd, good \xc3\xa4");
}

}  // namespace
}  // namespace hetero
