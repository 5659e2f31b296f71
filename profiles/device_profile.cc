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

constexpr NameTable<CostFamily, 3> kFamilies = {"cost family", {"curves", "trees", "curves+trees"}};
constexpr NameTable<OperandOrder, 2> kOrders = {"operand order", {"activations", "weights"}};
constexpr std::int64_t kMostNodes = 1 << 16;

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

Json points_json(const std::vector<MatmulPoint>& list) {
  Json points = Json::array();
  for (const MatmulPoint& point : list) {
    points.push_back({{"m", point.m},
                      {"fixed_ns", figure_json(point.fixed_ns)},
                      {"ns_per_weight", figure_json(point.ns_per_weight)}});
  }
  return points;
}

Json curve_json(const MatmulCurve& curve) {
  Json factors = Json::array();
  for (const ShapeFactor& entry : curve.shape_factors) {
    factors.push_back({{"m", entry.m}, {"n", entry.n}, {"k", entry.k}, {"factor", figure_json(entry.factor)}});
  }
  return {{"w", info(curve.w).name}, {"points", points_json(curve.points)}, {"shape_factors", std::move(factors)}};
}

// A leaf is a number, a fork [feature, threshold, left, right].
Json trees_json(const OpTrees& op) {
  Json trees = Json::array();
  for (const RegressionTree& tree : op.trees) {
    Json nodes = Json::array();
    for (const TreeNode& node : tree) {
      if (node.feature < 0) {
        nodes.push_back(node.value);
      } else {
        nodes.push_back({node.feature, node.threshold, node.left, node.right});
      }
    }
    trees.push_back(std::move(nodes));
  }
  return {{"kind", name_of(op.kind)},
          {"w", info(op.w).name},
          {"family", name_of(op.family)},
          {"scale", figure_json(op.scale)},
          {"trees", std::move(trees)}};
}

