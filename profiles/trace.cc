// Chrome trace events: https://ui.perfetto.dev opens them. Times there are microseconds.
#include "profiles/trace.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>

#include "profiles/json_util.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kProcess = 1;
constexpr double kNsPerUs = 1e3;
constexpr const char* kSchema = "hetero.trace";

// Two tracks a device, the prediction under what happened.
class Tracks {
 public:
  explicit Tracks(const Trace& trace) : devices_(trace.devices) {
    for (const Mark& mark : trace.marks) {
      if (std::find(devices_.begin(), devices_.end(), mark.device) == devices_.end()) devices_.push_back(mark.device);
    }
    for (const Span& span : trace.spans) {
      if (std::find(devices_.begin(), devices_.end(), span.device) == devices_.end()) devices_.push_back(span.device);
    }
  }
  const std::vector<std::string>& devices() const { return devices_; }
  int happened(const std::string& device) const {
    return 1 + 2 * static_cast<int>(std::find(devices_.begin(), devices_.end(), device) - devices_.begin());
  }
  int predicted(const std::string& device) const { return happened(device) + 1; }

 private:
  std::vector<std::string> devices_;
};

Json name_event(const char* what, int track, const std::string& name) {
  return {{"ph", "M"}, {"pid", kProcess}, {"tid", track}, {"name", what}, {"args", {{"name", name}}}};
}

Json sort_event(int track) {
  return {
      {"ph", "M"}, {"pid", kProcess}, {"tid", track}, {"name", "thread_sort_index"}, {"args", {{"sort_index", track}}}};
}

Json span_event(const Span& span, int track, const char* category, const Interval& at) {
  Json args = {{"step", span.step},
               {"submit_us", span.submit_ns / kNsPerUs},
               {"joined_us", span.joined_ns / kNsPerUs},
               {"measured_us", (span.end_ns - span.start_ns) / kNsPerUs},
               {"predicted_us", span.predicted_ns / kNsPerUs}};
  if (span.streamed_bytes > 0) args["streamed_bytes"] = span.streamed_bytes;
  if (span.cached_tokens > 0) args["cached_tokens"] = span.cached_tokens;
  return {{"ph", "X"},
          {"pid", kProcess},
          {"tid", track},
          {"cat", category},
          {"name", span.label},
          {"ts", at.start_ns / kNsPerUs},
          {"dur", (at.end_ns - at.start_ns) / kNsPerUs},
          {"args", std::move(args)}};
}

// A viewer ties the end of an arrow to the slice around its time, and a slice's own end is no longer in it: a
// nanosecond before, or the middle of what is shorter than two.
double inside(const Span& span, double ns) {
  const double last = std::max(span.end_ns - 1, (span.start_ns + span.end_ns) / 2);
  return std::clamp(ns, span.start_ns, last);
}

// An arrow from the end of one span to the start of another that waited on it.
void add_arrow(Json& events, const Tracks& tracks, const Span& from, const Span& to, int id) {
  const double left = inside(from, from.end_ns);
  const double arrived = inside(to, std::max(to.start_ns, left));
  Json start = {
      {"ph", "s"}, {"pid", kProcess},      {"tid", tracks.happened(from.device)}, {"cat", "join"}, {"name", "join"},
      {"id", id},  {"ts", left / kNsPerUs}};
  Json finish = {{"ph", "f"},     {"bp", "e"},      {"pid", kProcess}, {"tid", tracks.happened(to.device)},
                 {"cat", "join"}, {"name", "join"}, {"id", id},        {"ts", arrived / kNsPerUs}};
  events.push_back(std::move(start));
  events.push_back(std::move(finish));
}

Json counter(const std::string& name, double ns, const char* unit, double value) {
  return {{"ph", "C"}, {"pid", kProcess}, {"name", name}, {"ts", ns / kNsPerUs}, {"args", {{unit, value}}}};
}

