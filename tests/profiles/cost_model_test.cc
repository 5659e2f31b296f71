// Against values computed by hand, and against the rows of Table 3 from which the shipped profile was made.
#include "profiles/cost_model.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "profiles/model_shape.h"

namespace hetero {
namespace {

Figure measured(double value, double spread = 0) { return {value, spread, Provenance::kMeasured, ""}; }

OpDesc matmul(std::int64_t m, std::int64_t n, std::int64_t k, DType w = DType::kQ4_0) {
  return {.kind = OpKind::kMatmul, .m = m, .n = n, .k = k, .w = w};
}
OpDesc attention(std::int64_t m, std::int64_t context) {
  return {.kind = OpKind::kAttention, .m = m, .n = 128, .heads = 4, .kv_heads = 2, .head_dim = 32, .context = context};
}

DeviceProfile simple(const std::string& id) {
  DeviceProfile profile;
  profile.device = id;
  profile.kind = "gpu";
  profile.matmul = {{DType::kQ4_0,
                     {{1, measured(100), measured(0.5, 0.1)},
                      {9, measured(300), {2.5, 0, Provenance::kAssumed, ""}},
                      {17, measured(400), measured(4)}},
                     {}}};
  profile.ops = {{OpKind::kRmsNorm, measured(10), measured(0.25)}, {OpKind::kAttention, measured(50), measured(0.01)}};
  profile.launch_ns = measured(7, 0.5);
  profile.join_ns = {{"driver", measured(400)}, {"poll", measured(5)}};
  profile.graph_compile_fixed_ns = measured(1000);
  profile.graph_compile_ns_per_weight = measured(0.5);
  return profile;
}

CostModel shipped(const std::string& name) {
  return CostModel(system_profile_from_json(*shipped_system_profile(name)).devices);
}

TEST(CostModel, PointsAndBetweenThem) {
  const CostModel model({simple("a")});
  const Estimate first = model.op("a", matmul(1, 10, 20));
  EXPECT_DOUBLE_EQ(first.median_ns, 100 + 200 * 0.5);
  EXPECT_DOUBLE_EQ(first.spread_ns, 200 * 0.5 * 0.1);
  EXPECT_EQ(first.provenance, Provenance::kMeasured);
  const Estimate second = model.op("a", matmul(9, 10, 20));
  EXPECT_DOUBLE_EQ(second.median_ns, 300 + 200 * 2.5);
  EXPECT_EQ(second.provenance, Provenance::kAssumed);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(5, 10, 20)).median_ns, (200 + 800) / 2.0);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(3, 10, 20)).median_ns, 200 + 600 * 0.25);
  EXPECT_EQ(model.op("a", matmul(3, 10, 20)).provenance, Provenance::kAssumed);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(34, 10, 20)).median_ns, 2 * (400 + 200 * 4)) << "rates are kept";
  EXPECT_EQ(model.op("a", matmul(34, 10, 20)).provenance, Provenance::kInterpolated);
}

TEST(CostModel, OtherOpsHavePointsToo) {
  DeviceProfile profile = simple("a");
  profile.ops[0].points = {{4, measured(100), measured(2)}, {8, measured(200), measured(3)}};
  const CostModel model({profile});
  const auto norm = [&](std::int64_t m) {
    return model.op("a", {.kind = OpKind::kRmsNorm, .m = m, .n = 50}).median_ns;
  };
  EXPECT_DOUBLE_EQ(norm(4), 100 + 50 * 2);
  EXPECT_DOUBLE_EQ(norm(6), (200 + 350) / 2.0);
  EXPECT_DOUBLE_EQ(norm(2), 200 / 2.0) << "in proportion before the first";
  EXPECT_DOUBLE_EQ(norm(16), 2 * 350.0);
  // One row of attention at m = 4 sees 8 - 1.5 rows on average.
  profile.ops[1].points = {{4, measured(10), measured(0.5)}};
  EXPECT_DOUBLE_EQ(CostModel({profile}).op("a", attention(4, 8)).median_ns, 10 + 0.5 * 2 * 128 * 6.5);
  const SystemProfile system{"s", "", {profile}};
  EXPECT_EQ(system_profile_from_json(to_json(system)), system);
}