Json held_out_json(const HeldOut& op) {
  Json errors = Json::array();
  for (const HeldOutError& e : op.errors) {
    errors.push_back({{"family", name_of(e.family)}, {"median", e.median}, {"p95", e.p95}, {"mean", e.mean}});
  }
  return {{"kind", name_of(op.kind)},
          {"w", info(op.w).name},
          {"shapes", op.shapes},
          {"kept", name_of(op.kept)},
          {"errors", std::move(errors)}};
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
  if (!device.order_factors.empty()) json["order_factors"] = Json::array();
  for (const OrderFactor& entry : device.order_factors) {
    json["order_factors"].push_back({{"m", entry.m},
                                     {"n", entry.n},
                                     {"k", entry.k},
                                     {"slower", name_of(entry.slower)},
                                     {"factor", figure_json(entry.factor)}});
  }
  json["ops"] = Json::array();
  for (const OpCurve& op : device.ops) {
    json["ops"].push_back({{"kind", name_of(op.kind)},
                           {"fixed_ns", figure_json(op.fixed_ns)},
                           {"ns_per_unit", figure_json(op.ns_per_unit)}});
    if (!op.points.empty()) json["ops"].back()["points"] = points_json(op.points);
  }
  if (!device.trees.empty()) json["trees"] = Json::array();
  for (const OpTrees& op : device.trees) json["trees"].push_back(trees_json(op));
  if (!device.held_out.empty()) json["held_out"] = Json::array();
  for (const HeldOut& op : device.held_out) json["held_out"].push_back(held_out_json(op));
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
  if (!device.steps.empty()) json["steps"] = Json::array();
  for (const StepFactors& step : device.steps) {
    Json points = Json::array();
    for (const StepFactors::Point& p : step.points) points.push_back({{"m", p.m}, {"factor", figure_json(p.factor)}});
    json["steps"].push_back(
        {{"model", step.model}, {"layer_weights", step.layer_weights}, {"points", std::move(points)}});
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

DType read_format(const JsonNode& node) {
  const std::string type = node.text();
  const std::optional<DType> known = dtype_from_name(type);
  if (!known) node.fail("'" + type.substr(0, 80) + "' is not a weight format");
  return *known;
}

std::vector<MatmulPoint> read_points(const std::vector<JsonNode>& entries) {
  std::vector<MatmulPoint> points;
  for (const JsonNode& entry : entries) {
    MatmulPoint point;
    point.m = entry.at("m").integer(1, kLargest);
    if (!points.empty() && point.m <= points.back().m) entry.fail("points must ascend in m");
    point.fixed_ns = read_figure(entry.at("fixed_ns"));
    point.ns_per_weight = read_figure(entry.at("ns_per_weight"));
    points.push_back(std::move(point));
  }
  return points;
}

MatmulCurve read_curve(const JsonNode& node) {
  MatmulCurve curve;
  curve.w = read_format(node.at("w"));
  curve.points = read_points(node.at("points").items());
  if (curve.points.empty()) node.fail("needs at least one point");
  for (const JsonNode& entry : node.items_or_none("shape_factors")) {
    curve.shape_factors.push_back({.m = entry.at("m").integer(1, kLargest),
                                   .n = entry.at("n").integer(1, kLargest),
                                   .k = entry.at("k").integer(1, kLargest),
                                   .factor = read_figure(entry.at("factor"))});
  }
  return curve;
}

OrderFactor read_order_factor(const JsonNode& node) {
  const OrderFactor entry{.m = node.at("m").integer(1, kLargest),
                          .n = node.at("n").integer(1, kLargest),
                          .k = node.at("k").integer(1, kLargest),
                          .slower = kOrders.parse(node.at("slower").text()),
                          .factor = read_figure(node.at("factor"))};
  if (entry.factor.value < 1) node.at("factor").fail("the slower order takes at least as long: a factor of 1 or more");
  return entry;
}

OpKind read_kind(const JsonNode& node) {
  const std::string name = node.text();
  for (const OpKind kind :
       {OpKind::kMatmul, OpKind::kRmsNorm, OpKind::kRope, OpKind::kAttention, OpKind::kSwiGlu, OpKind::kAdd}) {
    if (name_of(kind) == name) return kind;
  }
  node.fail("'" + name.substr(0, 80) + "' is not an operation");
}

CostFamily read_family(const JsonNode& node) { return kFamilies.parse(node.text()); }

OpCurve read_op(const JsonNode& node) {
  OpCurve op;
  op.kind = read_kind(node.at("kind"));
  op.fixed_ns = read_figure(node.at("fixed_ns"));
  op.ns_per_unit = read_figure(node.at("ns_per_unit"));
  op.points = read_points(node.items_or_none("points"));
  return op;
}

// Children come after their parent, so that no document makes an evaluation endless.
RegressionTree read_tree(const JsonNode& node) {
  RegressionTree tree;
  const std::vector<JsonNode> entries = node.items();
  const std::int64_t count = static_cast<std::int64_t>(entries.size());
  if (count < 1 || count > kMostNodes) node.fail("a tree has 1 to 65536 nodes");
  for (const JsonNode& entry : entries) {
    TreeNode& made = tree.emplace_back();
    if (!entry.is_list()) {
      made.value = entry.number();
      continue;
    }
    const std::vector<JsonNode> fork = entry.items();
    if (fork.size() != 4) entry.fail("a fork is [feature, threshold, left, right]");
    const std::int64_t self = static_cast<std::int64_t>(tree.size()) - 1;
    made.feature = static_cast<int>(fork[0].integer(0, kOpFeatures - 1));
    made.threshold = fork[1].number();
    made.left = static_cast<int>(fork[2].integer(self + 1, count - 1));
    made.right = static_cast<int>(fork[3].integer(self + 1, count - 1));
  }
  return tree;
}

OpTrees read_trees(const JsonNode& node) {
  OpTrees op;
  op.kind = read_kind(node.at("kind"));
  op.w = read_format(node.at("w"));
  op.family = read_family(node.at("family"));
  if (op.family == CostFamily::kCurves) node.at("family").fail("curves have no trees");
  op.scale = read_figure(node.at("scale"));
  for (const JsonNode& tree : node.at("trees").items()) op.trees.push_back(read_tree(tree));
  return op;
}

HeldOut read_held_out(const JsonNode& node) {
  HeldOut op;
  op.kind = read_kind(node.at("kind"));
  op.w = read_format(node.at("w"));
  op.shapes = static_cast<int>(node.at("shapes").integer(0, 1 << 30));
  op.kept = read_family(node.at("kept"));
  for (const JsonNode& e : node.items_or_none("errors")) {
    op.errors.push_back(
        {read_family(e.at("family")), e.at("median").number(), e.at("p95").number(), e.at("mean").number()});
  }
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

StepFactors read_steps(const JsonNode& node) {
  StepFactors steps;
  steps.model = node.at("model").text();
  steps.layer_weights = node.at("layer_weights").number();
  if (steps.layer_weights <= 0) node.at("layer_weights").fail("must be more than 0");
  for (const JsonNode& entry : node.at("points").items()) {
    StepFactors::Point point{entry.at("m").integer(1, kLargest), read_figure(entry.at("factor"))};
    if (!steps.points.empty() && point.m <= steps.points.back().m) entry.fail("points must ascend in m");
    if (point.factor.value <= 0) entry.fail("a factor must be more than 0");
    steps.points.push_back(std::move(point));
  }
  if (steps.points.empty()) node.fail("needs at least one point");
  return steps;
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
  for (const JsonNode& f : node.items_or_none("order_factors")) device.order_factors.push_back(read_order_factor(f));
  for (const JsonNode& op : node.items_or_none("ops")) device.ops.push_back(read_op(op));
  for (const JsonNode& op : node.items_or_none("trees")) device.trees.push_back(read_trees(op));
  for (const JsonNode& op : node.items_or_none("held_out")) device.held_out.push_back(read_held_out(op));
  device.launch_ns = figure_or_none(node, "launch_ns");
  device.join_ns = read_figures(node, "join_ns");
  device.bandwidth_gbps = figure_or_none(node, "bandwidth_gbps");
  device.bandwidth_together_gbps = read_figures(node, "bandwidth_together_gbps");
  for (const JsonNode& slowdown : node.items_or_none("slowdowns")) device.slowdowns.push_back(read_slowdown(slowdown));
  for (const JsonNode& step : node.items_or_none("steps")) device.steps.push_back(read_steps(step));
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
std::string_view name_of(CostFamily family) { return kFamilies.name(family); }

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
