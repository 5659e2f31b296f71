// What stands beside the database: recorded searches, benchmark rows, the picture of a trace.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "reports/html/render_html.h"
#include "reports/html/timeline.h"
#include "reports/rates.h"
#include "reports/render_markdown.h"
#include "reports/search_record.h"
#include "tests/reports/example_report.h"
#include "tests/support/text.h"

namespace hetero {
namespace {

constexpr const char* kSearch = R"({"schema_version": "1.0.0",
  "metadata": {"kernel_name": "k#1, op", "device_name": "opencl:0", "driver": "d"},
  "results": [
   {"configuration": {"tile": 4, "way": "wide"}, "objectives": ["time"], "invalidity": "correct",
    "measurements": [{"name": "time", "value": 2.5, "unit": "ms"}]},
   {"configuration": {"tile": 8, "way": "<b>"}, "objectives": ["time"], "invalidity": "compile", "measurements": []},
   {"configuration": {"tile": 2, "way": "wide"}, "objectives": ["time"], "invalidity": "correct",
    "measurements": [{"name": "time", "value": 1500, "unit": "us"}]},
   {"configuration": {"tile": 1, "way": "wide"}, "objectives": ["time"], "invalidity": "correct",
    "measurements": [{"name": "time", "value": 3, "unit": "ms"}]}]})";

TEST(SearchRecord, EveryEvaluationInOrder) {
  const SearchRecord record = search_record_from_json(kSearch, "s.json");
  EXPECT_EQ(record.device, "opencl:0");
  EXPECT_EQ(record.unit, "ns");
  ASSERT_EQ(record.evaluations.size(), 4u);
  EXPECT_EQ(record.evaluations[0].configuration, "tile 4, way wide");
  EXPECT_EQ(record.evaluations[0].value, 2.5e6);
  EXPECT_EQ(record.evaluations[1].status, "compile");
  EXPECT_FALSE(record.evaluations[1].value);
  EXPECT_EQ(record.evaluations[2].value, 1.5e6) << "units may differ from row to row";
  const std::vector<std::optional<double>> best = record.best_so_far();
  EXPECT_EQ(best, (std::vector<std::optional<double>>{2.5e6, 2.5e6, 1.5e6, 1.5e6}));
}

TEST(SearchRecord, ARateIsBetterWhenItIsMore) {
  std::string text = kSearch;
  for (std::size_t at = text.find("\"time\""); at != std::string::npos; at = text.find("\"time\"")) {
    text.replace(at, 6, "\"GFLOP/s\"");
  }
  const SearchRecord record = search_record_from_json(text, "s.json");
  EXPECT_EQ(record.best_so_far().back(), 1500);
}

TEST(SearchRecord, RefusesWhatIsNone) {
  for (
      const char* text :
      {"", "[]", "{}", R"({"results": []})", R"({"results": [1]})", R"({"results": [{"configuration": 1}]})",
       R"({"schema_version": "2.0.0", "results": [{"configuration": {}}]})",
       R"({"results": [{"configuration": {}, "invalidity": "correct", "measurements": []}]})",
       R"({"results": [{"configuration": {}, "invalidity": "correct", "measurements": [{"name": "time", "value": 0}]}]})"}) {
    EXPECT_THROW(search_record_from_json(text, "s.json"), Error) << text;
  }
  const std::string whole = kSearch;
  for (std::size_t length = 0; length < whole.size(); length += 5) {
    EXPECT_THROW(search_record_from_json(whole.substr(0, length), "s.json"), Error) << length;
  }
}

constexpr const char* kRates = R"([
  {"test": "pp64", "devices": ["cpu:0", "opencl:0"], "plan": "tuned", "emulated": false,
   "tok_per_s": {"samples": [100, 110]}, "peak_rss_bytes": 1048576, "model": {"path": "/a/b/m.gguf", "bytes": 1000000000,
   "ops_per_token": 2e8}},
  {"test": "tg16", "devices": ["cpu:0"], "plan": "single", "emulated": true, "tok_per_s": {"samples": [20]}},
  {"test": "pp64", "devices": ["x"], "engine": "other 1.0", "tok_per_s": {"samples": [90]},
   "model": {"path": "m.gguf"}}])";