TEST(CostModel, TreesInPlaceOfACurveAndOverIt) {
  DeviceProfile profile = simple("a");
  // log2 of the rows below 3: times 2, else times 8; in powers of two.
  const std::vector<RegressionTree> trees = {{{0, 3, 1, 2, 0}, {-1, 0, 0, 0, 1}, {-1, 0, 0, 0, 3}}};
  profile.trees = {{OpKind::kMatmul, DType::kQ4_0, CostFamily::kTrees, measured(0.5, 0.1), trees},
                   {OpKind::kRmsNorm, DType::kF32, CostFamily::kCurveTrees, measured(1), trees}};
  const CostModel model({profile});
  EXPECT_DOUBLE_EQ(model.op("a", matmul(4, 10, 20)).median_ns, 4 * 10 * 20 * 0.5 * 2);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(8, 10, 20)).median_ns, 8 * 10 * 20 * 0.5 * 8);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(8, 10, 20)).spread_ns, 0.1 * model.op("a", matmul(8, 10, 20)).median_ns);
  EXPECT_DOUBLE_EQ(model.op("a", {.kind = OpKind::kRmsNorm, .m = 16, .n = 4}).median_ns, 8 * (10 + 0.25 * 64));
  EXPECT_DOUBLE_EQ(model.op("a", attention(1, 8)).median_ns, 50 + 0.01 * 2 * 128 * 8) << "no trees for it";
}

TEST(CostModel, BeforeTheFirstPointTimeIsFlat) {
  DeviceProfile profile = simple("a");
  profile.matmul[0].points.erase(profile.matmul[0].points.begin());
  EXPECT_DOUBLE_EQ(CostModel({profile}).op("a", matmul(2, 10, 20)).median_ns, 800);
}

TEST(CostModel, ShapeFactorsAreExactAndKeptByShares) {
  DeviceProfile profile = simple("a");
  profile.matmul[0].shape_factors = {{9, 64, 32, measured(3)}, {1, 64, 32, measured(2)}};
  const CostModel model({profile});
  const auto plain = [&](std::int64_t m, std::int64_t n) { return CostModel({simple("a")}).op("a", matmul(m, n, 32)); };
  EXPECT_DOUBLE_EQ(model.op("a", matmul(1, 64, 32)).median_ns, 2 * plain(1, 64).median_ns);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(9, 64, 32)).median_ns, 3 * plain(9, 64).median_ns);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(5, 64, 32)).median_ns, 2.5 * plain(5, 64).median_ns);
  EXPECT_DOUBLE_EQ(model.op("a", matmul(17, 64, 32)).median_ns, 3 * plain(17, 64).median_ns) << "the nearest";
  EXPECT_DOUBLE_EQ(model.op("a", matmul(1, 16, 32), 64).median_ns, 2 * plain(1, 16).median_ns) << "a share of 64";
  EXPECT_DOUBLE_EQ(model.op("a", matmul(1, 16, 32)).median_ns, plain(1, 16).median_ns) << "a weight of 16";
  EXPECT_DOUBLE_EQ(model.op("a", matmul(1, 32, 64)).median_ns,
                   CostModel({simple("a")}).op("a", matmul(1, 32, 64)).median_ns);
  const double slice = CostModel({simple("a")}).op("a", matmul(1, 64, 16)).median_ns;
  EXPECT_DOUBLE_EQ(model.op("a", matmul(1, 64, 16), 64, 32).median_ns, 2 * slice) << "a slice along k of 64 x 32";
  EXPECT_DOUBLE_EQ(model.op("a", matmul(1, 64, 16), 64, 16).median_ns, slice) << "the whole of 64 x 16";
}

