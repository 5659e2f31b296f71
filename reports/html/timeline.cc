#include "reports/html/timeline.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "reports/html/svg.h"
#include "reports/markup.h"

namespace hetero {
namespace {

constexpr double kWidth = 720;
constexpr double kLeft = 132;
constexpr double kRight = kWidth - 12;
constexpr double kLane = 22;
constexpr double kTop = 8;
constexpr double kGap = 10;  // between what happened and what was predicted

struct Range {
  double begin = 0;
  double end = 0;
};

// Of both timelines. Empty for a step without spans.
Range range_of(const Trace& trace, const std::vector<Interval>& predicted, std::int64_t step) {
  Range range;
  bool first = true;
  for (std::size_t i = 0; i < trace.spans.size(); ++i) {
    const Span& span = trace.spans[i];
    if (span.step != step) continue;
    const double begin = span.predicted_ns > 0 ? std::min(span.start_ns, predicted[i].start_ns) : span.start_ns;
    const double end = span.predicted_ns > 0 ? std::max(span.end_ns, predicted[i].end_ns) : span.end_ns;
    range.begin = first ? begin : std::min(range.begin, begin);
    range.end = first ? end : std::max(range.end, end);
    first = false;
  }
  return range;
}

class Picture {
 public:
  Picture(Svg& svg, const Range& range, const std::map<std::string, int>& colours)
      : svg_(svg), range_(range), colours_(colours) {}

  double x(double ns) const { return kLeft + (ns - range_.begin) / (range_.end - range_.begin) * (kRight - kLeft); }

  void box(const Span& span, const Interval& at, double y, const std::string& kind, const std::string& label) {
    const auto found = colours_.find(span.device);
    // Half a pixel can still be seen.
    const double width = std::max(0.5, x(at.end_ns) - x(at.start_ns));
    svg_.rect(x(at.start_ns), y + 2, width, kLane - 4,
              kind + " " + colour_class(found == colours_.end() ? 0 : found->second), label);
    const double letters = 6.0 * static_cast<double>(span.label.size());
    if (width > letters + 4) {
      svg_.text(x(at.start_ns) + width / 2, y + kLane / 2 + 4, Anchor::kMiddle, span.label,
                kind == "fill" ? "small on-fill" : "small");
    }
  }

  void axis(double bottom) {
    const double length = range_.end - range_.begin;
    const double power = std::pow(10.0, std::floor(std::log10(length / 5)));
    double tick = power;
    for (const double part : {2.0, 5.0, 10.0}) {
      if (length / tick > 7) tick = part * power;
    }
    for (double ns = 0; ns <= length; ns += tick) {
      svg_.line(x(range_.begin + ns), kTop, x(range_.begin + ns), bottom, "grid");
      svg_.text(x(range_.begin + ns), bottom + 15, Anchor::kMiddle, ns == 0 ? "0" : format_value(ns, "ns"));
    }
  }

 private:
  Svg& svg_;
  Range range_;
  const std::map<std::string, int>& colours_;
};

}  // namespace

std::string timeline_picture(const Trace& trace, const std::vector<Interval>& predicted, std::int64_t step,
                             const std::map<std::string, int>& colours) {
  const Range range = range_of(trace, predicted, step);
  if (!(range.end > range.begin)) return "";
  std::map<std::string, double> lane;  // of what happened, by device
  bool any_predicted = false;
  for (const Span& span : trace.spans) {
    if (span.step != step) continue;
    any_predicted = any_predicted || span.predicted_ns > 0;
    if (!lane.contains(span.device)) lane.emplace(span.device, kTop + kLane * static_cast<double>(lane.size()));
  }
  const double below = kLane * static_cast<double>(lane.size()) + kGap;  // from a device's lane to its predicted one
  const double bottom = kTop + below + (any_predicted ? below - kGap : -kGap);
  Svg svg(kWidth, bottom + 22, "timeline of step " + std::to_string(step) + ", measured above, predicted below");
  Picture picture(svg, range, colours);
  picture.axis(bottom);
  for (const auto& [device, y] : lane) {
    svg.text(kLeft - 8, y + kLane / 2 + 4, Anchor::kEnd, device);
    if (any_predicted) svg.text(kLeft - 8, y + below + kLane / 2 + 4, Anchor::kEnd, "predicted", "small");
  }
  const auto middle = [](double y) { return y + kLane / 2; };
  for (std::size_t i = 0; i < trace.spans.size(); ++i) {
    const Span& span = trace.spans[i];
    if (span.step != step) continue;
    const double y = lane.at(span.device);
    picture.box(span, {span.start_ns, span.end_ns}, y, "fill",
                span.label + ": " + format_value(span.end_ns - span.start_ns, "ns"));
    if (span.predicted_ns > 0) {
      picture.box(span, predicted[i], y + below, "foreseen",
                  span.label + ", predicted: " + format_value(span.predicted_ns, "ns"));
    }
    for (const std::int32_t earlier : span.waits_on) {
      if (earlier < 0 || static_cast<std::size_t>(earlier) >= i) continue;
      const Span& from = trace.spans[static_cast<std::size_t>(earlier)];
      if (from.device == span.device || from.step != step) continue;
      svg.line(picture.x(from.end_ns), middle(lane.at(from.device)), picture.x(span.start_ns), middle(y), "join");
    }
  }
  return svg.finish();
}

std::vector<std::int64_t> typical_steps(const Trace& trace) {
  std::map<std::int64_t, Range> steps;
  for (const Span& span : trace.spans) {
    const auto [at, added] = steps.emplace(span.step, Range{span.start_ns, span.end_ns});
    at->second.begin = std::min(at->second.begin, span.start_ns);
    at->second.end = std::max(at->second.end, span.end_ns);
  }
  if (steps.empty()) return {};
  std::vector<std::int64_t> chosen = {steps.begin()->first};
  std::vector<std::pair<double, std::int64_t>> others;  // by length
  for (auto at = std::next(steps.begin()); at != steps.end(); ++at) {
    others.emplace_back(at->second.end - at->second.begin, at->first);
  }
  std::sort(others.begin(), others.end());
  if (!others.empty()) chosen.push_back(others[others.size() / 2].second);
  return chosen;
}

}  // namespace hetero