TEST(Rates, WhoDidWhat) {
  std::vector<RateRow> rows = rate_rows_from_json(kRates, "r.json");
  group_by_test(rows);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].who, "tuned plan on cpu:0 + opencl:0");
  EXPECT_EQ(rows[0].model, "m");
  EXPECT_EQ(rows[0].peak_rss_bytes, 1048576);
  EXPECT_EQ(rows[1].who, "other 1.0") << "rows of a test stand together";
  EXPECT_EQ(rows[2].who, "cpu:0 alone");
  EXPECT_TRUE(rows[2].emulated);
  EXPECT_EQ(rows[1].ops_per_token, 0);
  share_model_facts(rows);
  EXPECT_EQ(rows[1].ops_per_token, 2e8) << "the same model, whoever runs it";
  EXPECT_EQ(rows[2].ops_per_token, 0) << "of another model nothing is known";
}

constexpr const char* kPeers = R"([
  {"test": "pp64", "devices": ["this machine"], "engine": "hetero-infer", "command_devices": "cpu:0,opencl:0@1",
   "tok_per_s": {"samples": [1000]}, "model": {"path": "m.gguf", "bytes": 100000000, "ops_per_token": 2e8},
   "weights": {"made": "read from the file itself", "bytes": 100000000},
   "limits": {"gops": 1000, "read_gbps": 50, "arithmetic": "8-bit dot"}, "peak_rss_bytes": 1048576},
  {"test": "pp64", "devices": ["this machine"], "engine": "Other 3.1", "tok_per_s": {"samples": [500]},
   "model": {"path": "m.gguf", "bytes": 100000000}, "weights": {"made": "int4, made of the file's", "bytes": 50000000},
   "limits": {"gops": 1000, "read_gbps": 50, "arithmetic": "8-bit dot"}},
  {"test": "tg32", "devices": ["this machine"], "engine": "Other 3.1", "tok_per_s": {"samples": [200]},
   "model": {"path": "m.gguf", "bytes": 100000000}, "weights": {"made": "int4, made of the file's", "bytes": 50000000},
   "limits": {"gops": 1000, "read_gbps": 50, "arithmetic": "8-bit dot"}}])";

TEST(Rates, PartsOfTheLimitsOfTheSameRunElseOfTheDatabase) {
  std::vector<RateRow> rows = rate_rows_from_json(kPeers, "r.json");
  share_model_facts(rows);
  const MachineLimits database = {.gops = 400, .read_gbps = 20, .arithmetic = ""};
  EXPECT_EQ(rows[0].who, "hetero-infer on cpu:0,opencl:0@1");
  EXPECT_EQ(part_of_limit(rows[0], database), "20 % of 1000 Gop/s");
  EXPECT_EQ(part_of_limit(rows[1], database), "10 % of 1000 Gop/s");
  EXPECT_EQ(part_of_limit(rows[2], database), "20 % of 50.0 GB/s") << "what its own weights take, not the file's";
  EXPECT_EQ(limits_text(rows, database).find("database"), std::string::npos);
  EXPECT_TRUE(has(limits_text(rows, database), "(arithmetic: 8-bit dot)"));
  for (RateRow& row : rows) row.limits = {};
  EXPECT_EQ(part_of_limit(rows[2], database), "50 % of 20.0 GB/s");
  EXPECT_TRUE(has(limits_text(rows, database), "The limits: the fastest matmuls of the database's devices"));
  EXPECT_EQ(part_of_limit(rows[2], {}), "");
  EXPECT_EQ(limits_text(rows, {}), "");
  rows[2].emulated = true;
  EXPECT_EQ(part_of_limit(rows[2], database), "") << "no part of a real limit";
  EXPECT_EQ(weights_texts(rows).size(), 2u) << "an engine once, whatever the number of its tests";
}

TEST(Rates, ALimitThatIsNoNumberIsNone) {
  for (const char* limits : {"1", "[]", R"({"gops": "x"})", R"({"gops": -1})", "null"}) {
    const std::string text = R"([{"test": "tg1", "devices": ["a"], "tok_per_s": {"samples": [1]}, "limits": )" +
                             std::string(limits) + R"(, "weights": {"bytes": -5, "made": 1}}])";
    const std::vector<RateRow> rows = rate_rows_from_json(text, "r.json");
    EXPECT_EQ(rows[0].limits.gops, 0) << limits;
    EXPECT_EQ(rows[0].model_bytes, 0);
    EXPECT_EQ(rows[0].weights, "");
  }
}