// The mean rate of each segment while it runs, and none between segments.
void add_counters(Json& events, const Trace& trace) {
  std::map<std::string, std::vector<const Span*>> by_device;
  std::map<std::int64_t, std::pair<double, std::int64_t>> steps;  // end, tokens
  for (const Span& span : trace.spans) {
    if (span.streamed_bytes > 0 && span.end_ns > span.start_ns) by_device[span.device].push_back(&span);
    if (span.cached_tokens <= 0) continue;
    auto& [end, tokens] = steps[span.step];
    end = std::max(end, span.end_ns);
    tokens = std::max(tokens, span.cached_tokens);
  }
  for (auto& [device, spans] : by_device) {
    std::sort(spans.begin(), spans.end(), [](const Span* a, const Span* b) { return a->start_ns < b->start_ns; });
    for (std::size_t i = 0; i < spans.size(); ++i) {
      const Span& span = *spans[i];
      const std::string name = device + " reads";
      events.push_back(counter(name, span.start_ns, "GB/s", span.streamed_bytes / (span.end_ns - span.start_ns)));
      if (i + 1 == spans.size() || spans[i + 1]->start_ns > span.end_ns) {
        events.push_back(counter(name, span.end_ns, "GB/s", 0));
      }
    }
  }
  for (const auto& [step, at] : steps) {
    events.push_back(counter("KV cache", at.first, "tokens", static_cast<double>(at.second)));
  }
}

// `spans`: how many stand before it, which it may wait on.
Span span_of(const JsonNode& event, std::size_t spans) {
  const JsonNode args = event.at("args");
  Span span;
  span.label = event.at("name").text();
  span.start_ns = event.at("ts").number() * kNsPerUs;
  span.end_ns = span.start_ns + event.at("dur").number() * kNsPerUs;
  if (span.end_ns < span.start_ns) event.at("dur").fail("is negative");
  if (!std::isfinite(span.start_ns) || !std::isfinite(span.end_ns)) event.at("ts").fail("is too large");
  span.step = args.at("step").integer(0, INT64_MAX);
  span.submit_ns = args.number_or("submit_us", 0) * kNsPerUs;
  span.joined_ns = args.number_or("joined_us", 0) * kNsPerUs;
  span.predicted_ns = std::max(0.0, args.number_or("predicted_us", 0)) * kNsPerUs;
  span.streamed_bytes = std::max(0.0, args.number_or("streamed_bytes", 0));
  if (args.has("cached_tokens")) span.cached_tokens = args.at("cached_tokens").integer(0, INT64_MAX);
  for (const JsonNode& earlier : args.items_or_none("waits_on")) {
    span.waits_on.push_back(static_cast<std::int32_t>(earlier.integer(0, static_cast<std::int64_t>(spans) - 1)));
  }
  return span;
}

}  // namespace

std::vector<Interval> predicted_timeline(const Trace& trace) {
  std::vector<Interval> placed(trace.spans.size());
  std::map<std::int64_t, double> begins;  // of each step, as it happened
  for (const Span& span : trace.spans) {
    const auto [at, added] = begins.emplace(span.step, span.start_ns);
    if (!added) at->second = std::min(at->second, span.start_ns);
  }
  std::map<std::string, double> free_at;  // by device
  std::optional<std::int64_t> step;
  double step_ends = 0;  // of all that was placed until now
  double step_begins = 0;
  for (std::size_t i = 0; i < trace.spans.size(); ++i) {
    const Span& span = trace.spans[i];
    if (span.step != step) {
      step_begins = step ? std::max(begins[span.step], step_ends) : begins[span.step];
      step = span.step;
    }
    double start = step_begins;
    if (const auto at = free_at.find(span.device); at != free_at.end()) start = std::max(start, at->second);
    for (const std::int32_t earlier : span.waits_on) {
      if (earlier >= 0 && static_cast<std::size_t>(earlier) < i) {
        start = std::max(start, placed[static_cast<std::size_t>(earlier)].end_ns);
      }
    }
    placed[i] = {start, start + span.predicted_ns};
    free_at[span.device] = placed[i].end_ns;
    step_ends = std::max(step_ends, placed[i].end_ns);
  }
  return placed;
}

