#include "tuner/apps/simulate_lanes.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "base/units.h"

namespace hetero {
namespace {

constexpr int kColumns = 78;

struct Window {
  std::string name;
  double begin_ns = 0;
  double end_ns = 0;
};

// The layer in a label as the schedule writes it ("L3 ffn_in"); -1: none.
int layer_of(const Span& span) {
  int layer = -1;
  return std::sscanf(span.label.c_str(), "L%d ", &layer) == 1 ? layer : -1;
}

char letter_of(const Span& span) {
  const std::string block = span.label.substr(span.label.find(' ') + 1);
  static constexpr std::pair<const char*, char> kLetters[] = {{"attention_in", 'q'},  {"attention", 't'},
                                                              {"attention_out", 'o'}, {"ffn_in", 'f'},
                                                              {"ffn_out", 'd'},       {"head", 'h'}};
  for (const auto& [name, letter] : kLetters) {
    if (block == name) return letter;
  }
  return '#';
}

// The middle one of the layers at which segments begin, up to where the next begins; the whole step when there are
// fewer than three.
Window window_of(const std::vector<Span>& spans) {
  Window whole{"the step", spans.front().start_ns, spans.front().end_ns};
  std::map<int, double> begins;
  for (const Span& span : spans) {
    whole.begin_ns = std::min(whole.begin_ns, span.start_ns);
    whole.end_ns = std::max(whole.end_ns, span.end_ns);
    const int layer = layer_of(span);
    if (layer < 0) continue;
    const auto [entry, is_new] = begins.emplace(layer, span.start_ns);
    if (!is_new) entry->second = std::min(entry->second, span.start_ns);
  }
  if (begins.size() < 3) return whole;
  const auto middle = std::next(begins.begin(), static_cast<std::ptrdiff_t>(begins.size() / 2));
  const auto after = std::next(middle);
  const double end = after == begins.end() ? whole.end_ns : after->second;
  if (!(end > middle->second)) return whole;
  const int layers = after == begins.end() ? 1 : after->first - middle->first;
  const std::string first = std::to_string(middle->first);
  const std::string name =
      layers == 1 ? "layer " + first : "layers " + first + " to " + std::to_string(middle->first + layers - 1);
  return {name + " of the step", middle->second, end};
}

// The letter of whoever takes most of [begin, end), or '.'.
char column(const std::vector<const Span*>& lane, double begin, double end) {
  std::map<char, double> time;
  double busy = 0;
  for (const Span* span : lane) {
    const double part = std::min(end, span->end_ns) - std::max(begin, span->start_ns);
    if (part <= 0) continue;
    time[letter_of(*span)] += part;
    busy += part;
  }
  if (busy < (end - begin) / 2) return '.';
  return std::max_element(time.begin(), time.end(), [](const auto& a, const auto& b) { return a.second < b.second; })
      ->first;
}

}  // namespace

std::string lanes_text(const std::vector<Span>& spans, const std::vector<std::string>& devices) {
  if (spans.empty()) return "";
  const Window window = window_of(spans);
  const double width = window.end_ns - window.begin_ns;
  if (!(width > 0)) return "";
  std::string text =
      window.name + ", " + format_duration_ns(width) + ", " + format_duration_ns(width / kColumns) + " a column\n";
  for (const std::string& device : devices) {
    std::vector<const Span*> lane;
    double busy = 0;
    for (const Span& span : spans) {
      if (span.device != device) continue;
      lane.push_back(&span);
      busy += std::max(0.0, std::min(window.end_ns, span.end_ns) - std::max(window.begin_ns, span.start_ns));
    }
    std::string line;
    for (int c = 0; c < kColumns; ++c) {
      line += column(lane, window.begin_ns + width * c / kColumns, window.begin_ns + width * (c + 1) / kColumns);
    }
    char row[160];
    std::snprintf(row, sizeof row, "  %-10.10s |%s| %3.0f %%\n", device.substr(device.rfind('/') + 1).c_str(),
                  line.c_str(), 100 * busy / width);
    text += row;
  }
  return text;
}

}  // namespace hetero
