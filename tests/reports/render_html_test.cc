// The page: what is on it, that nothing in it can be taken for markup or fetched, what reaches the charts, and the plan
// picture's geometry. What a browser makes of it is scripts/check_report.py's to see.
#include "reports/html/render_html.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "reports/html/chart.h"
#include "reports/html/plan_picture.h"
#include "tests/reports/example_report.h"
#include "tests/support/text.h"

namespace hetero {
namespace {

Characteristics samples() {
  Characteristics c;
  for (const char* device : {"cpu:0", "opencl:0@1"}) {
    for (const std::int64_t m : {1, 32, 256}) {
      OpSamples s;
      s.device = device;
      s.op = {.kind = OpKind::kMatmul, .m = m, .n = 1024, .k = 512, .w = DType::kQ4_0};
      s.samples_ns = {1e5 * static_cast<double>(m), 1.1e5 * static_cast<double>(m)};
      s.fitted_ns = 1e5 * static_cast<double>(m);
      c.ops.push_back(s);
    }
    c.bandwidth_gbps.push_back({device, "stream", "", {10, 11, 12}});
    c.launch_ns.push_back({device, "launch", "", {500, 600}});
    c.join_ns.push_back({device, "poll", "", {900, 800, 5000}});
  }
  c.bandwidth_gbps.push_back({"cpu:0", "stream", "opencl:0@1", {7, 8}});
  c.graph_compile_ns.push_back({"cpu:0", "matmul m=32 n=1024 k=512 w=q4_0 a=f32", "", {5e6}});
  return c;
}

TEST(Html, ShowsEverySectionWithItsFiguresAsATable) {
  const std::string page = render_html(report(), samples(), {});
  for (const char* id : {"machine", "devices", "gate", "plan", "compute", "memory", "latency", "prediction"}) {
    EXPECT_EQ(count(page, std::string("<section id=\"") + id + "\">"), 1u) << id;
    EXPECT_EQ(count(page, std::string("href=\"#") + id + "\""), 1u) << id;
  }
  EXPECT_EQ(count(page, "<figure>"), 11u);
  EXPECT_EQ(count(page, "<svg ") + count(page, "<canvas "), 12u) << "decode and prefill of the gate share a table";
  EXPECT_EQ(count(page, "<details open><summary>The figures as a table"), count(page, "<figure>"))
      << "open until a script folds them: without scripts they are all there is";
  EXPECT_EQ(count(page, "<canvas role=\"img\" tabindex=\"0\" aria-label=\""), count(page, "<canvas "));
  EXPECT_TRUE(has(page, "rejected, cpu:0 alone: it lost"));
  EXPECT_TRUE(has(page, "adopted: it won"));
  EXPECT_TRUE(has(page, "ffn_in, ffn_out: rows cpu:0 62 % + opencl:0@1 38 %"));
  EXPECT_TRUE(has(page, "prefers-color-scheme: dark"));
  EXPECT_TRUE(has(page, "@media print"));
  EXPECT_FALSE(has(page, "emulated"));
}

// The page without the text of its scripts and of the licence.
std::string markup_of(std::string page) {
  for (const auto& [begin, end] : {std::pair("<script>", "</script>"), std::pair("<pre>", "</pre>")}) {
    for (std::size_t at = page.find(begin); at != std::string::npos; at = page.find(begin, at + 1)) {
      const std::size_t text = at + std::string(begin).size();
      page.erase(text, page.find(end, text) - text);
    }
  }
  return page;
}

TEST(Html, FetchesNothingAndRunsItsOwnScriptsOnly) {
  const std::string page = render_html(report(), samples(), {});
  const std::string markup = markup_of(page);
  for (const char* part : {"http:", "https:", "src=", "url(", "@import", "<link", "<img", "onload", "<iframe"}) {
    EXPECT_FALSE(has(markup, part)) << part;
  }
  EXPECT_EQ(count(page, "<script>"), 2u) << "Chart.js and page.js";
  EXPECT_TRUE(has(page, "Chart.js v"));
  EXPECT_TRUE(has(page, "Permission is hereby granted")) << "its licence";
  // default-src 'none' forbids every connection; a script is allowed by its hash, 32 bytes in base 64.
  const std::size_t at = page.find("content=\"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-");
  ASSERT_NE(at, std::string::npos);
  const std::string policy = page.substr(at, page.find("\">", at) - at);
  EXPECT_EQ(count(policy, "'sha256-"), 2u) << policy;
  EXPECT_EQ(count(policy, "='"), 2u) << policy;
  EXPECT_EQ(count(policy, "unsafe"), 1u) << policy;
  const std::size_t hash = policy.find("'sha256-") + 8;
  EXPECT_EQ(policy.find("' ", hash) - hash, 44u) << policy;
}

TEST(Html, NamesCannotBecomeMarkup) {
  Report r = report();
  const std::string evil = "</title></svg><script>alert(1)</script>\"'&";
  r.database = r.runs[0].info.cpu = r.runs[0].info.command = r.plans[0].model_name = evil;
  r.devices[0].profile.name = r.devices[0].profile.driver = evil;
  r.plans[0].plan.buckets[0].verdict->reason = evil;
  r.plans[0].plan.devices[0] = r.plans[0].gate[0].single->devices[0] = evil;
  r.plans[0].plan.buckets[0].blocks[0].features[0].device = evil;
  Characteristics c = samples();
  for (OpSamples& s : c.ops) {
    if (s.device == "cpu:0") s.device = evil;
  }
  c.join_ns[0].subject = evil;
  const std::string page = render_html(r, c, {});
  EXPECT_FALSE(has(page, "<script>alert"));
  EXPECT_EQ(count(page, "<script"), count(page, "</script>")) << "nothing of theirs ends the data of a chart";
  EXPECT_EQ(count(page, "<script type=\"application/json\">"), count(page, "<canvas "));
  EXPECT_FALSE(has(page, "</svg><")) << "only our own end of a drawing";
  EXPECT_TRUE(has(page, "&lt;/title&gt;&lt;/svg&gt;&lt;script&gt;alert(1)"));
}

TEST(Html, WhatIsEmulatedSaysSo) {
  Report r = report();
  make_emulated(r, "emulated");
  Characteristics c = samples();
  c.join_ns.push_back({"sim:x/npu", "poll", "", {5}});
  const std::string page = render_html(r, c, {});
  EXPECT_TRUE(has(page, "not hardware"));
  EXPECT_TRUE(has(page, "sim:x/npu (emulated) join by poll"));
  EXPECT_TRUE(has(page, "prefill 256, plan (emulated)"));
}

TEST(Html, AnEmptyDatabase) {
  const std::string page = render_html(Report{}, Characteristics{}, {});
  EXPECT_TRUE(has(page, "No run is stored."));
  EXPECT_TRUE(has(page, "No plan is stored."));
  EXPECT_TRUE(has(page, "Nothing was measured that could be drawn here."));
  EXPECT_FALSE(has(page, "<svg"));
  EXPECT_FALSE(has(page, "<canvas "));
}

// What page.js gets to draw.
nlohmann::json data_of(const std::string& html) {
  const std::string begin = "<script type=\"application/json\">";
  const std::size_t at = html.find(begin);
  if (at == std::string::npos) return nullptr;
  const std::size_t text = at + begin.size();
  return nlohmann::json::parse(html.substr(text, html.find("</script>", text) - text));
}

TEST(Chart, SeriesReachTheScriptAsTheyAre) {
  XyChart chart{"t", {"x", "", Scale::kLog}, {"y", "ns", Scale::kLinear}, {}};
  chart.series.push_back({"s", 9, SeriesStyle::kStepsFrom, {{1, 0.25, "first </script>"}, {10, -3}}});
  chart.series.push_back({"none", 0, SeriesStyle::kLine, {}});
  const nlohmann::json data = data_of(html_of(chart));
  EXPECT_EQ(data["kind"], "xy");
  EXPECT_EQ(data["x"], nlohmann::json({{"title", "x"}, {"unit", ""}, {"log", true}}));
  EXPECT_EQ(data["y"]["unit"], "ns");
  ASSERT_EQ(data["series"].size(), 1u) << "an empty series has no place in the legend";
  EXPECT_EQ(data["series"][0]["colour"], 1) << "9 modulo 8";
  EXPECT_EQ(data["series"][0]["style"], "steps_from");
  EXPECT_EQ(data["series"][0]["points"][0], nlohmann::json({1, 0.25, "first </script>"}));
  EXPECT_EQ(data["series"][0]["points"][1], nlohmann::json({10, -3}));
}

TEST(Chart, WhatCannotBeDrawnIsLeftOut) {
  XyChart chart{"t", {"x", "", Scale::kLog}, {"y", "", Scale::kLog}, {}};
  chart.series.push_back({"s", 0, SeriesStyle::kPoints, {{0, 1}, {-1, 1}, {NAN, 1}, {1, INFINITY}}});
  EXPECT_EQ(html_of(chart), "");
  chart.series[0].points.push_back({5, 5});
  EXPECT_EQ(data_of(html_of(chart))["series"][0]["points"].size(), 1u);
  EXPECT_EQ(html_of(StripChart{}), "");
  EXPECT_EQ(html_of(BarChart{}), "");
  EXPECT_EQ(html_of(BarChart{"t", {"a"}, {}, {{"s", 0, {std::nullopt}}}}), "");
}

TEST(Chart, EverySampleOfAStripIsThere) {
  const StripChart chart{
      "t", {"x", "ns", Scale::kLinear}, {{"row", 0, {1, 2, 3, 3, NAN}, 2.5}, {"none", 1, {}, std::nullopt}}};
  const nlohmann::json rows = data_of(html_of(chart))["rows"];
  ASSERT_EQ(rows.size(), 2u) << "a row without samples keeps its place";
  EXPECT_EQ(rows[0]["values"], nlohmann::json({1, 2, 3, 3}));
  EXPECT_EQ(rows[0]["median"], 2.5);
  EXPECT_EQ(rows[0]["expected"], 2.5);
  EXPECT_FALSE(rows[1].contains("median"));
}

TEST(Chart, BarsWithoutAValueStayEmpty) {
  const BarChart chart{"t", {"a", "b"}, {"x", "", Scale::kLinear}, {{"s", 2, {1.5, std::nullopt}}}};
  const nlohmann::json data = data_of(html_of(chart));
  EXPECT_EQ(data["categories"], nlohmann::json({"a", "b"}));
  EXPECT_EQ(data["series"][0]["values"], nlohmann::json({1.5, nullptr}));
}

// The widths of the coloured boxes of a block, in order of drawing.
std::vector<double> widths(const std::string& svg, const std::string& title) {
  std::vector<double> found;
  for (std::size_t end = svg.find(title); end != std::string::npos; end = svg.find(title, end + 1)) {
    const std::size_t begin = svg.rfind("width=\"", end);
    found.push_back(std::stod(svg.substr(begin + 7)));
  }
  return found;
}

TEST(PlanPicture, BoxesAreAsWideAsTheShares) {
  const Plan plan = report().plans[0].plan;
  const std::string svg = plan_picture(plan, {{"cpu:0", 0}, {"opencl:0@1", 1}}, 0);
  const std::vector<double> ffn = widths(svg, "<title>ffn_in: rows");
  ASSERT_EQ(ffn.size(), 2u);
  EXPECT_NEAR(ffn[0] / (ffn[0] + ffn[1]), 0.62, 0.002);
  EXPECT_EQ(widths(svg, "<title>head: single").size(), 1u);
}

TEST(PlanPicture, LayersThatAreDividedOtherwiseAreSeen) {
  Plan plan = report().plans[0].plan;
  plan.buckets.erase(plan.buckets.begin());
  BlockPlan other = single(BlockKind::kFfnIn, "opencl:0@1");
  for (other.layer = 0; other.layer < 3; ++other.layer) plan.buckets[0].blocks.push_back(other);
  const std::string svg = plan_picture(plan, {}, 12);
  const std::vector<double> usual = widths(svg, "<title>ffn_in: rows");
  const std::vector<double> odd = widths(svg, "<title>ffn_in: single");
  ASSERT_EQ(usual.size(), 2u);
  ASSERT_EQ(odd.size(), 1u);
  EXPECT_NEAR(odd[0] / (odd[0] + usual[0] + usual[1]), 3.0 / 12, 0.002) << "three of twelve layers";
  EXPECT_TRUE(has(svg, ">rows, single</text>"));
}

}  // namespace
}  // namespace hetero
