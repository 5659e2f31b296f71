// A Comparison in its four forms.
#include "reports/render_compare.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/render_markdown.h"

namespace hetero {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

Benchmark timed(const std::string& name, double centre) {
  Benchmark b{name, "ns", Direction::kTime, {}};
  for (int i = 0; i < 10; ++i) b.samples.push_back(centre + i);
  return b;
}

// Two benchmarks that are alike, then one that is slower.
Comparison comparison(int alike = 2) {
  BenchmarkSet a{"before | <a>", {}, {}, {}};
  BenchmarkSet b{"after", {}, {}, {}};
  for (int i = 0; i < alike; ++i) {
    a.benchmarks.push_back(timed("same " + std::to_string(i), 1000));
    b.benchmarks.push_back(timed("same " + std::to_string(i), 1000));
  }
  a.benchmarks.push_back(timed("worse <b> & \"c\"", 1000));
  b.benchmarks.push_back(timed("worse <b> & \"c\"", 1500));
  b.benchmarks.push_back(timed("new", 5));
  return compare(a, b, {});
}

TEST(CompareText, SaysWhatWasFoundAndHow) {
  const std::string text = render_text(comparison());
  EXPECT_TRUE(has(text, "1 slower, 0 faster, 2 where no difference of more than 3 % was found")) << text;
  EXPECT_TRUE(has(text, "Mann-Whitney U, p adjusted by Holm over the table, level 0.01")) << text;
  EXPECT_TRUE(has(text, "1.498")) << text;
}

TEST(CompareMarkdown, WhatDiffersComesFirstAndThereAreAtMostSixtyLines) {
  const std::string text = render_markdown(comparison());
  const std::size_t worse = text.find("| worse &lt;b&gt; &amp; \"c\" |");
  ASSERT_NE(worse, std::string::npos) << text;
  EXPECT_LT(worse, text.find("| same 0 |"));
  EXPECT_TRUE(has(text, "| **slower** |")) << text;
  EXPECT_TRUE(has(text, "- A: before \\| &lt;a&gt;\n")) << text;
  Comparison many = comparison(500);
  many.warnings.resize(100, "something");
  const std::string cut = render_markdown(many);
  EXPECT_LE(std::count(cut.begin(), cut.end(), '\n'), kMostMarkdownLines) << cut;
  EXPECT_TRUE(has(cut, "466 more benchmarks left out")) << cut;
  EXPECT_TRUE(has(cut, "**slower**")) << cut;
}

TEST(CompareJson, HoldsTheTable) {
  const nlohmann::json json = nlohmann::json::parse(render_json(comparison()));
  EXPECT_EQ(json["schema"], "hetero.compare");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["regressions"], 1);
  EXPECT_EQ(json["benchmarks"].size(), 4u);
  const nlohmann::json& worse = json["benchmarks"][2];
  EXPECT_EQ(worse["name"], "worse <b> & \"c\"");
  EXPECT_EQ(worse["finding"], "slower");
  EXPECT_EQ(worse["a"]["samples"], 10);
  EXPECT_EQ(worse["a"]["median"], 1004.5);
  EXPECT_GT(worse["time_ratio"]["low"], 1.4);
  EXPECT_LE(worse["p"], worse["p_adjusted"]);
  EXPECT_EQ(json["benchmarks"][3]["a"], nullptr);
  EXPECT_EQ(json["benchmarks"][3]["time_ratio"], nullptr);
}

TEST(CompareJunit, ARegressionIsAFailure) {
  const std::string xml = render_junit(comparison());
  EXPECT_TRUE(has(xml, "tests=\"4\" failures=\"1\" skipped=\"1\"")) << xml;
  EXPECT_TRUE(has(xml, "name=\"worse &lt;b&gt; &amp; &quot;c&quot;\"")) << xml;
  EXPECT_TRUE(has(xml, "<failure message=\"B takes 49.")) << xml;
  EXPECT_TRUE(has(xml, "<skipped message=\"only in B\"/>")) << xml;
}

}  // namespace
}  // namespace hetero
