// Fitting recovers a hidden profile from samples of it, and refuses when something is missing.
#include "tuner/fit/fit.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/rng.h"
#include "profiles/cost_model.h"
#include "tuner/fit/regression.h"

namespace hetero {
namespace {

Figure figure(double value) { return {value, 0, Provenance::kAssumed, "hidden"}; }

DeviceFacts facts() {
  DeviceFacts facts;
  facts.id = "cpu:0";
  facts.name = "test";
  facts.exact_fingerprint = "exact";
  facts.memory_bytes = 1U << 30;
  return facts;
}

DeviceProfile hidden_profile() {
  DeviceProfile profile;
  profile.device = "cpu:0";
  for (const DType w : {DType::kQ4_0, DType::kQ8_0}) {
    MatmulCurve curve;
    curve.w = w;
    const double scale = w == DType::kQ8_0 ? 2 : 1;
    curve.points = {{1, figure(2000), figure(0.05 * scale)},
                    {32, figure(5000), figure(0.9 * scale)},
                    {256, figure(9000), figure(6 * scale)}};
    // One shape that departs from the line, at every m.
    for (const std::int64_t m : {1, 32, 256}) curve.shape_factors.push_back({m, 576, 1536, figure(1.4)});
    profile.matmul.push_back(curve);
  }
  profile.ops = {{OpKind::kRmsNorm, figure(300), figure(0.5)},
                 {OpKind::kRope, figure(200), figure(1.5)},
                 {OpKind::kAttention, figure(900), figure(0.25)},
                 {OpKind::kSwiGlu, figure(250), figure(2)},
                 {OpKind::kAdd, figure(100), figure(0.3)}};
  return profile;
}

std::vector<OpDesc> ops_of(std::int64_t m) {
  std::vector<OpDesc> ops;
  const std::int64_t shapes[][2] = {{576, 576}, {192, 576}, {1536, 576}, {576, 1536},
                                    {384, 576}, {768, 576}, {1152, 576}};
  for (const auto& shape : shapes) {
    for (const DType w : {DType::kQ4_0, DType::kQ8_0}) {
      ops.push_back({.kind = OpKind::kMatmul, .m = m, .n = shape[0], .k = shape[1], .w = w});
    }
  }
  for (const std::int64_t n : {576, 1536}) {
    for (const OpKind kind : {OpKind::kRmsNorm, OpKind::kSwiGlu, OpKind::kAdd})
      ops.push_back({.kind = kind, .m = m, .n = n});
    ops.push_back({.kind = OpKind::kRope, .m = m, .n = n, .head_dim = 64});
  }
  for (const std::int64_t context : {256, 1024}) {
    ops.push_back(
        {.kind = OpKind::kAttention, .m = m, .n = 576, .heads = 9, .kv_heads = 3, .head_dim = 64, .context = context});
  }
  return ops;
}

Sample sample_of(SampleKind kind, const std::string& subject) {
  Sample sample;
  sample.kind = kind;
  sample.device = "cpu:0";
  sample.exact_fingerprint = "exact";
  sample.subject = subject;
  return sample;
}

// Samples as the tuner would take them, each off by a normal relative error of `noise`.
std::vector<Sample> samples_of(const DeviceProfile& hidden, double noise, int rounds, std::uint64_t seed) {
  Rng rng(seed);
  const CostModel costs({hidden});
  const auto noisy = [&](double value) { return value * std::max(0.1, 1 + noise * rng.normal()); };
  std::vector<Sample> samples;
  for (int round = 0; round < rounds; ++round) {
    for (const std::int64_t m : {1, 32, 256}) {
      for (const OpDesc& op : ops_of(m)) {
        Sample s = sample_of(SampleKind::kOp, canonical_text(op));
        s.device_ns = noisy(costs.op("cpu:0", op).median_ns);
        samples.push_back(s);
        if (op.n != 1536 || op.kind != OpKind::kMatmul || op.w != DType::kQ4_0) continue;
        s.kind = SampleKind::kContention;
        s.active_with = "opencl:0@1";
        s.device_ns = noisy(costs.op("cpu:0", op).median_ns * (m == 1 ? 1.45 : 1.1));
        samples.push_back(s);
      }
    }
    Sample launch = sample_of(SampleKind::kLaunch, "launch");
    launch.launch_ns = noisy(800);
    samples.push_back(launch);
    for (const auto& [waiter, ns] : {std::pair<const char*, double>{"poll", 1500}, {"driver", 60000}}) {
      Sample join = sample_of(SampleKind::kJoin, waiter);
      join.join_ns = noisy(ns);
      samples.push_back(join);
    }
    Sample stream = sample_of(SampleKind::kBandwidth, "stream");
    stream.value = noisy(12);
    samples.push_back(stream);
    stream.active_with = "opencl:0@1";
    stream.value = noisy(8);
    samples.push_back(stream);
    for (const std::int64_t n : {576, 1536}) {
      Sample compile =
          sample_of(SampleKind::kGraphCompile,
                    canonical_text({.kind = OpKind::kMatmul, .m = 32, .n = n, .k = 576, .w = DType::kQ4_0}));
      compile.compile_ns = noisy(5e6 + 10.0 * static_cast<double>(n * 576));
      samples.push_back(compile);
    }
  }
  return samples;
}

void expect_recovered(double noise, double tolerance) {
  const DeviceProfile hidden = hidden_profile();
  const DeviceProfile fitted = fit(facts(), samples_of(hidden, noise, 15, 42));
  const CostModel truth({hidden});
  const CostModel model({fitted});
  for (const std::int64_t m : {1, 32, 100, 256, 512}) {  // 100 and 512 were not measured
    for (const OpDesc& op : ops_of(m)) {
      const double expected = truth.op("cpu:0", op).median_ns;
      EXPECT_NEAR(model.op("cpu:0", op).median_ns, expected, tolerance * expected) << canonical_text(op);
    }
    // A share of the odd shape keeps its factor.
    const OpDesc share{.kind = OpKind::kMatmul, .m = m, .n = 288, .k = 1536, .w = DType::kQ4_0};
    const double expected = truth.op("cpu:0", share, 576).median_ns;
    EXPECT_NEAR(model.op("cpu:0", share, 576).median_ns, expected, tolerance * expected) << m;
  }
  EXPECT_NEAR(model.launch("cpu:0").median_ns, 800, 800 * tolerance);
  EXPECT_NEAR(model.join("cpu:0", "driver").median_ns, 60000, 60000 * tolerance);
  EXPECT_EQ(model.best_waiter("cpu:0"), "poll");
  const std::vector<std::string> both = {"cpu:0", "opencl:0@1"};
  EXPECT_NEAR(model.slowdown("cpu:0", both, Phase::kDecode), 1.45, 1.45 * tolerance);
  EXPECT_NEAR(model.slowdown("cpu:0", both, Phase::kPrefill), 1.1, 1.1 * tolerance);
  EXPECT_NEAR(fitted.bandwidth_gbps.value, 12, 12 * tolerance);
  EXPECT_NEAR(fitted.bandwidth_together_gbps.at("opencl:0@1").value, 8, 8 * tolerance);
  EXPECT_NEAR(model.graph_compile("cpu:0", 1e6).median_ns, 1.5e7, 1.5e7 * tolerance);
  EXPECT_EQ(fitted.launch_ns.provenance, Provenance::kMeasured);
}

TEST(Fit, RecoversAHiddenProfileExactly) { expect_recovered(0, 0.01); }

TEST(Fit, RecoversAHiddenProfileThroughNoise) { expect_recovered(0.05, 0.04); }

TEST(Fit, NoFactorsWhereTheLineHolds) {
  DeviceProfile hidden = hidden_profile();
  for (MatmulCurve& curve : hidden.matmul) curve.shape_factors.clear();
  for (const MatmulCurve& curve : fit(facts(), samples_of(hidden, 0, 3, 1)).matmul) {
    EXPECT_TRUE(curve.shape_factors.empty());
  }
}

TEST(Fit, IgnoresWhatIsNotTrustedOrNotThisDevice) {
  std::vector<Sample> samples = samples_of(hidden_profile(), 0, 3, 1);
  const DeviceProfile before = fit(facts(), samples);
  const std::size_t good = samples.size();
  for (std::size_t i = 0; i < 3 * good; ++i) {
    Sample s = samples[i % good];
    s.device_ns *= 100;
    s.launch_ns *= 100;
    s.join_ns *= 100;
    s.value *= 100;
    s.compile_ns *= 100;
    if (i < good) s.status = SampleStatus::kUntrusted;
    if (i >= good && i < 2 * good) s.device = "opencl:0@1";
    if (i >= 2 * good) s.exact_fingerprint = "another driver";
    samples.push_back(s);
  }
  EXPECT_EQ(fit(facts(), samples), before);
}

TEST(Fit, WithoutContentionDecodeFollowsTheBandwidth) {
  std::vector<Sample> samples = samples_of(hidden_profile(), 0, 3, 1);
  std::erase_if(samples, [](const Sample& s) { return s.kind == SampleKind::kContention; });
  const CostModel model({fit(facts(), samples)});
  const std::vector<std::string> both = {"cpu:0", "opencl:0@1"};
  EXPECT_NEAR(model.slowdown("cpu:0", both, Phase::kDecode), 1.5, 1e-9);
  EXPECT_EQ(model.slowdown("cpu:0", both, Phase::kPrefill), 1.0);
}

TEST(Fit, AdditionIsDerivedWhenNobodyMeasuredIt) {
  std::vector<Sample> samples = samples_of(hidden_profile(), 0, 3, 1);
  std::erase_if(samples, [](const Sample& s) { return s.subject.starts_with("add "); });
  const DeviceProfile fitted = fit(facts(), samples);
  const auto add =
      std::find_if(fitted.ops.begin(), fitted.ops.end(), [](const auto& c) { return c.kind == OpKind::kAdd; });
  ASSERT_NE(add, fitted.ops.end());
  EXPECT_EQ(add->ns_per_unit.provenance, Provenance::kDerived);
}

TEST(FastestState, LeavesOutWhatASlowerStateOfTheMachineTook) {
  EXPECT_DOUBLE_EQ(fastest_state({3.7, 3.0, 3.1, 3.8, 3.6, 2.9, 3.7}).median, 3.0);
  EXPECT_EQ(fastest_state({3.7, 3.0, 3.1, 3.8, 3.6, 2.9, 3.7}).count, 3);
  EXPECT_DOUBLE_EQ(fastest_state({20, 45, 21, 60, 26}).median, 20.5);
  EXPECT_DOUBLE_EQ(fastest_state({3.0, 3.7, 3.65, 3.8}).median, 3.0) << "far off, though alone";
  EXPECT_DOUBLE_EQ(fastest_state({3.3, 3.65, 3.7}).median, 3.65) << "alone, and not far off";
  EXPECT_DOUBLE_EQ(fastest_state({1.0, 1.04, 0.97, 1.01, 1.06}).median, 1.01) << "a scatter is no state";
  EXPECT_DOUBLE_EQ(fastest_state({5}).median, 5);
}

TEST(FastestState, IsTheMedianOfWhatMerelyScatters) {
  Rng rng(7);
  double mean = 0;
  for (int i = 0; i < 1000; ++i) {
    std::vector<double> times;
    for (int k = 0; k < 7; ++k) times.push_back(1 + 0.05 * rng.normal());
    mean += fastest_state(times).median / 1000;
  }
  EXPECT_NEAR(mean, 1, 0.005);
}

TEST(Fit, StepsAreHeldAgainstTheSumOfTheirOps) {
  ModelShape shape;
  shape.architecture = "llama";
  shape.layers = 3;
  shape.width = 576;
  shape.ffn_width = 1536;
  shape.heads = 9;
  shape.kv_heads = 3;
  shape.head_dim = 64;
  shape.vocab = 1152;
  shape.layer_types = {{}};
  std::vector<Sample> samples = samples_of(hidden_profile(), 0, 3, 1);
  const CostModel truth({fit(facts(), samples)});
  const auto step = [&](const ModelShape& model, std::int64_t rows, double of_layers, double of_head) {
    double ns = 0;
    for (int kind = 0; kind < kBlockKinds; ++kind) {
      const bool head = static_cast<BlockKind>(kind) == BlockKind::kHead;
      for (const OpDesc& op : block_ops(model, static_cast<BlockKind>(kind), 0, head ? 1 : rows, rows + 40)) {
        ns += truth.op("cpu:0", op).median_ns * (head ? of_head : model.layers * of_layers);
      }
    }
    Sample s = sample_of(SampleKind::kStep, step_subject(fingerprint(model)));
    s.params = {{"rows", rows}, {"context", rows + 40}};
    s.device_ns = ns;
    return s;
  };
  ModelShape unknown = shape;
  unknown.layers = 4;
  for (int round = 0; round < 2; ++round) {
    samples.push_back(step(shape, 256, 0.8, 1.25));
    samples.push_back(step(shape, 1, 1.25, 1.25));
    samples.push_back(step(unknown, 1, 2, 2));
    samples.push_back(step(shape, 32, 9, 9));
    samples.back().status = SampleStatus::kUntrusted;
  }
  samples.push_back(step(shape, 64, 7, 7));  // only once
  const DeviceProfile fitted = fit(facts(), samples, {{fingerprint(shape), shape}});
  ASSERT_EQ(fitted.steps.size(), 1U) << "of a model whose shape is known";
  EXPECT_EQ(fitted.steps[0].model, fingerprint(shape));
  EXPECT_DOUBLE_EQ(fitted.steps[0].layer_weights, 576.0 * (576 + 2 * 192 + 576 + 3 * 1536));
  ASSERT_EQ(fitted.steps[0].points.size(), 2U);
  EXPECT_EQ(fitted.steps[0].points[0].m, 1);
  EXPECT_NEAR(fitted.steps[0].points[0].factor.value, 1.25, 1e-9);
  EXPECT_EQ(fitted.steps[0].points[1].m, 256);
  EXPECT_NEAR(fitted.steps[0].points[1].factor.value, 0.8, 1e-9) << "the head has one row, and decode's factor";
}

TEST(Fit, SaysWhatIsMissing) {
  const std::vector<Sample> all = samples_of(hidden_profile(), 0, 3, 1);
  const auto message_without = [&](const auto& gone) -> std::string {
    std::vector<Sample> samples = all;
    std::erase_if(samples, gone);
    try {
      (void)fit(facts(), samples);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUnusableInput);
      return error.what();
    }
    return "";
  };
  EXPECT_EQ(message_without([](const Sample&) { return false; }), "");
  for (const std::string word : {"matmul", "rope", "attention"}) {
    const std::string message = message_without([&](const Sample& s) { return s.subject.starts_with(word); });
    EXPECT_NE(message.find(word), std::string::npos) << message;
    EXPECT_NE(message.find("--budget"), std::string::npos) << message;
  }
  const std::string message = message_without([](const Sample& s) { return s.kind == SampleKind::kJoin; });
  EXPECT_NE(message.find("join"), std::string::npos) << message;
}

TEST(Fit, WhatADeviceCannotDoIsNoGap) {
  std::vector<Sample> samples = samples_of(hidden_profile(), 0, 3, 1);
  for (Sample& s : samples) {
    if (s.subject.starts_with("rope")) s.status = SampleStatus::kNotSupported;
  }
  EXPECT_NO_THROW((void)fit(facts(), samples));
}

TEST(Regression, LinesByHand) {
  const Line exact = relative_least_squares({{1, 12}, {2, 14}, {10, 30}});
  EXPECT_NEAR(exact.fixed, 10, 1e-9);
  EXPECT_NEAR(exact.per_unit, 2, 1e-9);
  EXPECT_EQ(relative_least_squares({{4, 8}}).fixed, 0);  // one point: in proportion
  EXPECT_NEAR(relative_least_squares({{4, 8}}).per_unit, 2, 1e-12);
  EXPECT_EQ(relative_least_squares({{1, 1}, {2, 3}}).fixed, 0);     // would be negative
  EXPECT_EQ(relative_least_squares({{1, 3}, {2, 2}}).per_unit, 0);  // falling
  const Line robust = least_absolute({{1, 12}, {2, 14}, {10, 30}, {5, 200}});
  EXPECT_NEAR(robust.fixed, 10, 1e-9);
  EXPECT_NEAR(robust.per_unit, 2, 1e-9);
  EXPECT_EQ(median_and_mad({1, 2, 100}).median, 2);
  EXPECT_EQ(median_and_mad({1, 2, 100}).mad, 0.5);
  EXPECT_EQ(median_and_mad({1, 3}).median, 2);
}

}  // namespace
}  // namespace hetero
