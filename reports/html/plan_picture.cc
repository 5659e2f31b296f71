#include "reports/html/plan_picture.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "reports/html/svg.h"
#include "reports/words.h"

namespace hetero {
namespace {

struct Box {
  double x, y, width, height;
};

int colour_of(const std::map<std::string, int>& colours, const std::string& device) {
  const auto found = colours.find(device);
  return found == colours.end() ? 0 : found->second;
}

// Side by side, by output features.
void draw_features(Svg& svg, const Box& box, const std::vector<Share>& shares,
                   const std::map<std::string, int>& colours, const std::string& label) {
  double x = box.x;
  for (const Share& share : shares) {
    const double width = box.width * share.fraction;
    svg.rect(x, box.y, width, box.height, "fill " + colour_class(colour_of(colours, share.device)), label);
    x += width;
  }
}

void draw_block(Svg& svg, const Box& box, const BlockPlan& block, const std::map<std::string, int>& colours) {
  const std::string label = std::string(name_of(block.block)) + ": " + division_of(block);
  if (block.rows.empty()) return draw_features(svg, box, block.features, colours, label);
  // One above the other, by rows of the prompt; where features are given too, they divide the first device's rows.
  double y = box.y;
  for (std::size_t i = 0; i < block.rows.size(); ++i) {
    const Box part{box.x, y, box.width, box.height * block.rows[i].fraction};
    const std::vector<Share> alone = {{block.rows[i].device, 1}};
    draw_features(svg, part, i == 0 && !block.features.empty() ? block.features : alone, colours, label);
    y += part.height;
  }
}

// The ways in which the layers' blocks of a kind are divided, with the number of layers (0: of those without an entry
// of their own, their number unknown).
std::vector<std::pair<BlockPlan, int>> ways_of(const PlanBucket& bucket, BlockKind kind, int layers) {
  std::vector<std::pair<BlockPlan, int>> ways;
  int own = 0;
  for (const BlockPlan& block : bucket.blocks) {
    if (block.block != kind) continue;
    if (block.layer >= 0) ++own;
    const auto same = std::find_if(ways.begin(), ways.end(), [&](const auto& way) {
      return way.first.layer >= 0 && block.layer >= 0 && division_of(way.first) == division_of(block);
    });
    if (same != ways.end()) {
      ++same->second;
    } else {
      ways.emplace_back(block, block.layer >= 0 ? 1 : 0);
    }
  }
  for (auto& [block, count] : ways) {
    if (block.layer < 0) count = std::max(0, layers - own);
  }
  // An entry for "every other layer" that no layer is left for.
  if (layers > 0 && ways.size() > 1) {
    std::erase_if(ways, [](const auto& way) { return way.first.layer < 0 && way.second == 0; });
  }
  return ways;
}

}  // namespace

std::string plan_picture(const Plan& plan, const std::map<std::string, int>& colours, int layers) {
  constexpr double kWidth = 720;
  constexpr double kLeft = 92;
  constexpr double kTop = 48;
  constexpr double kRow = 40;
  constexpr double kCell = (kWidth - kLeft) / kBlockKinds;
  Svg svg(kWidth, kTop + kRow * static_cast<double>(plan.buckets.size()) + 4, "the plan, buckets by blocks");

  double legend = kLeft;
  for (const std::string& id : plan.devices) {
    svg.rect(legend, 4, 14, 14, "fill " + colour_class(colour_of(colours, id)));
    svg.text(legend + 20, 16, Anchor::kStart, id);
    legend += 44 + 7.2 * static_cast<double>(id.size());
  }
  for (int kind = 0; kind < kBlockKinds; ++kind) {
    svg.text(kLeft + kCell * (kind + 0.5), kTop - 8, Anchor::kMiddle,
             std::string(name_of(static_cast<BlockKind>(kind))));
  }
  for (std::size_t i = 0; i < plan.buckets.size(); ++i) {
    const PlanBucket& bucket = plan.buckets[i];
    const double y = kTop + kRow * static_cast<double>(i);
    svg.text(kLeft - 8, y + kRow / 2 + 4, Anchor::kEnd, label_of(bucket));
    for (int kind = 0; kind < kBlockKinds; ++kind) {
      const auto ways = ways_of(bucket, static_cast<BlockKind>(kind), layers);
      double total = 0;
      for (const auto& way : ways) total += std::max(1, way.second);
      double x = kLeft + kCell * kind + 2;
      for (const auto& [block, count] : ways) {
        const double width = (kCell - 4) * std::max(1, count) / total;
        draw_block(svg, {x, y + 2, width, kRow - 4}, block, colours);
        x += width;
      }
      std::string words;
      for (const auto& [block, count] : ways) {
        const std::string word(name_of(block.strategy));
        if (words.find(word) == std::string::npos) words += (words.empty() ? "" : ", ") + word;
      }
      svg.text(kLeft + kCell * (kind + 0.5), y + kRow / 2 + 4, Anchor::kMiddle, words, "on-fill");
    }
  }
  return svg.finish();
}

}  // namespace hetero
