#include "profiles/trace.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/rng.h"

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
  EXPECT_DOUBLE_EQ(starts[0].at("ts"), 4.999) << "inside the slice that it leaves";
  EXPECT_EQ(finishes[0].at("tid"), track.at("opencl:0@1"));
  EXPECT_DOUBLE_EQ(finishes[0].at("ts"), 6);
}

// Many steps over three devices, with waits, predictions that are too long and too short, and spans of no length.
Trace random_trace(std::uint64_t seed) {
  Rng rng(seed);
  Trace trace;
  trace.devices = {"a", "b", "c"};
  std::map<std::string, double> now;
  for (std::int64_t step = 0; step < 5; ++step) {
    for (int i = 0; i < 20; ++i) {
      Span span;
      span.step = step;
      span.device = trace.devices[rng.below(3)];
      span.label = "L" + std::to_string(i);
      span.start_ns = now[span.device];
      const auto count = trace.spans.size();
      if (count > 0 && rng.below(2) == 0) {
        const auto earlier = rng.below(count);
        span.waits_on.push_back(static_cast<std::int32_t>(earlier));
        span.start_ns = std::max(span.start_ns, trace.spans[earlier].end_ns - 3);  // clocks that differ by a little
      }
      span.end_ns = span.start_ns + static_cast<double>(rng.below(3) == 0 ? rng.below(3) : rng.below(90000));
      span.submit_ns = span.start_ns;
      span.joined_ns = span.end_ns + 5;
      span.predicted_ns = rng.below(4) == 0 ? 0 : static_cast<double>(rng.below(90000));
      span.streamed_bytes = static_cast<double>(rng.below(1000000));
      span.cached_tokens = step + 7;
      now[span.device] = span.end_ns;
      trace.spans.push_back(span);
    }
  }
  return trace;
}

TEST(Trace, ArrowsPairUpAndLieInSlicesOfTheirTracks) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Json document = Json::parse(to_chrome_json(random_trace(seed)));
    std::map<int, int> ends;  // by id
    const std::vector<Json> slices = events(document, "X");
    for (const std::string phase : {"s", "f"}) {
      for (const Json& arrow : events(document, phase)) {
        ends[arrow.at("id")] += phase == "s" ? 1 : 100;
        const double at = arrow.at("ts");
        EXPECT_TRUE(std::any_of(slices.begin(), slices.end(),
                                [&](const Json& slice) {
                                  const double begin = slice.at("ts");
                                  const double length = slice.at("dur");
                                  return slice.at("tid") == arrow.at("tid") && begin <= at &&
                                         (at < begin + length || length == 0);
                                }))
            << "seed " << seed << ": " << arrow;
      }
    }
    EXPECT_FALSE(ends.empty());
    for (const auto& [id, found] : ends) EXPECT_EQ(found, 101) << "seed " << seed << ", arrow " << id;
  }
}

TEST(Trace, SlicesOfATrackDoNotOverlap) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::map<int, double> end;  // by track; viewers cannot draw slices of one track that overlap
    for (const Json& slice : events(Json::parse(to_chrome_json(random_trace(seed))), "X")) {
      const double begin = slice.at("ts");
      EXPECT_GE(begin, end[slice.at("tid")] - 1e-6) << "seed " << seed << ": " << slice;
      end[slice.at("tid")] = begin + slice.at("dur").get<double>();
    }
  }
}

TEST(Trace, ThePredictedTimelineKeepsOrderAndWaits) {
  Trace trace = two_devices();
  trace.spans[1].predicted_ns = 2000;
  const std::vector<Interval> placed = predicted_timeline(trace);
  ASSERT_EQ(placed.size(), 3u);
  EXPECT_EQ(placed[0].start_ns, 1000) << "the step begins when it did";
  EXPECT_EQ(placed[0].end_ns, 4000);
  EXPECT_EQ(placed[1].start_ns, 4000) << "when what it waits on is done";
  EXPECT_EQ(placed[1].end_ns, 6000);
  EXPECT_EQ(placed[2].start_ns, 8000) << "the next step begins when it did, too";
  trace.spans[1].predicted_ns = 20000;
  EXPECT_EQ(predicted_timeline(trace)[2].start_ns, 24000) << "but not before the step before is over";
  EXPECT_TRUE(predicted_timeline(Trace{}).empty());
}

