// Chrome trace events: https://ui.perfetto.dev opens them. Times there are microseconds.
#include "profiles/trace.h"

#include <algorithm>

#include "profiles/json_util.h"

namespace hetero {
namespace {

using Json = nlohmann::ordered_json;
constexpr int kProcess = 1;
constexpr double kNsPerUs = 1e3;

// Two tracks a device, the prediction under what happened.
class Tracks {
 public:
  explicit Tracks(const Trace& trace) : devices_(trace.devices) {
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

Json span_event(const Span& span, int track, const char* category, double duration_ns) {
  return {{"ph", "X"},
          {"pid", kProcess},
          {"tid", track},
          {"cat", category},
          {"name", span.label},
          {"ts", span.start_ns / kNsPerUs},
          {"dur", duration_ns / kNsPerUs},
          {"args",
           {{"step", span.step},
            {"submit_us", span.submit_ns / kNsPerUs},
            {"joined_us", span.joined_ns / kNsPerUs},
            {"measured_us", (span.end_ns - span.start_ns) / kNsPerUs},
            {"predicted_us", span.predicted_ns / kNsPerUs}}}};
}

// An arrow from the end of one span to the start of another that waited on it.
void add_arrow(Json& events, const Tracks& tracks, const Span& from, const Span& to, int id) {
  Json start = {{"ph", "s"},      {"pid", kProcess}, {"tid", tracks.happened(from.device)}, {"cat", "join"},
                {"name", "join"}, {"id", id},        {"ts", from.end_ns / kNsPerUs}};
  Json finish = {
      {"ph", "f"},     {"bp", "e"},      {"pid", kProcess}, {"tid", tracks.happened(to.device)},
      {"cat", "join"}, {"name", "join"}, {"id", id},        {"ts", std::max(to.start_ns, from.end_ns) / kNsPerUs}};
  events.push_back(std::move(start));
  events.push_back(std::move(finish));
}

}  // namespace

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
  int arrows = 0;
  for (const Span& span : trace.spans) {
    events.push_back(span_event(span, tracks.happened(span.device), "segment", span.end_ns - span.start_ns));
    if (span.predicted_ns > 0) {
      events.push_back(span_event(span, tracks.predicted(span.device), "predicted", span.predicted_ns));
    }
    for (const std::int32_t index : span.waits_on) {
      if (index < 0 || static_cast<std::size_t>(index) >= trace.spans.size()) continue;
      const Span& from = trace.spans[static_cast<std::size_t>(index)];
      if (from.device != span.device) add_arrow(events, tracks, from, span, ++arrows);
    }
  }
  Json document;
  document["displayTimeUnit"] = "ms";
  document["otherData"] = {{"title", title}, {"simulated", trace.simulated}};
  document["traceEvents"] = std::move(events);
  return document_text(document);
}

}  // namespace hetero
