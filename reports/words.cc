#include "reports/words.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace hetero {
namespace {

std::string shares_of(const std::vector<Share>& shares) {
  std::string text;
  for (const Share& share : shares) {
    if (!text.empty()) text += " + ";
    text += share.device;
    if (shares.size() > 1) text += " " + std::to_string(std::lround(100 * share.fraction)) + " %";
  }
  return text;
}

// Blocks of one kind that are divided alike.
struct Alike {
  BlockKind kind = BlockKind::kAttentionIn;
  bool usual = false;  // of every layer that has no entry of its own
  int layers = 0;      // with an entry of their own
};

std::string name_with_layers(const Alike& alike) {
  std::string name(name_of(alike.kind));
  if (alike.usual || alike.layers == 0) return name;
  return name + " of " + std::to_string(alike.layers) + (alike.layers == 1 ? " layer" : " layers");
}

}  // namespace

std::string label_of(const PlanBucket& bucket) {
  return bucket.phase == Phase::kDecode ? "decode" : "prefill " + std::to_string(bucket.tokens);
}

std::string division_of(const BlockPlan& block) {
  std::string text(name_of(block.strategy));
  if (!block.rows.empty()) text += " " + shares_of(block.rows);
  if (!block.features.empty()) text += (block.rows.empty() ? " " : ", features ") + shares_of(block.features);
  return text;
}

std::vector<std::string> division_lines(const PlanBucket& bucket) {
  std::vector<std::pair<std::string, std::vector<Alike>>> groups;  // by division, in order of appearance
  for (const BlockPlan& block : bucket.blocks) {
    const std::string division = division_of(block);
    auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& g) { return g.first == division; });
    if (group == groups.end()) group = groups.insert(groups.end(), {division, {}});
    std::vector<Alike>& kinds = group->second;
    auto alike = std::find_if(kinds.begin(), kinds.end(), [&](const Alike& a) { return a.kind == block.block; });
    if (alike == kinds.end()) alike = kinds.insert(kinds.end(), Alike{.kind = block.block});
    if (block.layer < 0) {
      alike->usual = true;
    } else {
      ++alike->layers;
    }
  }
  std::vector<std::string> lines;
  for (const auto& [division, kinds] : groups) {
    std::vector<std::string> names;
    for (const Alike& alike : kinds) names.push_back(name_with_layers(alike));
    lines.push_back((groups.size() == 1 ? "all blocks" : joined(names, ", ")) + ": " + division);
  }
  return lines;
}

std::string sentence_of(const PlanBucket::Verdict& verdict) {
  if (verdict.adopted) return "adopted: " + verdict.reason;
  const std::string alone = verdict.best_single + " alone";
  return verdict.reason.starts_with(alone) ? verdict.reason : alone + ": " + verdict.reason;
}

std::string joined(const std::vector<std::string>& ids, const std::string& between) {
  std::string text;
  for (const std::string& id : ids) text += (text.empty() ? "" : between) + id;
  return text;
}

std::string number_text(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

}  // namespace hetero