TEST(Rates, InMarkdownALineForEachContender) {
  const std::string text = render_markdown(report(), rate_rows_from_json(kPeers, "r.json"), {});
  EXPECT_TRUE(has(text, "\n## Rates: m\n\n| what | pp64 | tg32 | peak memory |\n")) << text;
  EXPECT_TRUE(has(text,
                  "| hetero-infer on cpu:0,opencl:0@1 | 1000.0 tok/s (MAD 0.0 %, 1 sample), first token after "
                  "64.0 ms, 20 % of 1000 Gop/s | - | 1 MiB |\n"))
      << text;
  EXPECT_TRUE(has(text, "| Other 3.1 | 500.0 tok/s")) << text;
  EXPECT_TRUE(has(text, "Weights: hetero-infer on cpu:0,opencl:0@1: read from the file itself; Other 3.1: int4"))
      << text;

  std::vector<RateRow> many;
  for (int i = 0; i < 100; ++i) {
    many.push_back(rate_rows_from_json(kPeers, "r.json")[0]);
    many.back().who = "engine " + std::to_string(i);
  }
  const std::string cut = render_markdown(report(), many, {});
  EXPECT_LE(std::count(cut.begin(), cut.end(), '\n'), kMostMarkdownLines) << cut;
  EXPECT_TRUE(has(cut, " more left out.\n")) << cut;
}

TEST(Rates, RefusesWhatIsNone) {
  for (const char* text : {"", "{}", "[]", "[1]", R"([{"test": "pp1"}])", R"([{"test": "pp1", "devices": ["a"]}])",
                           R"([{"test": "pp1", "devices": [1], "tok_per_s": {"samples": [1]}}])",
                           R"([{"test": "pp1", "devices": ["a"], "tok_per_s": {"samples": []}}])",
                           R"([{"test": "pp1", "devices": ["a"], "tok_per_s": {"samples": [0]}}])",
                           R"([{"test": "pp1", "devices": ["a"], "tok_per_s": 1}])",
                           R"([{"devices": ["a"], "tok_per_s": {"samples": [1]}}])"}) {
    EXPECT_THROW(rate_rows_from_json(text, "r.json"), Error) << text;
  }
}

Trace trace() {
  Trace t;
  t.devices = {"cpu:0", "opencl:0@1"};
  t.spans = {{.step = 0, .device = "cpu:0", .label = "L0 <in>", .start_ns = 1e6, .end_ns = 3e6, .predicted_ns = 1e6},
             {.step = 0,
              .device = "opencl:0@1",
              .label = "L0 out",
              .start_ns = 3e6,
              .end_ns = 5e6,
              .predicted_ns = 2e6,
              .waits_on = {0}}};
  for (int step = 1; step < 4; ++step) {
    const double begin = 1e7 * step;
    t.spans.push_back(
        {.step = step, .device = "cpu:0", .label = "L0", .start_ns = begin, .end_ns = begin + 1e6 * (4 - step)});
  }
  return t;
}

TEST(Timeline, MeasuredAbovePredictedOverOneAxis) {
  const Trace t = trace();
  const std::string svg = timeline_picture(t, predicted_timeline(t), 0, {{"cpu:0", 0}, {"opencl:0@1", 1}});
  EXPECT_EQ(count(svg, "class=\"fill s0\""), 1u);
  EXPECT_EQ(count(svg, "class=\"fill s1\""), 1u);
  EXPECT_EQ(count(svg, "class=\"foreseen s"), 2u);
  EXPECT_EQ(count(svg, "class=\"join\""), 1u);
  EXPECT_TRUE(has(svg, "L0 &lt;in&gt;: 2.00 ms"));
  const auto number = [&](const std::string& before, const char* attribute) {
    const std::size_t at = svg.rfind(attribute, svg.find(before));
    return std::stod(svg.substr(at + std::string(attribute).size()));
  };
  EXPECT_NEAR(number("class=\"fill s0\"", " width=\""), 2 * number("class=\"foreseen s0\"", " width=\""), 0.2)
      << "it took twice as long as predicted";
  EXPECT_LT(number("class=\"fill s0\"", " y=\""), number("class=\"foreseen s0\"", " y=\""));
  EXPECT_EQ(timeline_picture(t, predicted_timeline(t), 99, {}), "");
  EXPECT_EQ(timeline_picture(Trace{}, {}, 0, {}), "");
}

