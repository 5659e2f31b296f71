// The page: what is on it, that nothing in it can be taken for markup or fetched, and the drawings' geometry.
#include "reports/html/render_html.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "reports/html/chart.h"
#include "reports/html/plan_picture.h"
#include "tests/reports/example_report.h"

namespace hetero {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }
std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

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
  const std::string page = render_html(report(), samples());
  for (const char* id : {"machine", "devices", "gate", "plan", "compute", "memory", "latency", "fit"}) {
    EXPECT_EQ(count(page, std::string("<section id=\"") + id + "\">"), 1u) << id;
    EXPECT_EQ(count(page, std::string("href=\"#") + id + "\""), 1u) << id;
  }
  EXPECT_EQ(count(page, "<figure>"), 8u);
  EXPECT_EQ(count(page, "<svg "), count(page, "<figure>"));
  EXPECT_EQ(count(page, "<details>"), count(page, "<figure>")) << "every drawing has its figures as a table";
  EXPECT_TRUE(has(page, "rejected, cpu:0 alone: it lost"));
  EXPECT_TRUE(has(page, "adopted: it won"));
  EXPECT_TRUE(has(page, "ffn_in, ffn_out: rows cpu:0 62 % + opencl:0@1 38 %"));
  EXPECT_TRUE(has(page, "prefers-color-scheme: dark"));
  EXPECT_TRUE(has(page, "@media print"));
  EXPECT_FALSE(has(page, "emulated"));
}

TEST(Html, FetchesNothingAndRunsNothing) {
  const std::string page = render_html(report(), samples());
  for (const char* part : {"<script", "http:", "https:", "src=", "url(", "@import", "<link", "<img", "onload"}) {
    EXPECT_FALSE(has(page, part)) << part;
  }
  EXPECT_TRUE(has(page, "content=\"default-src 'none'; style-src 'unsafe-inline'\""));
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
  const std::string page = render_html(r, c);
  EXPECT_FALSE(has(page, "<script"));
  EXPECT_FALSE(has(page, "</svg><")) << "only our own end of a drawing";
  EXPECT_TRUE(has(page, "&lt;/title&gt;&lt;/svg&gt;&lt;script&gt;alert(1)"));
}

TEST(Html, WhatIsEmulatedSaysSo) {
  Report r = report();
  make_emulated(r, "emulated");
  Characteristics c = samples();
  c.join_ns.push_back({"sim:x/npu", "poll", "", {5}});
  const std::string page = render_html(r, c);
  EXPECT_TRUE(has(page, "not hardware"));
  EXPECT_TRUE(has(page, "sim:x/npu (emulated) join by poll"));
  EXPECT_TRUE(has(page, "prefill 256, plan (emulated)"));
}

TEST(Html, AnEmptyDatabase) {
  const std::string page = render_html(Report{}, Characteristics{});
  EXPECT_TRUE(has(page, "No run is stored."));
  EXPECT_TRUE(has(page, "No plan is stored."));
  EXPECT_TRUE(has(page, "Nothing was measured that could be drawn here."));
  EXPECT_FALSE(has(page, "<svg"));
}

TEST(Chart, LogAxesAreEvenInRatios) {
  XyChart chart{"t", {"x", "", Scale::kLog}, {"y", "", Scale::kLog}, {}};
  chart.series.push_back({"", 0, SeriesStyle::kLine, {{1, 1}, {10, 10}, {100, 100}}});
  const std::string svg = svg_of(chart);
  const std::size_t at = svg.find("<path d=\"M");
  ASSERT_NE(at, std::string::npos) << svg;
  double x[3];
  double y[3];
  ASSERT_EQ(std::sscanf(svg.c_str() + at, "<path d=\"M%lf %lfL%lf %lfL%lf %lf", x, y, x + 1, y + 1, x + 2, y + 2), 6);
  EXPECT_NEAR(x[1] - x[0], x[2] - x[1], 0.11) << "one decimal is written";
  EXPECT_NEAR(y[0] - y[1], y[1] - y[2], 0.11);
  EXPECT_LT(x[0], x[1]);
  EXPECT_GT(y[0], y[1]) << "up is more";
}

TEST(Chart, WhatCannotBeDrawnIsLeftOut) {
  XyChart chart{"t", {"x", "", Scale::kLog}, {"y", "", Scale::kLog}, {}};
  chart.series.push_back({"s", 0, SeriesStyle::kPoints, {{0, 1}, {-1, 1}, {NAN, 1}, {1, INFINITY}}});
  EXPECT_EQ(svg_of(chart), "");
  chart.series[0].points.push_back({5, 5});
  const std::string svg = svg_of(chart);
  EXPECT_EQ(count(svg, "<circle"), 2u) << "the point, and the legend";
  EXPECT_FALSE(has(svg, "nan"));
  EXPECT_FALSE(has(svg, "inf"));
  EXPECT_EQ(svg_of(StripChart{}), "");
}

TEST(Chart, EverySampleOfAStripIsDrawn) {
  StripChart chart{"t", {"x", "ns", Scale::kLinear}, {{"row", 0, {1, 2, 3, 3}, 2.5}, {"none", 1, {}, std::nullopt}}};
  const std::string svg = svg_of(chart);
  EXPECT_EQ(count(svg, "<circle"), 4u);
  EXPECT_EQ(count(svg, "class=\"median\""), 1u);
  EXPECT_EQ(count(svg, "class=\"expected\""), 1u);
  EXPECT_TRUE(has(svg, "predicted 2.5"));
}

TEST(Chart, LongLabelsKeepTheirEnd) {
  const StripChart chart{
      "t", {"x", "", Scale::kLinear}, {{std::string(300, 'x') + " (emulated)", 0, {1}, std::nullopt}}};
  const std::string svg = svg_of(chart);
  EXPECT_TRUE(has(svg, ">... xxx")) << svg;
  EXPECT_TRUE(has(svg, "x (emulated)</text>")) << svg;
  EXPECT_FALSE(has(svg, std::string(47, 'x')));
}

TEST(Chart, EveryRangeHasTicks) {
  for (const Scale scale : {Scale::kLinear, Scale::kLog}) {
    for (const double low : {1e-9, 0.7, 1.0, 4.4, 9.9, 1234.0, 8e12}) {
      for (const double factor : {1.0, 1.0001, 1.3, 8.0, 1e3, 1e9}) {
        const StripChart chart{"t", {"x", "", scale}, {{"", 0, {low, low * factor}, std::nullopt}}};
        // The row's own line is a grid line too.
        EXPECT_GE(count(svg_of(chart), "class=\"grid\""), 2u) << low << " x " << factor;
        EXPECT_LE(count(svg_of(chart), "class=\"grid\""), 16u) << low << " x " << factor;
      }
    }
  }
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
