#include <algorithm>
#include <iterator>
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
                html_of(chart), table);
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
      html_of(chart), table);
}

// The number of rows, above 1, at which the most weights were timed; 0: none.
std::int64_t usual_rows(const Characteristics& characteristics) {
  std::map<std::int64_t, std::size_t> timed;
  for (const OpSamples& s : characteristics.ops) {
    if (s.op.kind == OpKind::kMatmul && s.op.m > 1) ++timed[s.op.m];
  }
  std::int64_t best = 0;
  for (const auto& [m, count] : timed) {
    if (best == 0 || count > timed[best]) best = m;
  }
  return best;
}

// The same number of weights in another shape or order can take another time: on some devices several times as long.
std::string shape_figure(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  constexpr std::size_t kMostShapes = 16;
  const std::int64_t m = usual_rows(characteristics);
  if (m == 0) return "";
  std::map<std::tuple<std::int64_t, std::int64_t, std::string>, std::map<std::string, double>> shapes;  // by weights, n
  for (const OpSamples& s : characteristics.ops) {
    if (s.op.kind != OpKind::kMatmul || s.op.m != m) continue;
    shapes[{-s.op.n * s.op.k, s.op.n, shape_text(s.op)}][s.device] = gflops_of(s);
  }
  while (shapes.size() > kMostShapes) shapes.erase(std::prev(shapes.end()));  // the smallest
  BarChart chart{"GFLOPS by shape of the weight", {}, {"arithmetic rate of a matmul", "GFLOPS", Scale::kLinear}, {}};
  HtmlTable table{{"weight (n x k)"}, {}};
  for (const std::string& id : devices_with_ops(characteristics)) {
    chart.series.push_back({device_label(report, id), colours.at(id), {}});
    table.head.push_back("#" + device_label(report, id) + ", GFLOPS");
  }
  for (const auto& [key, rates] : shapes) {
    chart.categories.push_back(std::get<std::string>(key));
    std::vector<std::string> row = {chart.categories.back()};
    std::size_t i = 0;
    for (const std::string& id : devices_with_ops(characteristics)) {
      const auto rate = rates.find(id);
      chart.series[i++].values.push_back(rate == rates.end() ? std::nullopt : std::optional(rate->second));
      row.push_back(rate == rates.end() ? "-" : number_text("%.1f", rate->second));
    }
    table.rows.push_back(row);
  }
  return figure("Shape and order of the operands: arithmetic rate by weight at " + std::to_string(m) +
                    " rows, the largest weights first. Output features x length of the sums.",
                html_of(chart), table);
}

// A static device runs the graph of the next size: its time climbs in stages.
std::string stage_figure(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  XyChart chart{"time of a matmul on static devices against rows",
                {"rows of activations", "", Scale::kLinear},
                {"time of a matmul", "ns", Scale::kLinear},
                {}};
  HtmlTable table{{"device", "weight (n x k)", "#rows from", "#to", "#median", "#a row, at most", "times"}, {}};
  for (const Store::ProfileRow& row : report.devices) {
    const std::string& id = row.profile.device;
    if (row.profile.standard_sizes.empty()) continue;
    const std::vector<const OpSamples*> curve = typical_curve(matmuls_of(characteristics, id));
    if (curve.size() < 2) continue;
    Series line{device_label(report, id) + ", " + shape_text(curve[0]->op), colours.at(id), SeriesStyle::kStepsTo, {}};
    std::int64_t from = 1;
    for (const OpSamples* s : curve) {
      const double median = median_of(s->samples_ns);
      if (line.points.empty()) line.points.push_back({0, median, "up to"});
      line.points.push_back({static_cast<double>(s->op.m), median, "up to"});
      table.rows.push_back({id, shape_text(s->op), std::to_string(from), std::to_string(s->op.m),
                            format_value(median, "ns"), format_value(median / static_cast<double>(from), "ns"),
                            times_of(report, {id})});
      from = s->op.m + 1;
    }
    chart.series.push_back(line);
  }
  if (chart.series.empty()) return "";
  return figure("Stages of static devices: rows that fit no graph are padded to the next one and cost as much.",
                html_of(chart), table);
}

std::string group_label(const Report& report, const SampleGroup& group, const std::string& what) {
  return device_label(report, group.device) + (what.empty() ? "" : " " + what) +
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

std::vector<std::string> devices_with_ops(const Characteristics& characteristics) {
  std::vector<std::string> ids;
  for (const OpSamples& s : characteristics.ops) {
    if (ids.empty() || ids.back() != s.device) ids.push_back(s.device);
  }
  return ids;
}

HtmlSection compute_section(const Report& report, const Characteristics& characteristics,
                            const DeviceColours& colours) {
  return {"compute", "Arithmetic",
          speed_figure(report, characteristics, colours) + roofline_figure(report, characteristics, colours) +
              shape_figure(report, characteristics, colours) + stage_figure(report, characteristics, colours)};
}

HtmlSection memory_section(const Report& report, const Characteristics& characteristics, const DeviceColours& colours) {
  StripChart chart{"bandwidth alone and together", {"bandwidth of streaming reads", "GB/s", Scale::kLinear}, {}};
  HtmlTable table = group_table();
  for (const SampleGroup& group : characteristics.bandwidth_gbps) {
    const std::string what = group.active_with.empty() ? "alone" : "";
    add_row(report, group, group_label(report, group, what), "GB/s", colours, chart, table);
  }
  std::string body = figure("Bandwidth alone, and while others stream too. Every dot is a sample, the bar the median.",
                            html_of(chart), table);
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
      html_of(chart), table);
  if (!characteristics.graph_compile_ns.empty()) {
    StripChart graphs{"graph compile times", {"compile time of a graph", "ns", Scale::kLog}, {}};
    HtmlTable graph_table = group_table();
    for (const SampleGroup& group : characteristics.graph_compile_ns) {
      const OpDesc op = parse_op_desc(group.subject);
      add_row(report, group, group_label(report, group, std::to_string(op.m) + " x " + shape_text(op)), "ns", colours,
              graphs, graph_table);
    }
    body += figure("Compiling a static graph of one matmul (rows x n x k).", html_of(graphs), graph_table);
  }
  return {"latency", "Launch, join, compile", body};
}

}  // namespace hetero
