#include "reports/render_markdown.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <utility>

#include "base/units.h"
#include "profiles/cost_model.h"
#include "reports/statistics.h"
#include "reports/words.h"

namespace hetero {
namespace {

// Together with the fixed lines these keep to kMostMarkdownLines; the tests hold them to it.
constexpr std::size_t kMostDevices = 8;
constexpr std::size_t kMostBuckets = 9;  // decode and every standard prompt length
constexpr std::size_t kMostDivisions = 4;
constexpr std::size_t kMostOtherPlans = 3;
constexpr std::size_t kLongestText = 200;  // bytes of a name, a command, a sentence
constexpr const char* kNone = "-";

std::string count_of(std::size_t count, const std::string& thing) {
  return std::to_string(count) + " " + thing + (count == 1 ? "" : "s");
}

// Not in the middle of a character.
std::string shortened(const std::string& text) {
  if (text.size() <= kLongestText) return text;
  std::size_t end = kLongestText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + " ...";
}
std::string shown(const std::string& text) { return escape_markdown(shortened(text)); }

std::string table_row(const std::vector<std::string>& cells) {
  std::string line = "|";
  for (const std::string& cell : cells) line += " " + cell + " |";
  return line + "\n";
}
std::string table_head(const std::vector<std::string>& cells) {
  std::string line = table_row(cells) + "|";
  for (std::size_t i = 0; i < cells.size(); ++i) line += " --- |";
  return line + "\n";
}

std::string runs_text(const Report& report) {
  if (report.runs.empty()) return "- No run is stored. `hetero-tune run --model FILE.gguf` makes one.\n";
  const Store::RunRow& run = report.runs.back();
  const RunInfo& info = run.info;
  std::string text = "- Machine: " + shown(info.cpu) + ", host " + shown(info.host) + "\n";
  text += "- Latest run: " + std::to_string(run.id) + " (of " + count_of(report.runs.size(), "run") + "), " +
          shown(info.started_utc) + ", " + (run.outcome.empty() ? "unfinished" : shown(run.outcome)) + ", " +
          count_of(static_cast<std::size_t>(run.samples), "sample") + ", load average " +
          number_text("%.2f", info.load_average) + "\n";
  text += "- Program: hetero " + shown(info.program_version) + ", " + shown(info.build_type) + " build\n";
  text += "- Command: " + shown(info.command) + "\n";
  return text;
}

std::string samples_text(const Report& report) {
  std::int64_t total = 0;
  std::string list;
  for (const auto& [status, count] : report.samples) {
    total += count;
    list += (list.empty() ? "" : ", ") + std::to_string(count) + " " + std::string(name_of(status));
  }
  return "- Samples: " + std::to_string(total) + (list.empty() ? "" : " (" + escape_markdown(list) + ")") + "\n";
}

std::string device_row(const DeviceProfile& device) {
  std::string together;
  for (const auto& [with, figure] : device.bandwidth_together_gbps) {
    together += (together.empty() ? "" : "; ") + figure_text(device, figure, number_text("%.1f", figure.value)) +
                " with " + with;
  }
  std::string join = kNone;
  if (!device.join_ns.empty()) {
    const std::string waiter = CostModel({device}).best_waiter(device.device);
    const Figure& figure = device.join_ns.at(waiter);
    join = figure_text(device, figure, format_duration_ns(figure.value)) + " " + waiter;
  }
  const std::string times = times_of(device);
  return table_row({shown(device.device), shown(device.kind), shown(device.name + ", " + device.driver),
                    times == "measured" ? times : "**" + times + "**",
                    shown(figure_text(device, device.bandwidth_gbps, number_text("%.1f", device.bandwidth_gbps.value))),
                    together.empty() ? kNone : shown(together),
                    shown(figure_text(device, device.launch_ns, format_duration_ns(device.launch_ns.value))),
                    shown(join)});
}

std::string devices_text(const Report& report) {
  std::string text = "## Devices\n\n";
  if (report.devices.empty()) return text + "No profile is stored.\n";
  text += table_head({"device", "kind", "name, driver", "times", "GB/s alone", "GB/s together", "launch", "join"});
  // The latest are what is in use.
  const std::size_t left_out = report.devices.size() > kMostDevices ? report.devices.size() - kMostDevices : 0;
  std::vector<std::string> not_real;
  for (std::size_t i = left_out; i < report.devices.size(); ++i) text += device_row(report.devices[i].profile);
  for (const Store::ProfileRow& row : report.devices) {
    const std::string times = times_of(row.profile);
    if (times == "emulated" || times == "simulated") not_real.push_back(row.profile.device);
  }
  if (left_out > 0) text += "\n" + count_of(left_out, "older profile") + " left out.\n";
  if (!not_real.empty()) {
    text += "\n**Not hardware:** " + shown(joined(not_real, ", ")) +
            ". Its times come from a profile, none of them is a measurement of such a device.\n";
  }
  return text;
}

std::string division_cell(const PlanBucket& bucket) {
  const std::vector<std::string> lines = division_lines(bucket);
  std::string cell;
  for (std::size_t i = 0; i < lines.size() && i < kMostDivisions; ++i) cell += (i == 0 ? "" : "; ") + shown(lines[i]);
  if (lines.size() > kMostDivisions) cell += "; " + std::to_string(lines.size() - kMostDivisions) + " more";
  return cell;
}

std::string timing_cell(const Report& report, const std::optional<GateTiming>& timing, std::int64_t rows) {
  if (!timing || !(timing->median_ns > 0)) return kNone;
  std::string cell = format_duration_ns(timing->median_ns) + ", " +
                     number_text("%.1f tok/s", static_cast<double>(timing->rows) / timing->median_ns * 1e9) + " (" +
                     number_text("MAD %.1f %%, ", 100 * timing->mad_ns / timing->median_ns) +
                     count_of(timing->samples_ns.size(), "sample");
  if (timing->rows != rows) cell += ", at " + count_of(static_cast<std::size_t>(timing->rows), "row");
  if (const std::string times = times_of(report, timing->devices); times != "measured") cell += ", " + times;
  return cell + ")";
}

std::string bucket_row(const Report& report, const PlanBucket& bucket, const GateTimes& gate) {
  const std::int64_t rows = bucket.phase == Phase::kDecode ? 1 : bucket.tokens;
  const double predicted = predicted_ns(bucket, gate);
  const std::optional<double> error = prediction_error(bucket, gate);
  const std::string single = gate.single ? shown(joined(gate.single->devices, " + ")) + ": " : "";
  return table_row({label_of(bucket), division_cell(bucket), predicted > 0 ? format_duration_ns(predicted) : kNone,
                    timing_cell(report, gate.plan, rows), single + timing_cell(report, gate.single, rows),
                    error ? number_text("%+.1f %%", 100 * *error) : kNone});
}

std::string verdict_line(const Report& report, const PlanBucket& bucket, const GateTimes& gate) {
  const std::string label = "- " + label_of(bucket) + ": ";
  if (!bucket.verdict) return label + "not judged.\n";
  const PlanBucket::Verdict& verdict = *bucket.verdict;
  const std::string alone = verdict.best_single + " alone";
  // A reason often begins with what stands before it here.
  const bool repeats = !verdict.adopted && verdict.reason.starts_with(alone);
  std::string line = label + (verdict.adopted ? "**adopted**" : "**" + shown(alone) + "**");
  if (!verdict.reason.empty()) {
    line += repeats ? shown(verdict.reason.substr(alone.size())) : ": " + shown(verdict.reason);
  }
  // Without times there was nothing to compare, and the ratio is none.
  if (gate.plan && gate.single) {
    line += "; " + number_text("%.2f", verdict.plan_over_single) + " x the time of " + shown(verdict.best_single);
    std::vector<std::string> devices = gate.plan->devices;
    devices.insert(devices.end(), gate.single->devices.begin(), gate.single->devices.end());
    if (const std::string times = times_of(report, devices); times != "measured") line += " (**" + times + "**)";
  }
  return line + ".\n";
}

std::string plan_title(const PlanReport& plan) {
  const std::string& name = plan.model_name.empty() ? plan.plan.model_fingerprint : plan.model_name;
  return shown(name) + " on " + shown(joined(plan.plan.devices, " + "));
}

GateTimes gate_of(const PlanReport& plan, std::size_t bucket) {
  return bucket < plan.gate.size() ? plan.gate[bucket] : GateTimes{};
}

std::string plan_text(const Report& report, const PlanReport& plan) {
  std::string text = "## Plan: " + plan_title(plan) + "\n\n";
  text += "Origin " + shown(plan.plan.origin) + ", run " + std::to_string(plan.run) + " (" + shown(plan.started_utc) +
          "), model " + shown(plan.plan.model_fingerprint);
  for (const auto& [id, bytes] : plan.plan.memory_bytes)
    text += "; " + format_bytes(bytes) + " on " + escape_markdown(id);
  for (const auto& [id, waiter] : plan.plan.waiters)
    text += "; " + escape_markdown(id) + " waits by " + escape_markdown(waiter);
  text += ".";
  if (const std::vector<std::string> changed = changed_devices(report, plan.plan); !changed.empty()) {
    text += " **Changed since the plan was made: " + shown(joined(changed, ", ")) + ".**";
  }
  text += "\n\n" + table_head({"bucket", "division in force", "predicted", "candidate plan in the gate",
                               "best single device in the gate", "gate over predicted"});
  const std::vector<PlanBucket>& buckets = plan.plan.buckets;
  const std::size_t rows = std::min(buckets.size(), kMostBuckets);
  for (std::size_t i = 0; i < rows; ++i) {
    text += bucket_row(report, buckets[i], gate_of(plan, i));
  }
  if (buckets.size() > rows) text += "\n" + count_of(buckets.size() - rows, "more bucket") + " left out.\n";
  text += "\n## Verdicts of the no-harm gate, by the median of the pairs\n\n";
  for (std::size_t i = 0; i < rows; ++i) text += verdict_line(report, buckets[i], gate_of(plan, i));
  return text;
}

std::string plans_text(const Report& report) {
  if (report.plans.empty()) return "## Plan\n\nNo plan is stored. `hetero-tune run --model FILE.gguf` makes one.\n";
  std::string text = plan_text(report, report.plans.back());
  const std::size_t others = report.plans.size() - 1;
  if (others == 0) return text;
  text += "\n" + count_of(others, "other plan") + ": ";
  for (std::size_t i = 0; i < others && i < kMostOtherPlans; ++i) {
    text += (i == 0 ? "" : "; ") + plan_title(report.plans[others - 1 - i]);
  }
  return text + (others > kMostOtherPlans ? "; ..." : "") + ". See `hetero-report json`.\n";
}

// "1568 tok/s (MAD 0.5 %, 5 samples), first token after 163 ms, 26 % of 1860 Gop/s"
std::string rate_cell(const RateRow& row, const MachineLimits& limits) {
  const double median = median_of(row.tok_per_s);
  std::string cell = number_text("%.1f tok/s", median) +
                     number_text(" (MAD %.1f %%, ", 100 * mad_of(row.tok_per_s) / median) +
                     count_of(row.tok_per_s.size(), "sample") + ")";
  if (const std::int64_t prompt = prompt_tokens(row); prompt > 0) {
    cell += ", first token after " + format_duration_ns(static_cast<double>(prompt) / median * 1e9);
  }
  if (const std::string part = part_of_limit(row, limits); !part.empty()) cell += ", " + part;
  return cell + (row.emulated ? ", **emulated**" : "");
}

std::string rates_text(const std::vector<RateRow>& rates, const MachineLimits& limits, std::size_t room) {
  std::vector<std::string> tests;
  std::vector<std::pair<std::string, std::string>> contenders;  // model and name
  for (const RateRow& row : rates) {
    if (std::find(tests.begin(), tests.end(), row.test) == tests.end()) tests.push_back(row.test);
    const std::pair<std::string, std::string> who = {row.model, row.who};
    if (std::find(contenders.begin(), contenders.end(), who) == contenders.end()) contenders.push_back(who);
  }
  constexpr std::size_t kFixedLines = 11;  // with an empty line before, what is left out, the weights and the limits
  if (room < kFixedLines + 1) return "";
  const std::size_t shown_rows = std::min(contenders.size(), room - kFixedLines);

  const bool models =
      std::any_of(rates.begin(), rates.end(), [&](const RateRow& row) { return row.model != rates.front().model; });
  std::vector<std::string> head = {"what"};
  if (models) head.emplace_back("model");
  for (const std::string& test : tests) head.push_back(shown(test));
  head.emplace_back("peak memory");
  const std::string& model = rates.front().model;
  std::string text = "\n## Rates" + (models || model.empty() ? "" : ": " + shown(model)) + "\n\n" + table_head(head);
  for (std::size_t i = 0; i < shown_rows; ++i) {
    std::vector<std::string> cells = {shown(contenders[i].second)};
    if (models) cells.push_back(shown(contenders[i].first));
    std::int64_t memory = 0;
    for (const std::string& test : tests) {
      const auto row = std::find_if(rates.begin(), rates.end(), [&](const RateRow& r) {
        return r.test == test && r.model == contenders[i].first && r.who == contenders[i].second;
      });
      cells.push_back(row == rates.end() ? kNone : rate_cell(*row, limits));
      if (row != rates.end()) memory = std::max(memory, row->peak_rss_bytes);
    }
    cells.push_back(memory > 0 ? number_text("%.0f MiB", static_cast<double>(memory) / (1 << 20)) : kNone);
    text += table_row(cells);
  }
  if (contenders.size() > shown_rows)
    text += "\n" + std::to_string(contenders.size() - shown_rows) + " more left out.\n";
  std::string words = limits_text(rates, limits);
  if (from_several_files(rates)) words += " Not all of these took turns in one run.";
  if (!words.empty()) text += "\n" + escape_markdown(words) + "\n";
  if (const std::vector<std::string> weights = weights_texts(rates); !weights.empty()) {
    text += "\nWeights: " + escape_markdown(joined(weights, "; ")) + ".\n";
  }
  return text;
}

}  // namespace

std::string escape_markdown(std::string_view text) {
  const auto is_word = [&](std::size_t i) {
    return i < text.size() && std::isalnum(static_cast<unsigned char>(text[i]));
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool inside = i > 0 && is_word(i - 1) && is_word(i + 1);  // of a word
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      out += ' ';
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if ((c == '@' || c == '#') && is_word(i + 1) && !inside) {
      // GitHub looks for mentions in the text after Markdown, where an escape is gone: a space of no width stops it.
      out += std::string(1, c) + "&#8203;";
    } else if (c == '_') {
      out += inside ? "_" : "\\_";
    } else {
      if (std::string_view("\\`*[]|~#").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

std::string render_markdown(const Report& report) {
  return "# hetero: " + shown(report.database) + "\n\n" + runs_text(report) + samples_text(report) + "\n" +
         devices_text(report) + "\n" + plans_text(report);
}

std::string render_markdown(const Report& report, std::vector<RateRow> rates, const MachineLimits& limits) {
  share_model_facts(rates);
  const std::string text = render_markdown(report);
  const auto lines = static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
  return text + (rates.empty() ? ""
                               : rates_text(rates, limits,
                                            kMostMarkdownLines - std::min<std::size_t>(lines, kMostMarkdownLines)));
}

}  // namespace hetero
