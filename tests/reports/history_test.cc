// Benchmarks over commits: what is compared with what, and how it is shown.
#include "reports/history.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/rng.h"
#include "reports/render_history.h"

namespace hetero {
namespace {

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// Twelve samples about `rate`, one part in a thousand apart.
BenchmarkSet set_of(const std::string& source, double rate, const std::string& name = "pp64") {
  BenchmarkSet set{source, {}, {}, {}};
  Benchmark& benchmark = set.named(name, "tok/s", Direction::kRate);
  for (int i = 0; i < 12; ++i) benchmark.samples.push_back(rate * (1 + 0.001 * i));
  return set;
}

TEST(History, EachCommitIsComparedWithTheOneBefore) {
  BenchmarkSet last = set_of("d.json", 80);
  last.named("new", "ns", Direction::kTime).samples = {5};
  const History history =
      history_of({set_of("a.json", 100), set_of("b.json", 100), set_of("c.json", 80), last}, {"a", "b", "c", "d"}, {});
  ASSERT_EQ(history.rows.size(), 2u);
  const auto& points = history.rows[0].points;
  ASSERT_EQ(points.size(), 4u);
  EXPECT_FALSE(points[0]->time_ratio) << "the first has none before";
  EXPECT_EQ(points[1]->finding, Finding::kSame);
  EXPECT_EQ(points[2]->finding, Finding::kSlower);
  EXPECT_NEAR(points[2]->time_ratio->estimate, 1.25, 0.01);
  EXPECT_EQ(points[3]->finding, Finding::kSame) << "it was slow already";
  EXPECT_NEAR(points[3]->median, 80.44, 1e-9);
  EXPECT_FALSE(history.rows[1].points[2]) << "what was not measured is absent, not 0";
  EXPECT_TRUE(history.rows[1].points[3]);
  EXPECT_FALSE(history.rows[1].points[3]->time_ratio);
}

TEST(History, FewFalseAlarmsOverTheWhole) {
  Rng rng(21);
  int alarms = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<BenchmarkSet> sets;
    std::vector<std::string> labels;
    for (int commit = 0; commit < 8; ++commit) {
      BenchmarkSet set{"s", {}, {}, {}};
      for (const char* name : {"one", "two", "three"}) {
        for (int i = 0; i < 10; ++i) {
          set.named(name, "ns", Direction::kTime).samples.push_back(100 * (1 + 0.2 * rng.uniform()));
        }
      }
      sets.push_back(set);
      labels.push_back(std::to_string(commit));
    }
    CompareOptions options;
    options.threshold = 0;
    const History history = history_of(sets, labels, options);
    const bool any = std::any_of(history.rows.begin(), history.rows.end(), [](const HistoryRow& row) {
      return std::any_of(row.points.begin(), row.points.end(), [](const auto& p) {
        return p->finding == Finding::kSlower || p->finding == Finding::kFaster;
      });
    });
    alarms += any ? 1 : 0;
  }
  EXPECT_LE(alarms, 9) << "3 are expected at 1 %; more than 9 come once in 900 such tests";
}

TEST(History, NothingInCommonOrLeft) {
  EXPECT_THROW(history_of({set_of("a", 1), set_of("b", 1, "other")}, {"a", "b"}, {}), Error);
  CompareOptions options;
  options.filter = "tg";
  EXPECT_THROW(history_of({set_of("a", 1), set_of("b", 1)}, {"a", "b"}, options), Error);
}

TEST(History, TextHasALineACommit) {
  const History history = history_of({set_of("a.json", 100), set_of("b.json", 50)}, {"v1", "0123456789"}, {});
  const std::string text = render_text(history);
  EXPECT_TRUE(has(text, "pp64\n  v1          101 tok/s"));
  EXPECT_TRUE(has(text, "(MAD 0.3 %, 12)    " + std::string(30, '#') + "\n")) << text;
  EXPECT_TRUE(has(text, std::string(15, '#') + std::string(17, ' ') + "2.000 slower\n")) << text;
}

TEST(History, JsonAndPage) {
  BenchmarkSet second = set_of("b.json", 50);
  second.named("<new>", "ns", Direction::kTime).samples = {5};
  const History history = history_of({set_of("a.json", 100), second}, {"v1", "</script>"}, {});
  const nlohmann::json json = nlohmann::json::parse(render_json(history));
  EXPECT_EQ(json["commits"][1]["label"], "</script>");
  EXPECT_EQ(json["benchmarks"][0]["points"][1]["finding"], "slower");
  EXPECT_EQ(json["benchmarks"][0]["points"][0]["time_ratio"], nullptr);
  EXPECT_EQ(json["benchmarks"][1]["points"][0], nullptr);
  EXPECT_EQ(json["benchmarks"][0]["points"][0]["samples"].size(), 12u);
  const std::string page = render_html(history);
  EXPECT_TRUE(has(page, "<td>slower</td>"));
  EXPECT_TRUE(has(page, "\"names\":[\"v1\",\"\\u003c/script>\"]"));
  EXPECT_TRUE(has(page, "&lt;new&gt;"));
  EXPECT_FALSE(has(page, "<new>"));
}

TEST(History, AsManyChartsAsAPageBearsAndTheChangedFirst) {
  BenchmarkSet a = set_of("a", 100, "last");
  BenchmarkSet b = set_of("b", 50, "last");
  for (int i = 0; i < 40; ++i) {
    for (BenchmarkSet* set : {&a, &b}) {
      set->named("benchmark " + std::to_string(i), "ns", Direction::kTime).samples = std::vector<double>(12, 7.0);
    }
  }
  std::rotate(a.benchmarks.begin(), a.benchmarks.begin() + 1, a.benchmarks.end());
  const std::string page = render_html(history_of({a, b}, {"a", "b"}, {}));
  EXPECT_TRUE(has(page, "17 benchmarks are left out"));
  EXPECT_TRUE(has(page, "<section id=\"metric-0\">\n<h2>last</h2>"));
  EXPECT_FALSE(has(page, "metric-24"));
}

}  // namespace
}  // namespace hetero