TEST(CostModel, StagesRoundEveryDimension) {
  DeviceProfile profile = simple("a");
  profile.stage = 8;
  const CostModel staged({profile});
  const CostModel plain({simple("a")});
  EXPECT_DOUBLE_EQ(staged.op("a", matmul(3, 10, 20)).median_ns, plain.op("a", matmul(8, 16, 24)).median_ns);
  EXPECT_DOUBLE_EQ(staged.op("a", matmul(8, 16, 24)).median_ns, plain.op("a", matmul(8, 16, 24)).median_ns);
  const OpDesc norm{.kind = OpKind::kRmsNorm, .m = 3, .n = 20};
  EXPECT_DOUBLE_EQ(plain.op("a", norm).median_ns, 10 + 60 * 0.25);
  EXPECT_DOUBLE_EQ(staged.op("a", norm).median_ns, 10 + 8 * 24 * 0.25);
  EXPECT_DOUBLE_EQ(staged.op("a", attention(3, 9)).median_ns, plain.op("a", attention(8, 16)).median_ns);
}

TEST(CostModel, AttentionCountsTheCausalTriangle) {
  const CostModel model({simple("a")});
  // Rows see 7, 8, 9 and 10 cache rows: 34 pairs, two products over 4 x 32 columns.
  EXPECT_DOUBLE_EQ(model.op("a", attention(4, 10)).median_ns, 50 + 0.01 * 2 * 128 * 34);
  EXPECT_DOUBLE_EQ(model.op("a", attention(4, 10)).median_ns, 50 + 0.01 * flops(attention(4, 10)) / 2);
  EXPECT_DOUBLE_EQ(model.op("a", attention(4, 0)).median_ns, model.op("a", attention(4, 4)).median_ns);
}

TEST(CostModel, UnknownThingsAreErrors) {
  const CostModel model({simple("a")});
  EXPECT_TRUE(model.knows("a"));
  EXPECT_FALSE(model.knows("b"));
  EXPECT_THROW(model.profile("b"), Error);
  EXPECT_THROW(model.op("a", matmul(1, 10, 20, DType::kF16)), Error);
  EXPECT_THROW(model.op("a", {.kind = OpKind::kRope, .m = 1, .n = 4}), Error);
  EXPECT_THROW(model.slowdown("b", {}, Phase::kDecode), Error);
}

TEST(CostModel, LaunchJoinAndCompile) {
  DeviceProfile bare = simple("b");
  bare.join_ns.clear();
  const CostModel model({simple("a"), bare});
  EXPECT_DOUBLE_EQ(model.launch("a").median_ns, 7);
  EXPECT_DOUBLE_EQ(model.launch("a").spread_ns, 3.5);
  EXPECT_EQ(model.best_waiter("a"), "poll");
  EXPECT_DOUBLE_EQ(model.join("a").median_ns, 5);
  EXPECT_DOUBLE_EQ(model.join("a", "driver").median_ns, 400);
  EXPECT_DOUBLE_EQ(model.join("a", "sleep_poll").median_ns, 400) << "the dearest that is known";
  EXPECT_EQ(model.join("a", "sleep_poll").provenance, Provenance::kAssumed);
  EXPECT_EQ(model.best_waiter("b"), "poll");
  EXPECT_DOUBLE_EQ(model.join("b").median_ns, 0);
  EXPECT_EQ(model.join("b").provenance, Provenance::kAssumed);
  EXPECT_DOUBLE_EQ(model.graph_compile("a", 100).median_ns, 1050);
}

TEST(CostModel, Slowdowns) {
  DeviceProfile a = simple("a");
  a.slowdowns = {{{"b"}, measured(1.5), measured(1.1)},
                 {{"c"}, measured(2), measured(0.5)},
                 {{"b", "c"}, measured(2.5), measured(1.2)}};
  const CostModel model({a});
  EXPECT_DOUBLE_EQ(model.slowdown("a", {}, Phase::kDecode), 1);
  EXPECT_DOUBLE_EQ(model.slowdown("a", {"a"}, Phase::kDecode), 1);
  EXPECT_DOUBLE_EQ(model.slowdown("a", {"a", "b"}, Phase::kDecode), 1.5);
  EXPECT_DOUBLE_EQ(model.slowdown("a", {"b"}, Phase::kPrefill), 1.1);
  EXPECT_DOUBLE_EQ(model.slowdown("a", {"c", "a", "b", "b"}, Phase::kDecode), 2.5);
  EXPECT_DOUBLE_EQ(model.slowdown("a", {"c"}, Phase::kPrefill), 1) << "nobody gets faster";
  EXPECT_DOUBLE_EQ(model.slowdown("a", {"d"}, Phase::kDecode), 1) << "never measured";
  a.slowdowns.pop_back();
  EXPECT_DOUBLE_EQ(CostModel({a}).slowdown("a", {"b", "c"}, Phase::kDecode), 3) << "pairs multiply";
}

