// What a hand-written Report looks like as Markdown and as JSON.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "reports/render_json.h"
#include "reports/render_markdown.h"
#include "tests/reports/example_report.h"

namespace hetero {
namespace {

// The first line that holds the text; empty: none.
std::string line_with(const std::string& text, const std::string& part) {
  const std::size_t at = text.find(part);
  if (at == std::string::npos) return "";
  const std::size_t begin = text.rfind('\n', at) == std::string::npos ? 0 : text.rfind('\n', at) + 1;
  return text.substr(begin, text.find('\n', at) - begin);
}
bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Bars that divide cells.
std::ptrdiff_t bars(const std::string& line) {
  std::ptrdiff_t count = 0;
  for (std::size_t i = 0; i < line.size(); ++i) count += line[i] == '|' && (i == 0 || line[i - 1] != '\\') ? 1 : 0;
  return count;
}

TEST(Markdown, SaysWhatWasMeasuredPredictedAndDecided) {
  const std::string text = render_markdown(report());
  EXPECT_TRUE(has(text, "- Machine: Some CPU, host box\n")) << text;
  EXPECT_TRUE(has(text, "- Latest run: 7 (of 1 run), 2026-01-02T03:04:05Z, done, 12 samples, load average 0.50\n"))
      << text;
  EXPECT_TRUE(has(text, "- Samples: 12 (10 ok, 2 wrong_result)\n")) << text;
  const std::string cpu = line_with(text, "| cpu:0 |");
  EXPECT_TRUE(has(cpu, "| measured | 12.2 (MAD 2.0 %, 7 samples) | 9.5 (MAD 2.0 %, 7 samples) with opencl:0@1 |"))
      << cpu;
  EXPECT_TRUE(has(cpu, "1.50 us (MAD")) << cpu;
  EXPECT_TRUE(has(cpu, "800 ns (MAD 2.0 %, 7 samples) poll |")) << cpu << ": the fastest waiter is the one to show";
  EXPECT_TRUE(has(text, "## Plan: Little_Model on cpu:0 + opencl:0@1\n")) << text;
  const std::string prefill = line_with(text, "| prefill 256 |");
  EXPECT_TRUE(has(prefill, "ffn_in, ffn_out: rows cpu:0 62 % + opencl:0@1 38 %; head: single cpu:0")) << prefill;
  EXPECT_TRUE(has(prefill, "| 100 ms | 110 ms, 2327.3 tok/s (MAD 1.0 %, 3 samples) | cpu:0: 200 ms, 1280.0 tok/s"))
      << prefill;
  EXPECT_TRUE(has(prefill, "| +10.0 % |")) << prefill;
  const std::string decode = line_with(text, "| decode |");
  EXPECT_TRUE(has(decode, "| all blocks: single cpu:0 | 9.00 ms | 12.0 ms")) << decode;
  EXPECT_TRUE(has(text, "- prefill 256: **adopted**: it won; 0.55 x the time of cpu:0.\n")) << text;
  EXPECT_TRUE(has(text, "- decode: **cpu:0 alone**: it lost; 1.20 x the time of cpu:0.\n")) << text;
  EXPECT_FALSE(has(text, "emulated"));
  EXPECT_FALSE(has(text, "Changed since"));
}

TEST(Markdown, AVerdictIsSaidOnce) {
  Report r = report();
  PlanBucket::Verdict& verdict = *r.plans.back().plan.buckets.front().verdict;
  verdict.adopted = false;
  verdict.reason = verdict.best_single + " alone stays: the plan is slower";
  const std::string text = render_markdown(r);
  EXPECT_TRUE(has(text, "**" + verdict.best_single + " alone** stays: the plan is slower; ")) << text;
}

TEST(Markdown, EveryTableRowHasTheColumnsOfItsHead) {
  Report r = report();
  r.devices[1].profile.driver = "a|b\nc\\|d";
  const std::string text = render_markdown(r);
  EXPECT_EQ(bars(line_with(text, "| device |")), 9);
  EXPECT_EQ(bars(line_with(text, "| cpu:0 |")), 9);
  EXPECT_EQ(bars(line_with(text, "| opencl:0@1 | cpu |")), 9) << line_with(text, "| opencl:0@1 | cpu |");
  EXPECT_EQ(bars(line_with(text, "| bucket |")), 7);
  EXPECT_EQ(bars(line_with(text, "| prefill 256 |")), 7);
}

TEST(Markdown, TextOfOthersIsNoMarkup) {
  EXPECT_EQ(escape_markdown("a|b"), "a\\|b");
  EXPECT_EQ(escape_markdown("a\\|b"), "a\\\\\\|b") << "a backslash before a bar must not free the bar";
  EXPECT_EQ(escape_markdown("<img src=x>&amp;"), "&lt;img src=x&gt;&amp;amp;");
  EXPECT_EQ(escape_markdown("one\ntwo\r\tthree"), "one two  three");
  EXPECT_EQ(escape_markdown("`*[x](y)"), "\\`\\*\\[x\\](y)");
  EXPECT_EQ(escape_markdown("ffn_in _x_"), "ffn_in \\_x\\_");
  EXPECT_EQ(escape_markdown("opencl:0@1"), "opencl:0@1");
  EXPECT_EQ(escape_markdown("by @team"), "by @&#8203;team");
  EXPECT_EQ(escape_markdown("Gr\xc3\xb6\xc3\x9f"
                            "e"),
            "Gr\xc3\xb6\xc3\x9f"
            "e");
  EXPECT_TRUE(has(render_markdown(report()), "- Command: hetero-tune run \\| tee &lt;log&gt;\n"));
}

TEST(Markdown, WhatIsNotHardwareSaysSo) {
  for (const std::string manner : {"emulated", "simulated"}) {
    Report r = report();
    make_emulated(r, manner);
    const std::string text = render_markdown(r);
    EXPECT_TRUE(has(line_with(text, "| sim:x/npu |"), "| **" + manner + "** |")) << text;
    EXPECT_FALSE(has(line_with(text, "| sim:x/npu |"), "measured")) << text;
    EXPECT_TRUE(has(text, "**Not hardware:** sim:x/npu.")) << text;
    EXPECT_TRUE(has(line_with(text, "| prefill 256 |"), ", " + manner + ")"))
        << "the time of a plan with such a device";
    EXPECT_FALSE(has(line_with(text, "| decode |"), manner)) << "the others were measured";
    EXPECT_TRUE(has(line_with(text, "- prefill 256:"), ": it won; 0.55 x the time of cpu:0 (**" + manner + "**)."))
        << text;
    EXPECT_FALSE(has(line_with(text, "- decode:"), manner)) << text;
  }
}

TEST(Markdown, OtherProvenancesAreNamed) {
  Report r = report();
  r.devices[0].profile.launch_ns = {700, 0, Provenance::kPublished, "a paper"};
  r.devices[0].profile.bandwidth_gbps = {};
  const std::string line = line_with(render_markdown(r), "| cpu:0 |");
  EXPECT_TRUE(has(line, "| **published** | - |")) << line;
  EXPECT_TRUE(has(line, "| 700 ns (a paper) |")) << line;
  EXPECT_TRUE(has(line, "800 ns (measured, MAD")) << line;
}

TEST(Markdown, NoErrorOfPredictionWhereOtherRowsWereTimed) {
  Report r = report();
  r.plans[0].gate[1].plan->rows = 128;
  const std::string line = line_with(render_markdown(r), "| prefill 256 |");
  EXPECT_TRUE(has(line, "at 128 rows")) << line;
  EXPECT_TRUE(line.ends_with("| - |")) << line;
}

TEST(Markdown, NoRatioWhereNothingWasCompared) {
  Report r = report();
  r.plans[0].gate[0] = {};
  r.plans[0].plan.buckets[1].verdict.reset();
  const std::string text = render_markdown(r);
  EXPECT_TRUE(has(text, "- decode: **cpu:0 alone**: it lost.\n")) << text;
  EXPECT_TRUE(has(text, "- prefill 256: not judged.\n")) << text;
}

TEST(Markdown, ADeviceThatHasChangedIsNamed) {
  Report r = report();
  r.devices.push_back(r.devices[1]);
  r.devices.back().profile.exact_fingerprint = "new driver";
  EXPECT_TRUE(has(render_markdown(r), "**Changed since the plan was made: opencl:0@1.**"));
  std::swap(r.devices[1], r.devices[2]);  // the plan's own profile is the latest again
  EXPECT_FALSE(has(render_markdown(r), "Changed since"));
}

TEST(Markdown, EmptyReportsSayWhatToDo) {
  Report r;
  r.database = "empty.db";
  const std::string text = render_markdown(r);
  EXPECT_TRUE(has(text, "No run is stored. `hetero-tune run")) << text;
  EXPECT_TRUE(has(text, "No profile is stored.")) << text;
  EXPECT_TRUE(has(text, "No plan is stored.")) << text;
  const nlohmann::json json = nlohmann::json::parse(render_json(r));
  EXPECT_TRUE(json["runs"].empty() && json["devices"].empty() && json["plans"].empty());
}

TEST(Markdown, AtMostSixtyLinesWhateverIsStored) {
  Report r = report();
  make_emulated(r, "emulated");
  r.runs.resize(500, r.runs[0]);
  for (int i = 0; i < 30; ++i) {
    Store::ProfileRow row = r.devices.back();
    row.profile.device += std::to_string(i);
    r.devices.push_back(row);
  }
  PlanReport& plan = r.plans[0];
  plan.plan.device_fingerprints["cpu:0"] = "before";
  for (int layer = 0; layer < 60; ++layer) {
    BlockPlan block = rows(BlockKind::kFfnIn, 0.01 + 0.01 * layer);
    block.layer = layer;
    plan.plan.buckets[0].blocks.push_back(block);
  }
  plan.plan.buckets[0].verdict->reason = "several\nlines\nof " + std::string(5000, 'x');
  for (int i = 0; i < 40; ++i) {
    plan.plan.buckets.push_back(plan.plan.buckets[1]);
    plan.gate.push_back(plan.gate[1]);
  }
  r.plans.resize(20, plan);
  const std::string text = render_markdown(r);
  EXPECT_LE(std::count(text.begin(), text.end(), '\n'), kMostMarkdownLines) << text;
  EXPECT_TRUE(text.ends_with("\n"));
  EXPECT_TRUE(has(text, "25 older profiles left out.")) << text;
  EXPECT_TRUE(has(text, "33 more buckets left out.")) << text;
  EXPECT_TRUE(has(text, "19 other plans: ")) << text;
  EXPECT_TRUE(has(line_with(text, "| decode |"), "ffn_in of 1 layer: rows cpu:0 ")) << text;
  EXPECT_TRUE(has(line_with(text, "| decode |"), "; 57 more |")) << text;
}

TEST(Json, HoldsTheReport) {
  const nlohmann::json json = nlohmann::json::parse(render_json(report()));
  EXPECT_EQ(json["schema"], "hetero.report");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["database"], "my.db");
  EXPECT_EQ(json["model_fingerprint"], nullptr);
  EXPECT_EQ(json["runs"][0]["cpu"], "Some CPU");
  EXPECT_EQ(json["runs"][0]["outcome"], "done");
  EXPECT_EQ(json["samples"]["total"], 12);
  EXPECT_EQ(json["samples"]["by_status"]["wrong_result"], 2);
  const nlohmann::json& cpu = json["devices"][0];
  EXPECT_EQ(cpu["id"], "cpu:0");
  EXPECT_EQ(cpu["times"], "measured");
  EXPECT_EQ(cpu["bandwidth_gbps"]["value"], 12.25);
  EXPECT_EQ(cpu["bandwidth_gbps"]["provenance"], "measured");
  EXPECT_EQ(cpu["best_waiter"], "poll");
  EXPECT_EQ(json["devices"][1]["name"], "Other | name") << "Markdown's escapes stay in Markdown";
  const nlohmann::json& plan = json["plans"][0];
  EXPECT_EQ(plan["model"]["name"], "Little_Model");
  const nlohmann::json& decode = plan["buckets"][0];
  EXPECT_EQ(decode["predicted_ns"], 9e6);
  EXPECT_NEAR(decode["prediction_error"].get<double>(), 12.0 / 9 - 1, 1e-12);
  EXPECT_EQ(decode["verdict"]["adopted"], false);
  const nlohmann::json& prefill = plan["buckets"][1];
  EXPECT_EQ(prefill["phase"], "prefill");
  EXPECT_EQ(prefill["tokens"], 256);
  EXPECT_EQ(prefill["blocks"][0]["strategy"], "rows");
  EXPECT_EQ(prefill["blocks"][0]["features"][1]["device"], "opencl:0@1");
  EXPECT_NEAR(prefill["prediction_error"].get<double>(), 0.1, 1e-12);
  EXPECT_EQ(prefill["gate"]["single"]["median_ns"], 200e6);
  EXPECT_EQ(prefill["gate"]["plan"]["samples_ns"].size(), 3u);
  EXPECT_EQ(prefill["gate"]["plan"]["times"], "measured");
  EXPECT_EQ(prefill["verdict"]["reason"], "it won");
}

TEST(Json, NoFigureOfAnEmulatedDeviceIsMeasured) {
  Report r = report();
  make_emulated(r, "emulated");
  const nlohmann::json json = nlohmann::json::parse(render_json(r));
  EXPECT_EQ(json["devices"][2]["times"], "emulated");
  EXPECT_FALSE(has(json["devices"][2].dump(), "measured")) << json["devices"][2];
  EXPECT_EQ(json["devices"][2]["join_ns"]["driver"]["provenance"], "simulated");
  EXPECT_EQ(json["plans"][0]["buckets"][1]["gate"]["plan"]["times"], "emulated");
  EXPECT_EQ(json["plans"][0]["buckets"][1]["gate"]["single"]["times"], "measured");
}

TEST(Json, TextThatIsNotUtf8IsWrittenAllTheSame) {
  Report r = report();
  r.devices[0].profile.name = "bad \xff name";
  EXPECT_EQ(nlohmann::json::parse(render_json(r))["devices"][0]["name"], "bad \xef\xbf\xbd name");
}

}  // namespace
}  // namespace hetero
