// Sections that other files than the database fill: a trace, recorded kernel searches, benchmark rows.
#include <algorithm>
#include <map>

#include "base/units.h"
#include "reports/html/chart.h"
#include "reports/html/sections.h"
#include "reports/html/timeline.h"
#include "reports/markup.h"
#include "reports/statistics.h"
#include "reports/words.h"

namespace hetero {
namespace {

constexpr std::size_t kMostSpans = 400;  // rows of a table; the trace itself has all

int colour_or_next(const DeviceColours& colours, const std::string& id) {
  const auto found = colours.find(id);
  return found == colours.end() ? static_cast<int>(colours.size()) : found->second;
}

// Of one step.
struct Busy {
  double measured_ns = 0;
  double predicted_ns = 0;
  std::size_t segments = 0;
  bool whole = true;  // every segment has a prediction
};

std::string step_figure(const std::string& title, const TraceFile& file, const std::vector<Interval>& predicted,
                        std::int64_t step, const DeviceColours& colours) {
  const Trace& trace = file.trace;
  std::map<std::string, Busy> devices;
  HtmlTable spans{{"segment", "device", "#start", "#measured", "#predicted", "#until the host knew", "waits on"}, {}};
  double begin = 0;
  double end = 0;
  double predicted_end = 0;
  double predicted_begin = 0;
  std::int64_t tokens = 0;
  std::size_t left_out = 0;
  bool first = true;
  for (std::size_t i = 0; i < trace.spans.size(); ++i) {
    const Span& span = trace.spans[i];
    if (span.step != step) continue;
    begin = first ? span.start_ns : std::min(begin, span.start_ns);
    predicted_begin = first ? predicted[i].start_ns : predicted_begin;
    first = false;
    end = std::max(end, span.end_ns);
    predicted_end = std::max(predicted_end, predicted[i].end_ns);
    tokens = std::max(tokens, span.cached_tokens);
    Busy& busy = devices[span.device];
    busy.measured_ns += span.end_ns - span.start_ns;
    busy.predicted_ns += span.predicted_ns;
    busy.whole = busy.whole && span.predicted_ns > 0;
    ++busy.segments;
    if (spans.rows.size() == kMostSpans) {
      ++left_out;
      continue;
    }
    std::string waits;
    for (const std::int32_t earlier : span.waits_on) {
      if (earlier < 0 || static_cast<std::size_t>(earlier) >= trace.spans.size()) continue;
      const Span& from = trace.spans[static_cast<std::size_t>(earlier)];
      waits += (waits.empty() ? "" : ", ") + from.label + " on " + from.device;
    }
    spans.rows.push_back({span.label, span.device, format_value(span.start_ns - begin, "ns"),
                          format_value(span.end_ns - span.start_ns, "ns"),
                          span.predicted_ns > 0 ? format_value(span.predicted_ns, "ns") : "-",
                          format_value(std::max(0.0, span.joined_ns - span.end_ns), "ns"), waits});
  }
  HtmlTable summary{
      {"device", "#segments", "#at work, measured", "#of the step", "#predicted", "#measured over predicted"}, {}};
  bool whole = true;
  for (const auto& [id, busy] : devices) {
    whole = whole && busy.whole;
    summary.rows.push_back(
        {id, std::to_string(busy.segments), format_value(busy.measured_ns, "ns"),
         number_text("%.0f %%", 100 * busy.measured_ns / (end - begin)),
         busy.whole ? format_value(busy.predicted_ns, "ns") : "-",
         busy.whole ? number_text("%+.1f %%", 100 * (busy.measured_ns / busy.predicted_ns - 1)) : "-"});
  }
  const double foreseen = predicted_end - predicted_begin;
  summary.rows.push_back({"the step", "", format_value(end - begin, "ns"), "",
                          whole ? format_value(foreseen, "ns") : "-",
                          whole ? number_text("%+.1f %%", 100 * ((end - begin) / foreseen - 1)) : "-"});
  std::string caption = tokens > 0 ? std::to_string(tokens) + " tokens in the cache. " : "";
  caption +=
      "Above, what each device did; below, over the same axis, the same segments as long as they were predicted, each "
      "begun when its device is free and what it waits on is done, launches and joins left out. Lines are joins.";
  if (left_out > 0) caption += " The table leaves out " + std::to_string(left_out) + " segments.";
  return "<h3>" + title + " (number " + std::to_string(step) + ")</h3>\n" + html_of(summary) +
         figure(caption, timeline_picture(trace, predicted, step, colours), spans);
}

std::string search_figure(const SearchRecord& record, const DeviceColours& colours) {
  const std::string unit = record.unit == "ns" ? "ns" : record.unit;
  const int colour = colour_or_next(colours, record.device);
  XyChart chart{"progress of a kernel search",
                {"evaluation", "", Scale::kLinear},
                {record.objective, unit, Scale::kLog},
                {{"best so far", 7, SeriesStyle::kStepsFrom, {}}, {"evaluation", colour, SeriesStyle::kPoints, {}}}};
  HtmlTable table{{"#evaluation", "configuration", "result", "#" + record.objective, "#best so far"}, {}};
  const std::vector<std::optional<double>> best = record.best_so_far();
  std::map<std::string, std::size_t> states;
  for (std::size_t i = 0; i < best.size(); ++i) {
    const Evaluation& e = record.evaluations[i];
    const double number = static_cast<double>(i + 1);
    if (e.value) chart.series[1].points.push_back({number, *e.value, e.configuration});
    if (best[i]) chart.series[0].points.push_back({number, *best[i]});
    ++states[e.status];
    table.rows.push_back({std::to_string(i + 1), e.configuration, e.status,
                          e.value ? format_value(*e.value, unit) : "-", best[i] ? format_value(*best[i], unit) : "-"});
  }
  std::string counts;
  for (const auto& [state, count] : states)
    counts += (counts.empty() ? "" : ", ") + std::to_string(count) + " " + state;
  std::string words = std::to_string(best.size()) + " evaluations (" + counts + ")";
  if (best.back()) {
    const auto at = std::find(best.begin(), best.end(), best.back());
    words += "; the best, " + format_value(*best.back(), unit) + ", came as number " +
             std::to_string(at - best.begin() + 1) + ": " +
             record.evaluations[static_cast<std::size_t>(at - best.begin())].configuration;
  }
  return "<h3>" + escape_markup(record.kernel.empty() ? record.source : record.kernel) + "</h3>\n" +
         definitions({{"Device", record.device}, {"Driver", record.driver}, {"Recorded in", record.source}}) +
         figure(words + ". Every mark is a configuration, the line the best until then.", html_of(chart), table);
}

}  // namespace

HtmlSection timeline_section(const TraceFile& file, const DeviceColours& colours) {
  const std::vector<Interval> predicted = predicted_timeline(file.trace);
  std::string body = paragraph("From " + file.source + (file.trace.simulated ? ". Its times are simulated." : "."),
                               file.trace.simulated ? "note" : "");
  const std::vector<std::int64_t> steps = typical_steps(file.trace);
  if (steps.empty()) body += paragraph("The trace has no segments.");
  for (const std::int64_t step : steps) {
    const char* title = step == steps.front() ? "The first step" : "A typical later step";
    body += step_figure(title, file, predicted, step, colours);
  }
  return {"timeline", "Timelines, measured and predicted", body};
}

HtmlSection search_section(const Report& report, const std::vector<SearchRecord>& searches,
                           const DeviceColours& colours) {
  std::string body;
  if (!report.kernels.empty()) {
    HtmlTable table{
        {"devices", "kernel", "op that was timed", "parameters", "#time", "#with the defaults", "#time / default"}, {}};
    for (const KernelChoice& choice : report.kernels) {
      const std::vector<std::string> ids = devices_of_family(report, choice.family_fingerprint);
      std::string parameters;
      for (const auto& [name, value] : choice.params) {
        parameters += (parameters.empty() ? "" : ", ") + name + " " + std::to_string(value);
      }
      table.rows.push_back({ids.empty() ? "family " + choice.family_fingerprint : joined(ids, ", "),
                            choice.variant + "#" + std::to_string(choice.revision), choice.subject, parameters,
                            format_value(choice.best_ns, "ns"), format_value(choice.default_ns, "ns"),
                            choice.default_ns > 0 ? number_text("%.2f", choice.best_ns / choice.default_ns) : "-"});
    }
    body += "<h3>Parameters in force</h3>\n" + html_of(table);
  }
  for (const SearchRecord& record : searches) body += search_figure(record, colours);
  return {"search", "Kernel search", body};
}

HtmlSection rates_section(std::vector<RateRow> rates, const Characteristics& characteristics,
                          const DeviceColours& colours) {
  share_model_facts(rates);
  group_by_test(rates);
  const MachineLimits limits = limits_of(characteristics);
  const auto any = [&](const auto& holds) { return std::any_of(rates.begin(), rates.end(), holds); };
  const bool several = from_several_files(rates);
  const bool models = any([&](const RateRow& row) { return row.model != rates.front().model; });
  const bool prompts = any([](const RateRow& row) { return prompt_tokens(row) > 0; });
  const bool parts = any([&](const RateRow& row) { return !part_of_limit(row, limits).empty(); });
  const bool emulated = any([](const RateRow& row) { return row.emulated; });

  HtmlTable samples{{"test", "what", "~tok/s, in order"}, {}};
  HtmlTable table{{"test", "what"}, {}};
  const auto column = [&](bool shown, const char* head) {
    if (shown) table.head.emplace_back(head);
  };
  column(models, "model");
  column(several, "from");
  for (const char* head : {"#tok/s", "#MAD", "#samples"}) column(true, head);
  column(prompts, "#first token after");
  column(true, "#peak memory");
  column(parts, "#of the limit");
  column(emulated, "times");

  std::map<std::string, int> others;  // colours of what is no device, by name: the same in all charts
  std::vector<StripChart> charts;     // one a test
  for (const RateRow& row : rates) {
    const auto device = row.devices.size() == 1 ? colours.find(row.devices[0]) : colours.end();
    const int colour = device != colours.end()
                           ? device->second
                           : others.emplace(row.who, static_cast<int>(colours.size() + others.size())).first->second;
    if (charts.empty() || charts.back().title != row.test) {
      charts.push_back({row.test, {row.test, "tok/s", Scale::kLinear}, {}});
    }
    charts.back().rows.push_back({row.who + (row.emulated ? " (emulated)" : ""), colour, row.tok_per_s, std::nullopt});
    const double median = median_of(row.tok_per_s);
    std::vector<std::string> cells = {row.test, row.who};
    const auto cell = [&](bool shown, const std::string& text) {
      if (shown) cells.push_back(text.empty() ? "-" : text);
    };
    cell(models, row.model);
    cell(several, row.source);
    cell(true, format_value(median, ""));
    cell(true, number_text("%.1f %%", 100 * mad_of(row.tok_per_s) / median));
    cell(true, std::to_string(row.tok_per_s.size()));
    const auto prompt = static_cast<double>(prompt_tokens(row));
    cell(prompts, prompt > 0 ? format_value(prompt / median * 1e9, "ns") : "");
    const double memory = static_cast<double>(row.peak_rss_bytes) / (1 << 20);
    cell(true, memory > 0 ? number_text("%.0f MiB", memory) : "");
    cell(parts, part_of_limit(row, limits));
    cell(emulated, row.emulated ? "emulated" : "measured");
    table.rows.push_back(std::move(cells));
    std::vector<std::string> each;
    for (const double value : row.tok_per_s) each.push_back(format_value(value, ""));
    samples.rows.push_back({row.test, row.who, joined(each, ", ")});
  }
  std::string drawings;
  for (const StripChart& chart : charts) drawings += html_of(chart);
  std::string caption =
      "Tokens per second, by test: ppN is a prompt of N tokens, tgN are N tokens one by one. Every "
      "mark is a repetition, the bar the median. Peak memory is the process's: what was measured in one "
      "process shares it.";
  if (several) caption += " Rows of one file took turns; those of different files did not.";
  if (!models && !rates.front().model.empty()) caption += " The model is " + rates.front().model + ".";
  if (const std::string text = limits_text(rates, limits); !text.empty()) caption += " " + text;
  std::string body = figure(caption, drawings, samples) + html_of(table);
  if (const std::vector<std::string> weights = weights_texts(rates); !weights.empty()) {
    HtmlTable origin{{"what", "~its weights", "#bytes"}, {}};
    for (const RateRow& row : rates) {
      std::vector<std::string> cells = {row.who, row.weights,
                                        format_bytes(static_cast<std::uint64_t>(row.model_bytes))};
      const bool known = std::find(origin.rows.begin(), origin.rows.end(), cells) != origin.rows.end();
      if (!row.weights.empty() && !known) origin.rows.push_back(std::move(cells));
    }
    body += "<h3>Weights</h3>\n" + html_of(origin);
  }
  return {"rates", "Rates of plan, devices and engines", body};
}

}  // namespace hetero