TEST(CostModel, SumsKeepTheWeakerProvenance) {
  Estimate sum;
  sum += Estimate{5, 1, Provenance::kMeasured};
  EXPECT_EQ(sum.provenance, Provenance::kMeasured) << "an empty sum says nothing";
  sum += Estimate{7, 2, Provenance::kPublished};
  sum += Estimate{1, 0, Provenance::kInterpolated};
  EXPECT_DOUBLE_EQ(sum.median_ns, 13);
  EXPECT_DOUBLE_EQ(sum.spread_ns, 3);
  EXPECT_EQ(sum.provenance, Provenance::kPublished);
  sum += Estimate{};
  EXPECT_EQ(sum.provenance, Provenance::kPublished);
}

// ---- Snapdragon 8 Gen 3: arXiv 2501.14794v2, Table 3. The weight is n x k there; microseconds.

constexpr const char* kGpu = "snapdragon-8-gen-3/gpu";
constexpr const char* kNpu = "snapdragon-8-gen-3/npu";

TEST(Snapdragon, PrefillRowsOfTable3) {
  const CostModel model = shipped("snapdragon-8-gen-3");
  struct Row {
    std::int64_t m, n, k;
    double gpu_us, npu_us;
  };
  for (const Row& row :
       {Row{128, 4096, 4096, 7306, 912}, Row{256, 4096, 4096, 10841, 1884}, Row{256, 4096, 14336, 35231, 23445}}) {
    EXPECT_NEAR(model.op(kGpu, matmul(row.m, row.n, row.k)).median_ns / 1e3, row.gpu_us, row.gpu_us * 1e-6);
    EXPECT_NEAR(model.op(kNpu, matmul(row.m, row.n, row.k)).median_ns / 1e3, row.npu_us, row.npu_us * 1e-6);
  }
  // Rows that the table gives as ranges: padded 193-255 and 257-272.
  EXPECT_NEAR(model.op(kNpu, matmul(256, 4096, 4096)).median_ns / 1e3, 1900, 20);
  EXPECT_NEAR(model.op(kGpu, matmul(193, 4096, 4096)).median_ns / 1e3, 9000, 200);
  EXPECT_EQ(model.op(kGpu, matmul(256, 4096, 4096)).provenance, Provenance::kPublished);
  EXPECT_EQ(model.op(kGpu, matmul(256, 4096, 14336)).provenance, Provenance::kDerived);
}

// The rows of decode include launch and synchronisation: 0.16 ms of the NPU. The GPU's 28672x4096 and 4096x4096 imply
// 0.29 and 0.38 ms (derived); the platform's own are 0.415, which is what the row of FFN-down leaves.
TEST(Snapdragon, DecodeRowsOfTable3) {
  const CostModel model = shipped("snapdragon-8-gen-3");
  struct Row {
    std::int64_t n, k;
    double gpu_us, npu_us, least_rest_us, most_rest_us;
  };
  for (const Row& row : {Row{4096, 4096, 511, 693, 290, 380}, Row{28672, 4096, 1903, 3886, 290, 380},
                         Row{4096, 14336, 1467, 6506, 414.99, 415.01}}) {
    const double npu = model.op(kNpu, matmul(1, row.n, row.k)).median_ns + model.launch(kNpu).median_ns +
                       model.join(kNpu, "driver").median_ns;
    EXPECT_NEAR(npu / 1e3, row.npu_us, 0.01);
    const double gpu_rest = row.gpu_us - model.op(kGpu, matmul(1, row.n, row.k)).median_ns / 1e3;
    EXPECT_GT(gpu_rest, row.least_rest_us);
    EXPECT_LT(gpu_rest, row.most_rest_us);
  }
}

