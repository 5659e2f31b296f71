#include "profiles/trace.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

namespace hetero {
namespace {

using Json = nlohmann::json;

Trace two_devices() {
  Trace trace;
  trace.devices = {"cpu:0", "opencl:0@1"};
  trace.spans = {{.step = 0,
                  .device = "cpu:0",
                  .label = "L0 \"in\"",
                  .start_ns = 1000,
                  .end_ns = 5000,
                  .submit_ns = 500,
                  .joined_ns = 5100,
                  .predicted_ns = 3000,
                  .waits_on = {}},
                 {.step = 0,
                  .device = "opencl:0@1",
                  .label = "L0 out",
                  .start_ns = 6000,
                  .end_ns = 7500,
                  .submit_ns = 5500,
                  .joined_ns = 7600,
                  .predicted_ns = 0,
                  .waits_on = {0, 99, -1}},
                 {.step = 1,
                  .device = "opencl:0@1",
                  .label = "L1 in",
                  .start_ns = 8000,
                  .end_ns = 9000,
                  .submit_ns = 7700,
                  .joined_ns = 9100,
                  .predicted_ns = 900,
                  .waits_on = {1}}};
  return trace;
}

std::vector<Json> events(const Json& document, const std::string& phase) {
  std::vector<Json> found;
  for (const Json& event : document.at("traceEvents")) {
    if (event.at("ph") == phase) found.push_back(event);
  }
  return found;
}

std::map<std::string, int> tracks(const Json& document) {
  std::map<std::string, int> by_name;
  for (const Json& event : events(document, "M")) {
    if (event.at("name") == "thread_name") by_name[event.at("args").at("name")] = event.at("tid");
  }
  return by_name;
}

TEST(Trace, TracksSpansAndPredictions) {
  const Json document = Json::parse(to_chrome_json(two_devices()));
  const std::map<std::string, int> track = tracks(document);
  ASSERT_EQ(track.size(), 4u);
  const std::vector<Json> spans = events(document, "X");
  ASSERT_EQ(spans.size(), 5u);  // three that happened, two predicted
  EXPECT_EQ(spans[0].at("tid"), track.at("cpu:0"));
  EXPECT_EQ(spans[0].at("name"), "L0 \"in\"");
  EXPECT_DOUBLE_EQ(spans[0].at("ts"), 1);
  EXPECT_DOUBLE_EQ(spans[0].at("dur"), 4);
  EXPECT_EQ(spans[1].at("tid"), track.at("cpu:0 (predicted)"));
  EXPECT_DOUBLE_EQ(spans[1].at("ts"), 1);
  EXPECT_DOUBLE_EQ(spans[1].at("dur"), 3);
  EXPECT_EQ(spans[2].at("tid"), track.at("opencl:0@1"));
}

TEST(Trace, ArrowsBetweenDevicesOnly) {
  const Json document = Json::parse(to_chrome_json(two_devices()));
  const std::map<std::string, int> track = tracks(document);
  const std::vector<Json> starts = events(document, "s");
  const std::vector<Json> finishes = events(document, "f");
  ASSERT_EQ(starts.size(), 1u);
  ASSERT_EQ(finishes.size(), 1u);
  EXPECT_EQ(starts[0].at("id"), finishes[0].at("id"));
  EXPECT_EQ(starts[0].at("tid"), track.at("cpu:0"));
  EXPECT_DOUBLE_EQ(starts[0].at("ts"), 5);
  EXPECT_EQ(finishes[0].at("tid"), track.at("opencl:0@1"));
  EXPECT_DOUBLE_EQ(finishes[0].at("ts"), 6);
}

TEST(Trace, SimulatedSaysSo) {
  Trace trace = two_devices();
  EXPECT_EQ(to_chrome_json(trace).find("(simulated)"), std::string::npos);
  trace.simulated = true;
  const Json document = Json::parse(to_chrome_json(trace));
  EXPECT_EQ(document.at("otherData").at("title"), "hetero (simulated)");
  EXPECT_EQ(document.at("otherData").at("simulated"), true);
  EXPECT_TRUE(tracks(document).contains("cpu:0 (simulated)"));
}

TEST(Trace, DeviceThatIsNotListedAndNoSpans) {
  Trace trace = two_devices();
  trace.devices = {};
  EXPECT_EQ(tracks(Json::parse(to_chrome_json(trace))).size(), 4u);
  EXPECT_TRUE(events(Json::parse(to_chrome_json(Trace{})), "X").empty());
}

}  // namespace
}  // namespace hetero