TEST(Trace, CountersOfBandwidthAndCache) {
  Trace trace = two_devices();
  trace.spans[0].streamed_bytes = 80000;  // in 4 us
  trace.spans[0].cached_tokens = trace.spans[1].cached_tokens = 64;
  trace.spans[2].cached_tokens = 65;
  const std::vector<Json> counters = events(Json::parse(to_chrome_json(trace)), "C");
  ASSERT_EQ(counters.size(), 4u);
  EXPECT_EQ(counters[0].at("name"), "cpu:0 reads");
  EXPECT_DOUBLE_EQ(counters[0].at("args").at("GB/s"), 20);
  EXPECT_DOUBLE_EQ(counters[0].at("ts"), 1);
  EXPECT_DOUBLE_EQ(counters[1].at("args").at("GB/s"), 0) << "nothing is read between segments";
  EXPECT_DOUBLE_EQ(counters[1].at("ts"), 5);
  EXPECT_EQ(counters[2].at("name"), "KV cache");
  EXPECT_DOUBLE_EQ(counters[2].at("args").at("tokens"), 64);
  EXPECT_DOUBLE_EQ(counters[2].at("ts"), 7.5) << "when the step is done";
  EXPECT_DOUBLE_EQ(counters[3].at("args").at("tokens"), 65);
  EXPECT_TRUE(events(Json::parse(to_chrome_json(two_devices())), "C").empty()) << "what is unknown is not drawn as 0";
}

TEST(Trace, ReadsWhatItWrote) {
  Trace trace = random_trace(3);
  trace.simulated = true;
  const Trace read = trace_from_chrome_json(to_chrome_json(trace));
  EXPECT_TRUE(read.simulated);
  EXPECT_EQ(read.devices, trace.devices);
  ASSERT_EQ(read.spans.size(), trace.spans.size());
  for (std::size_t i = 0; i < read.spans.size(); ++i) {
    const Span& a = trace.spans[i];
    const Span& b = read.spans[i];
    EXPECT_EQ(b.step, a.step);
    EXPECT_EQ(b.device, a.device);
    EXPECT_EQ(b.label, a.label);
    EXPECT_NEAR(b.start_ns, a.start_ns, 1e-3);
    EXPECT_NEAR(b.end_ns, a.end_ns, 1e-3);
    EXPECT_NEAR(b.joined_ns, a.joined_ns, 1e-3);
    EXPECT_NEAR(b.predicted_ns, a.predicted_ns, 1e-3);
    EXPECT_EQ(b.waits_on, a.waits_on);
    EXPECT_EQ(b.streamed_bytes, a.streamed_bytes);
    EXPECT_EQ(b.cached_tokens, a.cached_tokens);
  }
}

TEST(Trace, RefusesWhatIsNoTrace) {
  const std::string good = to_chrome_json(two_devices());
  for (const auto& [from, to] : std::map<std::string, std::string>{{"hetero.trace", "hetero.plan"},
                                                                   {"\"version\": 1", "\"version\": 2"},
                                                                   {"\"tid\": 3", "\"tid\": 77"},
                                                                   {"\"dur\": 4.0", "\"dur\": -4.0"},
                                                                   {"\"step\": 1", "\"step\": \"one\""},
                                                                   {"\"simulated\": false", "\"simulated\": 0"},
                                                                   {"\"traceEvents\"", "\"events\""}}) {
    std::string bad = good;
    std::size_t at = bad.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    for (; at != std::string::npos; at = bad.find(from, at + to.size())) bad.replace(at, from.size(), to);
    EXPECT_THROW(trace_from_chrome_json(bad), Error) << to;
  }
  for (std::size_t length = 0; length < good.size() - 2; length += 7) {
    EXPECT_THROW(trace_from_chrome_json(good.substr(0, length)), Error) << length;
  }
  Rng rng(5);
  for (int i = 0; i < 2000; ++i) {  // any byte for any other: refused or read, never a crash
    std::string bad = good;
    bad[rng.below(bad.size())] = static_cast<char>(rng.below(256));
    try {
      trace_from_chrome_json(bad);
    } catch (const Error&) {
    }
  }
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
