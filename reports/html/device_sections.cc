#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "reports/html/chart.h"
#include "reports/html/sections.h"
#include "reports/markup.h"
#include "reports/statistics.h"

namespace hetero {
namespace {

double gflops_of(const OpSamples& s) { return flops(s.op) / median_of(s.samples_ns); }  // per ns: 10^9 a second

std::string shape_text(const OpDesc& op) {
  return std::to_string(op.n) + " x " + std::to_string(op.k) + " " + std::string(info(op.w).name);
}

std::vector<const OpSamples*> matmuls_of(const Characteristics& characteristics, const std::string& device) {
  std::vector<const OpSamples*> matmuls;
  for (const OpSamples& s : characteristics.ops) {
    if (s.device == device && s.op.kind == OpKind::kMatmul) matmuls.push_back(&s);
  }
  return matmuls;
}

std::vector<std::string> devices_with_ops(const Characteristics& characteristics) {
  std::vector<std::string> ids;
  for (const OpSamples& s : characteristics.ops) {
    if (ids.empty() || ids.back() != s.device) ids.push_back(s.device);
  }
  return ids;
}

// The weight that was timed at the most numbers of rows, the largest of these: its curve stands for the device.
std::vector<const OpSamples*> typical_curve(const std::vector<const OpSamples*>& matmuls) {
  std::map<std::tuple<DType, std::int64_t, std::int64_t>, std::vector<const OpSamples*>> shapes;
  for (const OpSamples* s : matmuls) shapes[{s->op.w, s->op.n, s->op.k}].push_back(s);
  std::vector<const OpSamples*> best;
  for (const auto& [shape, curve] : shapes) {
    const auto rank = [](const std::vector<const OpSamples*>& c) {
      return c.empty() ? std::pair<std::size_t, std::int64_t>{} : std::pair{c.size(), c[0]->op.n * c[0]->op.k};
    };
    if (rank(curve) > rank(best)) best = curve;
  }
  return best;  // ascending m: so are the characteristics
}

std::string speed_figure(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  XyChart chart{"GFLOPS of matmuls against rows of activations",
                {"rows of activations (1: decode)", "", Scale::kLog},
                {"arithmetic rate of a matmul", "GFLOPS", Scale::kLog},
                {}};
  HtmlTable table{{"device", "weight (n x k)", "#rows", "#GFLOPS", "#median", "#MAD", "#samples", "kind of times"}, {}};
  for (const std::string& id : devices_with_ops(characteristics)) {
    const std::vector<const OpSamples*> matmuls = matmuls_of(characteristics, id);
    if (matmuls.empty()) continue;
    const int colour = colours.at(id);
    Series points{"", colour, SeriesStyle::kPoints, {}};
    for (const OpSamples* s : matmuls) {
      const double gflops = gflops_of(*s);
      const double median = median_of(s->samples_ns);
      points.points.push_back({static_cast<double>(s->op.m), gflops, id + ", " + canonical_text(s->op)});
      table.rows.push_back({id, shape_text(s->op), std::to_string(s->op.m), number_text("%.1f", gflops),
                            format_value(median, "ns"), number_text("%.1f %%", 100 * mad_of(s->samples_ns) / median),
                            std::to_string(s->samples_ns.size()), times_of(report, {id})});
    }
    const std::vector<const OpSamples*> typical = typical_curve(matmuls);
    Series line{device_label(report, id) + ", " + shape_text(typical[0]->op), colour, SeriesStyle::kLine, {}};
    for (const OpSamples* s : typical) line.points.push_back({static_cast<double>(s->op.m), gflops_of(*s)});
    chart.series.push_back(line);
    chart.series.push_back(points);
  }
  return figure("Arithmetic rate against the number of rows. Every mark is a weight's median; the line follows one.",
                svg_of(chart), table);
}

std::string roofline_figure(const Report& report, const Characteristics& characteristics,
                            const DeviceColours& colours) {
  XyChart chart{"Roofline: GFLOPS against arithmetic intensity",
                {"arithmetic intensity", "flop per byte of weights", Scale::kLog},
                {"arithmetic rate", "GFLOPS", Scale::kLog},
                {}};
  HtmlTable table{{"device", "matmul", "#flop/byte", "#GFLOPS", "#of the memory roof"}, {}};
  for (const std::string& id : devices_with_ops(characteristics)) {
    double bandwidth = 0;
    for (const SampleGroup& group : characteristics.bandwidth_gbps) {
      if (group.device == id && group.active_with.empty()) bandwidth = median_of(group.values);
    }
    Series points{device_label(report, id), colours.at(id), SeriesStyle::kPoints, {}};
    double best = 0;
    double least = 1e300;
    double most = 0;
    for (const OpSamples* s : matmuls_of(characteristics, id)) {
      const double intensity = flops(s->op) / streamed_bytes(s->op);
      const double gflops = gflops_of(*s);
      points.points.push_back({intensity, gflops, canonical_text(s->op)});
      const double roof = bandwidth * intensity;
      table.rows.push_back({id, canonical_text(s->op), number_text("%.2f", intensity), number_text("%.1f", gflops),
                            roof > 0 ? number_text("%.0f %%", 100 * gflops / roof) : "-"});
      best = std::max(best, gflops);
      least = std::min(least, intensity);
      most = std::max(most, intensity);
    }
    if (points.points.empty()) continue;
    chart.series.push_back(points);
    if (bandwidth > 0) {
      const double ridge = std::clamp(best / bandwidth, least, most);
      chart.series.push_back(
          {"", colours.at(id), SeriesStyle::kDashedLine, {{least, bandwidth * least}, {ridge, best}, {most, best}}});
      chart.series.back().points[1].y = std::min(best, bandwidth * ridge);
    }
  }
  return figure(
      "Roofline. Left of the bend the measured bandwidth of the device alone bounds the rate; the flat part is the "
      "best "
      "rate measured here, not the peak of the hardware. Weights in a cache can exceed the left part.",
      svg_of(chart), table);
}

std::string group_label(const Report& report, const SampleGroup& group, const std::string& what) {
  return device_label(report, group.device) + " " + what +
         (group.active_with.empty() ? "" : " with " + group.active_with);
}

void add_row(const Report& report, const SampleGroup& group, const std::string& label, const std::string& unit,
             const DeviceColours& colours, StripChart& chart, HtmlTable& table) {
  const auto colour = colours.find(group.device);
  chart.rows.push_back({label, colour == colours.end() ? 0 : colour->second, group.values, std::nullopt});
  const double median = median_of(group.values);
  const auto [low, high] = std::minmax_element(group.values.begin(), group.values.end());
  table.rows.push_back({label, format_value(median, unit), format_value(*low, unit), format_value(*high, unit),
                        number_text("%.1f %%", 100 * mad_of(group.values) / median),
                        std::to_string(group.values.size()), times_of(report, {group.device})});
}

HtmlTable group_table() { return {{"what", "#median", "#least", "#most", "#MAD", "#samples", "kind of times"}, {}}; }

}  // namespace

HtmlSection compute_section(const Report& report, const Characteristics& characteristics,
                            const DeviceColours& colours) {
  return {"compute", "Arithmetic",
          speed_figure(report, characteristics, colours) + roofline_figure(report, characteristics, colours)};
}

HtmlSection memory_section(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  StripChart chart{"bandwidth alone and together", {"bandwidth of streaming reads", "GB/s", Scale::kLinear}, {}};
  HtmlTable table = group_table();
  for (const SampleGroup& group : characteristics.bandwidth_gbps) {
    const std::string what = group.active_with.empty() ? "alone" : "";
    add_row(report, group, group_label(report, group, what), "GB/s", colours, chart, table);
  }
  std::string body = figure("Bandwidth alone, and while others stream too. Every dot is a sample, the bar the median.",
                            svg_of(chart), table);
  HtmlTable slowdowns{{"device", "with", "#decode", "#prefill"}, {}};
  for (const Store::ProfileRow& row : report.devices) {
    for (const Slowdown& s : row.profile.slowdowns) {
      std::string with;
      for (const std::string& id : s.with) with += (with.empty() ? "" : " + ") + id;
      const auto factor = [&](const Figure& f) { return f.value > 0 ? number_text("%.2f x", f.value) : "-"; };
      slowdowns.rows.push_back({device_label(report, row.profile.device), with, factor(s.decode), factor(s.prefill)});
    }
  }
  if (!slowdowns.rows.empty()) {
    body += "<h3>How much longer work takes beside others</h3>\n" + html_of(slowdowns);
  }
  return {"memory", "Memory", body};
}

HtmlSection latency_section(const Report& report, const Characteristics& characteristics,
                            const DeviceColours& colours) {
  StripChart chart{"launch and join latency", {"host time", "ns", Scale::kLog}, {}};
  HtmlTable table = group_table();
  for (const SampleGroup& group : characteristics.launch_ns) {
    add_row(report, group, group_label(report, group, "launch"), "ns", colours, chart, table);
  }
  for (const SampleGroup& group : characteristics.join_ns) {
    add_row(report, group, group_label(report, group, "join by " + group.subject), "ns", colours, chart, table);
  }
  std::string body = figure(
      "Launch: from before the submission until the device works. Join, by waiter: from the device's end until the "
      "host "
      "goes on. Every dot is a sample, the bar the median.",
      svg_of(chart), table);
  if (!characteristics.graph_compile_ns.empty()) {
    StripChart graphs{"graph compile times", {"compile time of a graph", "ns", Scale::kLog}, {}};
    HtmlTable graph_table = group_table();
    for (const SampleGroup& group : characteristics.graph_compile_ns) {
      const OpDesc op = parse_op_desc(group.subject);
      add_row(report, group, group_label(report, group, std::to_string(op.m) + " x " + shape_text(op)), "ns", colours,
              graphs, graph_table);
    }
    body += figure("Compiling a static graph of one matmul (rows x n x k).", svg_of(graphs), graph_table);
  }
  return {"latency", "Launch, join, compile", body};
}

HtmlSection fit_section(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  XyChart chart{"fitted against measured times of ops",
                {"measured median", "ns", Scale::kLog},
                {"the profile says", "ns", Scale::kLog},
                {}};
  HtmlTable table{{"device", "op", "#measured", "#the profile says", "#error"}, {}};
  double least = 1e300;
  double most = 0;
  for (const std::string& id : devices_with_ops(characteristics)) {
    Series points{device_label(report, id), colours.at(id), SeriesStyle::kPoints, {}};
    std::vector<double> errors;
    for (const OpSamples& s : characteristics.ops) {
      if (s.device != id || !s.fitted_ns) continue;
      const double measured = median_of(s.samples_ns);
      points.points.push_back({measured, *s.fitted_ns, canonical_text(s.op)});
      errors.push_back(std::abs(*s.fitted_ns / measured - 1));
      table.rows.push_back({id, canonical_text(s.op), format_value(measured, "ns"), format_value(*s.fitted_ns, "ns"),
                            number_text("%+.1f %%", 100 * (*s.fitted_ns / measured - 1))});
      least = std::min(least, measured);
      most = std::max(most, measured);
    }
    if (points.points.empty()) continue;
    points.name += number_text(", median error %.1f %%", 100 * median_of(errors));
    chart.series.push_back(points);
  }
  if (most > 0) chart.series.push_back({"equal", 7, SeriesStyle::kDashedLine, {{least, least}, {most, most}}});
  return {
      "fit", "Profiles against samples",
      figure("What the fitted profile says of each op against the median that was measured of it. These samples are "
             "the ones that were fitted: it shows what the model cannot express, not how well it foresees.",
             svg_of(chart), table)};
}

}  // namespace hetero