TEST(Timeline, TheFirstStepAndATypicalOne) {
  EXPECT_EQ(typical_steps(trace()), (std::vector<std::int64_t>{0, 2})) << "3, 2 and 1 ms long";
  EXPECT_TRUE(typical_steps(Trace{}).empty());
}

TEST(Html, ParametersOfKernelsInForce) {
  Report r = report();
  r.devices[1].profile.family_fingerprint = "f1";
  r.kernels = {{.family_fingerprint = "f1",
                .variant = "k",
                .revision = 3,
                .subject = "op",
                .params = {{"tile", 4}, {"way", 1}},
                .best_ns = 8e5,
                .default_ns = 1e6},
               {.family_fingerprint = "f2", .variant = "other", .subject = "op", .params = {}}};
  const std::string page = render_html(r, Characteristics{}, {});
  EXPECT_TRUE(has(page, "<td>opencl:0@1</td><td>k#3</td><td>op</td><td>tile 4, way 1</td>"));
  EXPECT_TRUE(has(page, ">0.80</td>"));
  EXPECT_TRUE(has(page, "<td>family f2</td>")) << "no device of it has a profile";
}

TEST(Html, SectionsForWhatIsGiven) {
  const std::string without = render_html(report(), Characteristics{}, {});
  for (const char* id : {"timeline", "search", "rates"})
    EXPECT_FALSE(has(without, std::string("id=\"") + id + "\"")) << id;
  Extras extras;
  extras.trace = {"t.json", trace()};
  extras.searches = {search_record_from_json(kSearch, "s.json")};
  extras.rates = rate_rows_from_json(kRates, "r.json");
  Characteristics c;
  c.bandwidth_gbps = {
      {"cpu:0", "stream", "", {30}}, {"cpu:0", "stream", "gpu", {25}}, {"gpu", "stream", "cpu:0", {25}}};
  const std::string page = render_html(report(), c, extras);
  for (const char* id : {"timeline", "search", "rates"}) {
    EXPECT_EQ(count(page, std::string("<section id=\"") + id + "\">"), 1u) << id;
  }
  EXPECT_TRUE(
      has(page, "4 evaluations (1 compile, 3 correct); the best, 1.50 ms, came as number 3: tile 2, way wide."));
  EXPECT_FALSE(has(page, "<b>"));
  EXPECT_EQ(limits_of(c).read_gbps, 50) << "both together read more than one alone";
  EXPECT_TRUE(has(page, "cpu:0 alone (emulated)"));
  EXPECT_FALSE(has(page, "of the limit")) << "nothing is known of it";
  extras.rates = rate_rows_from_json(kPeers, "r.json");
  const std::string peers = render_html(report(), c, extras);
  EXPECT_TRUE(has(peers, ">20 % of 50.0 GB/s</td>"));
  EXPECT_TRUE(has(peers, "int4, made of the file&#39;s")) << "where the weights of another engine come from";
  EXPECT_FALSE(has(peers, "took turns")) << "all are of one file";
  extras.rates.push_back(rate_rows_from_json(kRates, "/a/r2.json")[0]);
  const std::string files = render_html(report(), c, extras);
  EXPECT_TRUE(has(files, "those of different files did not"));
  EXPECT_TRUE(has(files, "<td>r2.json</td>"));
  EXPECT_FALSE(has(peers, "<th>model</th>")) << "all are of one model, which the caption names";
  EXPECT_TRUE(has(page, "L0 &lt;in&gt; on cpu:0")) << "what a segment waited on";
  EXPECT_TRUE(has(page, "+33.3 %")) << "4 ms for the step, 3 were predicted";
  extras.trace->trace.simulated = true;
  EXPECT_TRUE(has(render_html(report(), c, extras), "Its times are simulated."));
}

}  // namespace
}  // namespace hetero
