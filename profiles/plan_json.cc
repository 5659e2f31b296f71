// The plan as a document: "hetero.plan", version 1.
#include "profiles/json_util.h"
#include "profiles/plan.h"

namespace hetero {
namespace {

constexpr const char* kSchema = "hetero.plan";
using Json = nlohmann::ordered_json;

Json shares_json(const std::vector<Share>& shares) {
  Json list = Json::array();
  for (const Share& share : shares) list.push_back({{"device", share.device}, {"fraction", share.fraction}});
  return list;
}

Json verdict_json(const PlanBucket::Verdict& verdict) {
  return {{"adopted", verdict.adopted},
          {"best_single", verdict.best_single},
          {"plan_over_single", verdict.plan_over_single},
          {"noise", verdict.noise},
          {"reason", verdict.reason}};
}

Json bucket_json(const PlanBucket& bucket) {
  Json blocks = Json::array();
  for (const BlockPlan& block : bucket.blocks) {
    Json entry = {{"block", name_of(block.block)}, {"layer", block.layer}, {"strategy", name_of(block.strategy)}};
    if (!block.features.empty()) entry["features"] = shares_json(block.features);
    if (!block.rows.empty()) entry["rows"] = shares_json(block.rows);
    entry["predicted_ns"] = block.predicted_ns;
    blocks.push_back(std::move(entry));
  }
  Json result = {{"phase", name_of(bucket.phase)}, {"tokens", bucket.tokens}, {"predicted_ns", bucket.predicted_ns}};
  if (!bucket.graph_sizes.empty()) result["graph_sizes"] = bucket.graph_sizes;
  if (bucket.verdict) result["verdict"] = verdict_json(*bucket.verdict);
  result["blocks"] = std::move(blocks);
  return result;
}

std::vector<Share> read_shares(const JsonNode& block, const char* key) {
  std::vector<Share> shares;
  for (const JsonNode& node : block.items_or_none(key)) {
    shares.push_back({node.at("device").text(), node.at("fraction").number()});
  }
  return shares;
}

PlanBucket::Verdict read_verdict(const JsonNode& node) {
  return {.adopted = node.at("adopted").truth(),
          .best_single = node.text_or("best_single", ""),
          .plan_over_single = node.number_or("plan_over_single", 0),
          .noise = node.number_or("noise", 0),
          .reason = node.text_or("reason", "")};
}

PlanBucket read_bucket(const JsonNode& node) {
  PlanBucket bucket;
  const JsonNode phase = node.at("phase");
  const std::string phase_name = phase.text();
  if (phase_name != name_of(Phase::kPrefill) && phase_name != name_of(Phase::kDecode)) {
    phase.fail("must be prefill or decode");
  }
  bucket.phase = phase_name == name_of(Phase::kDecode) ? Phase::kDecode : Phase::kPrefill;
  bucket.tokens = node.at("tokens").integer(1, std::int64_t{1} << 40);
  bucket.predicted_ns = node.number_or("predicted_ns", 0);
  if (node.has("verdict")) bucket.verdict = read_verdict(node.at("verdict"));
  for (const auto& [device, sizes] : node.members_or_none("graph_sizes")) {
    for (const JsonNode& size : sizes.items()) {
      bucket.graph_sizes[device].push_back(size.integer(1, std::int64_t{1} << 40));
    }
  }
  for (const JsonNode& entry : node.at("blocks").items()) {
    BlockPlan block;
    block.block = block_kind_from_name(entry.at("block").text());
    block.layer = entry.has("layer") ? static_cast<int>(entry.at("layer").integer(-1, 1000000)) : -1;
    block.strategy = strategy_from_name(entry.at("strategy").text());
    block.features = read_shares(entry, "features");
    block.rows = read_shares(entry, "rows");
    block.predicted_ns = entry.number_or("predicted_ns", 0);
    bucket.blocks.push_back(std::move(block));
  }
  return bucket;
}

}  // namespace

std::string to_json(const Plan& plan) {
  Json document = new_document(kSchema, 1);
  document["origin"] = plan.origin;
  document["model_fingerprint"] = plan.model_fingerprint;
  document["devices"] = plan.devices;
  document["device_fingerprints"] = plan.device_fingerprints;
  document["memory_bytes"] = plan.memory_bytes;
  document["waiters"] = plan.waiters;
  if (!plan.graph_sizes.empty()) document["graph_sizes"] = plan.graph_sizes;
  document["buckets"] = Json::array();
  for (const PlanBucket& bucket : plan.buckets) document["buckets"].push_back(bucket_json(bucket));
  return document_text(document);
}

Plan plan_from_json(const std::string& text) {
  const nlohmann::json document = parse_document(text, kSchema, 1);
  const JsonNode root(document, "plan");
  Plan plan;
  plan.origin = root.text_or("origin", "file");
  plan.model_fingerprint = root.text_or("model_fingerprint", "");
  for (const JsonNode& node : root.at("devices").items()) plan.devices.push_back(node.text());
  for (const auto& [id, node] : root.members_or_none("device_fingerprints")) plan.device_fingerprints[id] = node.text();
  for (const auto& [id, node] : root.members_or_none("memory_bytes")) plan.memory_bytes[id] = node.unsigned_integer();
  for (const auto& [id, node] : root.members_or_none("waiters")) plan.waiters[id] = node.text();
  for (const auto& [id, node] : root.members_or_none("graph_sizes")) {
    for (const JsonNode& size : node.items()) plan.graph_sizes[id].push_back(size.integer(1, std::int64_t{1} << 40));
  }
  for (const JsonNode& node : root.at("buckets").items()) plan.buckets.push_back(read_bucket(node));
  check(plan);
  return plan;
}

}  // namespace hetero
