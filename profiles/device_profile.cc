#include "profiles/device_profile.h"

#include <algorithm>
#include <array>
#include <set>

#include "profiles/json_util.h"
#include "profiles/names.h"

namespace hetero {
namespace {

constexpr const char* kSchema = "hetero.system_profile";
constexpr std::int64_t kLargest = std::int64_t{1} << 40;
constexpr NameTable<Provenance, 6> kProvenances = {
    "provenance", {"measured", "interpolated", "published", "derived", "assumed", "simulated"}};

using Json = nlohmann::ordered_json;

// ---- writing

Json figure_json(const Figure& figure) {
  return {{"value", figure.value},
          {"spread", figure.spread},
          {"provenance", name_of(figure.provenance)},
          {"source", figure.source}};
}

Json figures_json(const std::map<std::string, Figure>& figures) {
  Json object = Json::object();
  for (const auto& [name, figure] : figures) object[name] = figure_json(figure);
  return object;
}

Json curve_json(const MatmulCurve& curve) {
  Json points = Json::array();
  for (const MatmulPoint& point : curve.points) {
    points.push_back({{"m", point.m},
                      {"fixed_ns", figure_json(point.fixed_ns)},
                      {"ns_per_weight", figure_json(point.ns_per_weight)}});
  }
  Json factors = Json::array();
  for (const ShapeFactor& entry : curve.shape_factors) {
    factors.push_back({{"m", entry.m}, {"n", entry.n}, {"k", entry.k}, {"factor", figure_json(entry.factor)}});
  }
  return {{"w", info(curve.w).name}, {"points", std::move(points)}, {"shape_factors", std::move(factors)}};
}

Json device_json(const DeviceProfile& device) {
  Json json = {{"device", device.device},
               {"kind", device.kind},
               {"name", device.name},
               {"driver", device.driver},
               {"exact_fingerprint", device.exact_fingerprint},
               {"family_fingerprint", device.family_fingerprint}};
  json["matmul"] = Json::array();
  for (const MatmulCurve& curve : device.matmul) json["matmul"].push_back(curve_json(curve));
  json["ops"] = Json::array();
  for (const OpCurve& op : device.ops) {
    json["ops"].push_back({{"kind", name_of(op.kind)},
                           {"fixed_ns", figure_json(op.fixed_ns)},
                           {"ns_per_unit", figure_json(op.ns_per_unit)}});
  }
  json["launch_ns"] = figure_json(device.launch_ns);
  json["join_ns"] = figures_json(device.join_ns);
  json["bandwidth_gbps"] = figure_json(device.bandwidth_gbps);
  json["bandwidth_together_gbps"] = figures_json(device.bandwidth_together_gbps);
  json["slowdowns"] = Json::array();
  for (const Slowdown& slowdown : device.slowdowns) {
    json["slowdowns"].push_back({{"with", slowdown.with},
                                 {"decode", figure_json(slowdown.decode)},
                                 {"prefill", figure_json(slowdown.prefill)}});
  }
  json["standard_sizes"] = device.standard_sizes;
  json["stage"] = device.stage;
  json["graph_compile_fixed_ns"] = figure_json(device.graph_compile_fixed_ns);
  json["graph_compile_ns_per_weight"] = figure_json(device.graph_compile_ns_per_weight);
  json["feature_align"] = device.feature_align;
  json["memory_bytes"] = device.memory_bytes;
  json["half_precision"] = device.half_precision;
  json["watts"] = figure_json(device.watts);
  return json;
}

// ---- reading

Figure read_figure(const JsonNode& node) {
  Figure figure;
  figure.value = node.at("value").number();
  figure.spread = node.number_or("spread", 0);
  if (figure.value < 0 || figure.spread < 0) node.fail("value and spread must not be negative");
  figure.provenance = kProvenances.parse(node.at("provenance").text());
  figure.source = node.text_or("source", "");
  return figure;
}

Figure figure_or_none(const JsonNode& parent, const char* key) {
  return parent.has(key) ? read_figure(parent.at(key)) : Figure{};
}

std::map<std::string, Figure> read_figures(const JsonNode& parent, const char* key) {
  std::map<std::string, Figure> figures;
  for (const auto& [name, node] : parent.members_or_none(key)) figures[name] = read_figure(node);
  return figures;
}

MatmulCurve read_curve(const JsonNode& node) {
  MatmulCurve curve;
  const JsonNode w = node.at("w");
  const std::string type = w.text();
  const std::optional<DType> known = dtype_from_name(type);
  if (!known) w.fail("'" + type.substr(0, 80) + "' is not a weight format");
  curve.w = *known;
  for (const JsonNode& entry : node.at("points").items()) {
    MatmulPoint point;
    point.m = entry.at("m").integer(1, kLargest);
    if (!curve.points.empty() && point.m <= curve.points.back().m) entry.fail("points must ascend in m");
    point.fixed_ns = read_figure(entry.at("fixed_ns"));
    point.ns_per_weight = read_figure(entry.at("ns_per_weight"));
    curve.points.push_back(std::move(point));
  }
  if (curve.points.empty()) node.fail("needs at least one point");
  for (const JsonNode& entry : node.items_or_none("shape_factors")) {
    curve.shape_factors.push_back({.m = entry.at("m").integer(1, kLargest),
                                   .n = entry.at("n").integer(1, kLargest),
                                   .k = entry.at("k").integer(1, kLargest),
                                   .factor = read_figure(entry.at("factor"))});
  }
  return curve;
}

OpCurve read_op(const JsonNode& node) {
  OpCurve op;
  const JsonNode kind = node.at("kind");
  const std::string name = kind.text();
  bool known = false;
  for (const OpKind candidate :
       {OpKind::kMatmul, OpKind::kRmsNorm, OpKind::kRope, OpKind::kAttention, OpKind::kSwiGlu, OpKind::kAdd}) {
    if (name_of(candidate) != name) continue;
    op.kind = candidate;
    known = true;
  }
  if (!known) kind.fail("'" + name.substr(0, 80) + "' is not an operation");
  op.fixed_ns = read_figure(node.at("fixed_ns"));
  op.ns_per_unit = read_figure(node.at("ns_per_unit"));
  return op;
}

Slowdown read_slowdown(const JsonNode& node) {
  Slowdown slowdown;
  for (const JsonNode& id : node.at("with").items()) slowdown.with.push_back(id.text());
  std::sort(slowdown.with.begin(), slowdown.with.end());
  slowdown.decode = read_figure(node.at("decode"));
  slowdown.prefill = read_figure(node.at("prefill"));
  return slowdown;
}

DeviceProfile read_device(const JsonNode& node) {
  DeviceProfile device;
  device.device = node.at("device").text();
  device.kind = node.at("kind").text();
  if (device.kind != "cpu" && device.kind != "gpu" && device.kind != "npu") {
    node.at("kind").fail("must be cpu, gpu or npu");
  }
  device.name = node.text_or("name", "");
  device.driver = node.text_or("driver", "");
  device.exact_fingerprint = node.text_or("exact_fingerprint", "");
  device.family_fingerprint = node.text_or("family_fingerprint", "");
  for (const JsonNode& curve : node.items_or_none("matmul")) device.matmul.push_back(read_curve(curve));
  for (const JsonNode& op : node.items_or_none("ops")) device.ops.push_back(read_op(op));
  device.launch_ns = figure_or_none(node, "launch_ns");
  device.join_ns = read_figures(node, "join_ns");
  device.bandwidth_gbps = figure_or_none(node, "bandwidth_gbps");
  device.bandwidth_together_gbps = read_figures(node, "bandwidth_together_gbps");
  for (const JsonNode& slowdown : node.items_or_none("slowdowns")) device.slowdowns.push_back(read_slowdown(slowdown));
  for (const JsonNode& size : node.items_or_none("standard_sizes")) {
    device.standard_sizes.push_back(size.integer(1, kLargest));
    const std::size_t count = device.standard_sizes.size();
    if (count > 1 && device.standard_sizes[count - 2] >= device.standard_sizes[count - 1]) size.fail("must ascend");
  }
  if (node.has("stage")) device.stage = node.at("stage").integer(1, 65536);
  device.graph_compile_fixed_ns = figure_or_none(node, "graph_compile_fixed_ns");
  device.graph_compile_ns_per_weight = figure_or_none(node, "graph_compile_ns_per_weight");
  if (node.has("feature_align")) device.feature_align = node.at("feature_align").integer(1, 65536);
  if (node.has("memory_bytes")) device.memory_bytes = node.at("memory_bytes").unsigned_integer();
  if (node.has("half_precision")) device.half_precision = node.at("half_precision").truth();
  device.watts = figure_or_none(node, "watts");
  return device;
}

}  // namespace

std::string_view name_of(Provenance provenance) { return kProvenances.name(provenance); }

std::string to_json(const SystemProfile& profile) {
  Json document = new_document(kSchema, 1);
  document["name"] = profile.name;
  document["title"] = profile.title;
  document["devices"] = Json::array();
  for (const DeviceProfile& device : profile.devices) document["devices"].push_back(device_json(device));
  return document_text(document);
}

SystemProfile system_profile_from_json(const std::string& text) {
  const nlohmann::json document = parse_document(text, kSchema, 1);
  const JsonNode root(document, "system profile");
  SystemProfile profile;
  profile.name = root.at("name").text();
  profile.title = root.text_or("title", "");
  std::set<std::string> seen;
  for (const JsonNode& node : root.at("devices").items()) {
    profile.devices.push_back(read_device(node));
    if (!seen.insert(profile.devices.back().device).second) node.fail("this device stands in the profile twice");
  }
  return profile;
}

}  // namespace hetero