TEST(Snapdragon, DecodeBandwidthAloneAndTogether) {
  const CostModel model = shipped("snapdragon-8-gen-3");
  const OpDesc op = matmul(1, 28672, 4096);
  const double gpu = streamed_bytes(op) / model.op(kGpu, op).median_ns;
  const double npu = streamed_bytes(op) / model.op(kNpu, op).median_ns;
  EXPECT_NEAR(gpu, 43.3, 0.01);
  const std::vector<std::string> both = {kGpu, kNpu};
  EXPECT_NEAR(gpu / model.slowdown(kGpu, both, Phase::kDecode) + npu / model.slowdown(kNpu, both, Phase::kDecode), 59.5,
              0.01);
}

// Derived in the notes: attention projections, gate and up on the NPU and 14.09 ms of divided down give 31.99 ms a
// layer without what is no matmul. The published 247.9 tok/s leaves 0.28 ms a layer for that.
TEST(Snapdragon, PrefillOf8BComposes) {
  const CostModel model = shipped("snapdragon-8-gen-3");
  const ModelShape shape = model_shape_from_json(*shipped_model_shape("llama-3-8b"));
  Estimate matmuls;
  Estimate others;
  for (int kind = 0; kind < static_cast<int>(BlockKind::kFfnOut); ++kind) {
    for (const OpDesc& op : block_ops(shape, static_cast<BlockKind>(kind), 0, 256, 256)) {
      (op.kind == OpKind::kMatmul ? matmuls : others) += model.op(kNpu, op);
    }
  }
  EXPECT_NEAR(matmuls.median_ns / 1e6, 1.884 * 9.5, 0.001);
  EXPECT_LT(others.median_ns / 1e6, 0.29);
  EXPECT_EQ(matmuls.provenance, Provenance::kPublished);
  EXPECT_EQ(others.provenance, Provenance::kAssumed);
}

TEST(Snapdragon, RowsBelowAStageCostAsTheStage) {
  const CostModel model = shipped("snapdragon-8-gen-3");
  const double at_32 = model.op(kNpu, matmul(32, 4096, 4096)).median_ns;
  for (const std::int64_t m : {1, 2, 31}) {
    EXPECT_DOUBLE_EQ(model.op(kNpu, matmul(m, 4096, 4096)).median_ns, at_32);
  }
  EXPECT_GT(model.op(kNpu, matmul(33, 4096, 4096)).median_ns, at_32);
}

// The curves are those of the better order: what is published of the other one changes no estimate.
TEST(Snapdragon, TheSlowOrderOfTheOperandsIsAtThePublishedBound) {
  constexpr OperandOrder kActivations = OperandOrder::kActivationsFirst;
  constexpr OperandOrder kWeights = OperandOrder::kWeightsFirst;
  const CostModel model = shipped("snapdragon-8-gen-3");
  EXPECT_DOUBLE_EQ(model.order_factor(kNpu, matmul(256, 14336, 4096), kActivations), 6);
  EXPECT_DOUBLE_EQ(model.order_factor(kNpu, matmul(256, 14336, 4096), kWeights), 1);
  EXPECT_DOUBLE_EQ(model.order_factor(kNpu, matmul(64, 1024, 4096), kActivations, 14336), 6) << "a share of it";
  EXPECT_DOUBLE_EQ(model.order_factor(kNpu, matmul(64, 14336, 1024), kActivations, 14336, 4096), 6) << "and a part";
  EXPECT_DOUBLE_EQ(model.order_factor(kNpu, matmul(256, 4096, 14336), kActivations), 1) << "nothing is known";
  for (const OrderFactor& entry : model.profile(kNpu).order_factors) {
    const bool bound = entry.m == 256 && entry.n == 14336 && entry.k == 4096;
    EXPECT_EQ(entry.factor.provenance, bound ? Provenance::kPublished : Provenance::kAssumed) << entry.n;
  }
}

