// The same model gives the same answer under every plan with a static OpenVINO device in it, whatever the prompt's
// length.
#include <gtest/gtest.h>

#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/llm/engine.h"
#include "tests/runtime/exec/tiny_graph.h"
#include "tests/runtime/openvino/openvino_rig.h"

namespace hetero::test {
namespace {

// Attention has no place on the device: what a random plan puts there goes to the processor, with the whole pair where
// it is paired.
void keep_attention_off(Plan& plan, const std::string& device, const std::string& instead) {
  for (PlanBucket& bucket : plan.buckets) {
    for (BlockPlan& block : bucket.blocks) {
      const bool attention = block.block == BlockKind::kAttention;
      const bool paired =
          block.strategy == Strategy::kPaired && block.block != BlockKind::kFfnIn && block.block != BlockKind::kFfnOut;
      const auto on_it = [&](const std::vector<Share>& shares) {
        return std::any_of(shares.begin(), shares.end(), [&](const Share& s) { return s.device == device; });
      };
      if ((attention || paired) && (on_it(block.features) || on_it(block.rows))) {
        block.strategy = Strategy::kSingle;
        block.features = {{instead, 1}};
        block.rows.clear();
      }
    }
  }
}

std::vector<float> answer(const Graph& graph, Timeline& timeline, const std::vector<Device*>& devices, const Plan& plan,
                          std::int64_t prompt) {
  EngineOptions options;
  options.context = 128;
  options.max_rows = prompt;
  options.max_logits_rows = prompt;
  Engine engine(graph, timeline, devices, plan, options);
  std::vector<TokenId> tokens;
  for (std::int64_t i = 0; i < prompt + 2; ++i) tokens.push_back(static_cast<TokenId>((i * 37 + 11) % 97));
  const auto first = engine.run(std::span(tokens).first(static_cast<std::size_t>(prompt)), LogitsRows::kAll);
  std::vector<float> all(first.begin(), first.end());
  for (std::size_t i = static_cast<std::size_t>(prompt); i < tokens.size(); ++i) {
    const auto next = engine.run(std::span(tokens).subspan(i, 1), LogitsRows::kAll);
    all.insert(all.end(), next.begin(), next.end());
  }
  return all;
}

TEST(OpenVinoPlans, RandomPlansGiveTheSameLogits) {
  if (all_cores().size() < 2) GTEST_SKIP() << "one core only";
  // Three layers of sums in float32, in two implementations: some tens of unit roundoffs (6e-8).
  constexpr double kReordered = 1e-5;
  const TinyGraph model(DType::kQ4_0, 7);
  RealTimeline timeline;
  DeviceContext context;
  context.timeline = &timeline;
  const std::string cpu = "cpu:" + std::to_string(all_cores().front());
  const auto processor = cpu_provider().open(parse_device_spec(cpu + "?precision=f32"), context);
  const auto npu = open_openvino(timeline, "precision=f32&sizes=1.8.32");
  const std::string npu_id = npu->facts().id;
  Rng rng(100);
  for (int trial = 0; trial < 6; ++trial) {
    const std::int64_t prompt = 1 + static_cast<std::int64_t>(rng.below(50));
    const std::vector<float> want =
        answer(model.graph(), timeline, {processor.get()}, single_device_plan(cpu, "single"), prompt);
    Plan plan = random_plan(model.shape(), {cpu, npu_id}, rng);
    keep_attention_off(plan, npu_id, cpu);
    ASSERT_NO_THROW(check(plan));
    const std::vector<float> got = answer(model.graph(), timeline, {processor.get(), npu.get()}, plan, prompt);
    ASSERT_EQ(got.size(), want.size());
    EXPECT_LT(relative_error(got, want), kReordered) << "trial " << trial << " prompt " << prompt << "\n"
                                                     << to_json(plan);
    if (HasFailure()) break;
  }
  EXPECT_GT(npu->traffic().submissions, 0U);
}

}  // namespace
}  // namespace hetero::test