std::string to_chrome_json(const Trace& trace) {
  const Tracks tracks(trace);
  const std::string title = trace.simulated ? "hetero (simulated)" : "hetero";
  Json events = Json::array();
  events.push_back(name_event("process_name", 0, title));
  for (const std::string& device : tracks.devices()) {
    const std::string suffix = trace.simulated ? " (simulated)" : "";
    events.push_back(name_event("thread_name", tracks.happened(device), device + suffix));
    events.push_back(sort_event(tracks.happened(device)));
    events.push_back(name_event("thread_name", tracks.predicted(device), device + " (predicted)"));
    events.push_back(sort_event(tracks.predicted(device)));
  }
  const std::vector<Interval> predicted = predicted_timeline(trace);
  int arrows = 0;
  for (std::size_t i = 0; i < trace.spans.size(); ++i) {
    const Span& span = trace.spans[i];
    Json event = span_event(span, tracks.happened(span.device), "segment", {span.start_ns, span.end_ns});
    for (const std::int32_t index : span.waits_on) {
      if (index >= 0 && static_cast<std::size_t>(index) < i) event["args"]["waits_on"].push_back(index);
    }
    events.push_back(std::move(event));
    if (span.predicted_ns > 0) {
      events.push_back(span_event(span, tracks.predicted(span.device), "predicted", predicted[i]));
    }
    for (const std::int32_t index : span.waits_on) {
      if (index < 0 || static_cast<std::size_t>(index) >= i) continue;
      const Span& from = trace.spans[static_cast<std::size_t>(index)];
      if (from.device != span.device) add_arrow(events, tracks, from, span, ++arrows);
    }
  }
  add_counters(events, trace);
  for (const Mark& mark : trace.marks) {
    events.push_back({{"ph", "i"},
                      {"s", "t"},
                      {"pid", kProcess},
                      {"tid", tracks.happened(mark.device)},
                      {"cat", "fault"},
                      {"name", mark.label},
                      {"ts", mark.at_ns / kNsPerUs}});
  }
  Json document = new_document(kSchema, 1);
  document["displayTimeUnit"] = "ms";
  document["otherData"] = {{"title", title}, {"simulated", trace.simulated}, {"devices", tracks.devices()}};
  document["traceEvents"] = std::move(events);
  return document_text(document);
}

Trace trace_from_chrome_json(const std::string& text) {
  const nlohmann::json document = parse_document(text, kSchema, 1);
  const JsonNode root(document, "trace");
  Trace trace;
  const JsonNode other = root.at("otherData");
  trace.simulated = other.at("simulated").truth();
  for (const JsonNode& device : other.at("devices").items()) trace.devices.push_back(device.text());
  for (const JsonNode& event : root.at("traceEvents").items()) {
    if (event.text_or("cat", "") == "fault") {
      const std::int64_t track = event.at("tid").integer(1, 2 * static_cast<std::int64_t>(trace.devices.size()));
      trace.marks.push_back({event.at("ts").number() * kNsPerUs,
                             trace.devices[static_cast<std::size_t>((track - 1) / 2)], event.at("name").text()});
      continue;
    }
    if (event.text_or("ph", "") != "X" || event.text_or("cat", "") != "segment") continue;
    Span span = span_of(event, trace.spans.size());
    // Tracks are numbered as Tracks does it.
    const std::int64_t track = event.at("tid").integer(1, 2 * static_cast<std::int64_t>(trace.devices.size()));
    span.device = trace.devices[static_cast<std::size_t>((track - 1) / 2)];
    trace.spans.push_back(std::move(span));
  }
  return trace;
}

}  // namespace hetero