TEST(CostModel, TheOrderOfOperandsFollowsTheNearestRows) {
  DeviceProfile npu;
  npu.device = "npu";
  npu.order_factors = {{1, 64, 32, OperandOrder::kWeightsFirst, {2, 0, Provenance::kAssumed, ""}},
                       {256, 64, 32, OperandOrder::kActivationsFirst, {3, 0, Provenance::kAssumed, ""}}};
  const CostModel model({npu});
  EXPECT_DOUBLE_EQ(model.order_factor("npu", matmul(8, 64, 32), OperandOrder::kWeightsFirst), 2);
  EXPECT_DOUBLE_EQ(model.order_factor("npu", matmul(8, 64, 32), OperandOrder::kActivationsFirst), 1);
  EXPECT_DOUBLE_EQ(model.order_factor("npu", matmul(32, 64, 32), OperandOrder::kActivationsFirst), 3);
  EXPECT_DOUBLE_EQ(model.order_factor("npu", matmul(32, 64, 32), OperandOrder::kWeightsFirst), 1);
}

TEST(TestNpu, SlowerOfArithmeticAndStreaming) {
  const CostModel model = shipped("test-npu");
  const double weights = 1024.0 * 1024.0;
  EXPECT_NEAR(model.op("test-npu/npu", matmul(256, 1024, 1024)).median_ns, 5000 + weights * 2 * 256 / 4000, 1);
  EXPECT_NEAR(model.op("test-npu/npu", matmul(1, 1024, 1024)).median_ns, 5000 + weights * 0.5625 / 20, 1);
  EXPECT_DOUBLE_EQ(model.launch("test-npu/npu").median_ns, 100e3);
  EXPECT_DOUBLE_EQ(model.graph_compile("test-npu/npu", weights).median_ns, 5e6);
}

ModelShape model_of_width(std::int64_t width) {
  ModelShape shape;
  shape.name = "model of " + std::to_string(width);
  shape.architecture = "llama";
  shape.layers = 2;
  shape.width = width;
  shape.ffn_width = 2 * width;
  shape.heads = 4;
  shape.kv_heads = 4;
  shape.head_dim = width / 4;
  shape.vocab = 100;
  shape.layer_types = {{}};
  return shape;
}

TEST(CostModel, OpsOfAModelTakeWhatItsStepsTook) {
  const ModelShape small = model_of_width(64);
  const ModelShape large = model_of_width(256);
  DeviceProfile profile = simple("a");
  const auto steps = [](const ModelShape& model, double decode, double prefill) {
    return StepFactors{fingerprint(model),
                       layer_weights(model),
                       {{1, measured(decode)}, {4, measured(1)}, {16, measured(prefill, 0.1)}}};
  };
  profile.steps = {steps(small, 0.5, 2), steps(large, 3, 3)};
  const CostModel alone({profile});
  const auto over_alone = [&](const ModelShape& model, std::int64_t m) {
    return CostModel({profile}, &model).op("a", matmul(m, 10, 20)).median_ns /
           alone.op("a", matmul(m, 10, 20)).median_ns;
  };
  EXPECT_DOUBLE_EQ(over_alone(small, 1), 0.5);
  EXPECT_DOUBLE_EQ(over_alone(small, 2), 1) << "the nearest of a prompt";
  EXPECT_DOUBLE_EQ(over_alone(small, 8), 1.5) << "half-way in log m";
  EXPECT_DOUBLE_EQ(over_alone(small, 16), 2);
  EXPECT_DOUBLE_EQ(over_alone(small, 64), 2) << "the nearest beyond the last";
  EXPECT_DOUBLE_EQ(over_alone(large, 1), 3);
  profile.steps[1].points.resize(1);
  EXPECT_DOUBLE_EQ(over_alone(large, 16), 1) << "decode says nothing of a prompt";
  EXPECT_DOUBLE_EQ(over_alone(model_of_width(80), 1), 0.5) << "1.6 times the weights of the small one";
  EXPECT_DOUBLE_EQ(over_alone(model_of_width(128), 1), 1) << "like none of them";
  EXPECT_GT(CostModel({profile}, &small).op("a", matmul(16, 10, 20)).spread_ns,
            2 * alone.op("a", matmul(16, 10, 20)).spread_ns)
      << "the factor has a spread too";
}

}  // namespace
}  // namespace hetero
