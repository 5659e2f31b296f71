// hetero-tune as a program: wrong input gives one line on stderr and the documented exit code.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "kernels/graph_rows.h"
#include "profiles/shape_choice.h"
#include "profiles/store/store.h"
#include "tests/support/refusal.h"
#include "tests/tuner/run/run_fixture.h"

namespace hetero {
namespace {

using test::Finished;

Finished tune(const std::string& arguments) { return test::run_line(HETERO_TUNE, arguments); }

void expect_refused(const std::string& arguments, int code) { test::expect_refusal(HETERO_TUNE, arguments, code); }

TEST(TuneCli, RefusesWrongFlags) {
  expect_refused("", 2);
  expect_refused("frobnicate", 2);
  expect_refused("devices --frobnicate", 2);
  expect_refused("run", 2);
  expect_refused("simulate --profile test-npu", 2);
  expect_refused("simulate --profile test-npu --shape llama-3-8b --prompt -1", 2);
  expect_refused("simulate --profile test-npu --shape llama-3-8b --prompt many", 2);
}

TEST(TuneCli, RefusesWhatIsNotThere) {
  expect_refused("run --model /nonexistent.gguf", 3);
  expect_refused("show --db /nonexistent/profiles.db", 3);
  expect_refused("simulate --profile nonexistent --shape llama-3-8b", 3);
  expect_refused("simulate --profile snapdragon-8-gen-3 --shape nonexistent", 3);
  expect_refused("import /nonexistent.json", 3);
}

TEST(TuneCli, RefusesWhatItCannotUseAndLeavesItAlone) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("not-ours");
  test::write_file(path, "this is neither a model nor a plan nor a database");
  expect_refused("run --model " + path, 4);
  expect_refused("import " + path, 4);
  expect_refused("show --db " + path, 4);
  EXPECT_EQ(test::contents(path), "this is neither a model nor a plan nor a database");
}

TEST(TuneCli, BudgetNeedsAUnit) {
  const test::TemporaryFolder folder;
  expect_refused("measure --model smollm2-135m --budget 60 --db " + folder.file("unit.db"), 2);
}

TEST(TuneCli, SimulatesWithoutADeviceAndAlwaysTheSame) {
  const std::string arguments =
      "simulate --profile snapdragon-8-gen-3 --shape llama-3.2-1b --prompt 64 --generate 4 --json";
  const Finished first = tune(arguments);
  EXPECT_EQ(first.exit_code, 0) << first.err;
  EXPECT_NE(first.out.find("\"provenance\": \"simulated\""), std::string::npos);
  EXPECT_EQ(first.out, tune(arguments).out);
}

// A run with one of everything that show --quality looks at.
void make_run(const std::string& path) {
  const auto store = Store::open(path, StoreAccess::kReadWrite);
  RunInfo info;
  info.started_utc = "2026-01-01T00:00:00Z";
  info.command = "hetero-tune run " + std::string(200, 'x');
  const RunId run = store->begin_run(info);
  std::vector<Sample> samples;
  const auto add = [&](SampleKind kind, const std::string& subject, const std::string& with, double ns) -> Sample& {
    Sample& s = samples.emplace_back();
    s.kind = kind;
    s.device = "cpu:0";
    s.exact_fingerprint = "aa";
    s.subject = subject;
    s.active_with = with;
    s.device_ns = ns;
    return s;
  };
  const std::string first = "matmul m=256 n=8192 k=2048 w=q4_0 a=f32";
  const std::string second = "matmul m=256 n=2048 k=8192 w=q4_0 a=f32";
  for (const std::string& op : {first, second}) add(SampleKind::kOp, op, "", 100);
  add(SampleKind::kContention, first, "opencl:0@1", 120);
  add(SampleKind::kContention, second, "opencl:0@1", 125);
  for (const double ns : {100.0, 104.0, 150.0}) add(SampleKind::kAnchor, first, "", ns);
  samples.back().status = SampleStatus::kUntrusted;
  add(SampleKind::kGate, "prefill 256 plan", "opencl:0@1", 2e6).params["predicted_ns"] = 1900000;
  store->add_samples(run, samples);
  DeviceProfile profile;
  profile.device = "cpu:0";
  profile.kind = "cpu";
  profile.exact_fingerprint = "aa";
  profile.held_out = {{OpKind::kMatmul,
                       DType::kQ4_0,
                       40,
                       CostFamily::kTrees,
                       {{CostFamily::kCurves, 0.1, 0.2, 0.11}, {CostFamily::kTrees, 0.034, 0.061, 0.04}}}};
  store->put_profile(run, profile);
  store->add_stage(run, {"measure", 12.5, 13});
  store->end_run(run, "done");
}

TEST(TuneCli, ShowsHowFarTheLastRunCanBeTrusted) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("profiles.db");
  make_run(path);
  const Finished shown = tune("show --quality --db " + path);
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  for (const std::string figure : {"3.4 %, 6.1 %", "trees", "12.5 %", "44.2 %", "1.200", "1.250", "-5.0 %", "12.5 s"}) {
    EXPECT_NE(shown.out.find(figure), std::string::npos) << figure << "\n" << shown.out;
  }
  std::istringstream lines(shown.out);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 100u) << line;
  const Finished json = tune("show --quality --json --db " + path);
  EXPECT_EQ(json.exit_code, 0) << json.err;
  for (const std::string key : {"held_out", "steps", "trust", "anchors", "slowdowns", "plans", "stages"}) {
    EXPECT_NE(json.out.find("\"" + key + "\""), std::string::npos) << key;
  }
}

TEST(TuneCli, MergesAndPrunes) {
  const test::TemporaryFolder folder;
  make_run(folder.file("a.db"));
  make_run(folder.file("b.db"));
  const std::string out = folder.file("c.db");
  const Finished merged = tune("merge " + folder.file("a.db") + " " + folder.file("b.db") + " -o " + out + " --json");
  EXPECT_EQ(merged.exit_code, 0) << merged.err;
  EXPECT_NE(merged.out.find("\"runs\": 1, \"samples\": 8"), std::string::npos) << merged.out;
  expect_refused("merge " + folder.file("a.db") + " -o " + out, 2);
  expect_refused("merge " + folder.file("nothing.db") + " -o " + folder.file("d.db"), 3);
  const Finished pruned = tune("prune --dry-run --json --db " + out);
  EXPECT_EQ(pruned.exit_code, 0) << pruned.err;
  EXPECT_NE(pruned.out.find("\"samples\": 0"), std::string::npos) << pruned.out;
  expect_refused("prune --db " + folder.file("nothing.db"), 3);
}

TEST(TuneCli, SimulatesAProfileWithFiguresLaidOverIt) {
  const test::TemporaryFolder folder;
  const std::string mine = folder.file("mine.json");
  test::write_file(mine, R"({"schema": "hetero.system_profile", "version": 1, "name": "mine", "devices": [
    {"device": "test-npu/npu", "kind": "npu", "launch_ns": {"value": 5e6, "provenance": "measured"}}]})");
  const std::string tail = " --shape smollm2-135m --devices npu --prompt 64 --generate 0 --json";
  const Finished shipped = tune("simulate --profile test-npu" + tail);
  const Finished both = tune("simulate --profile test-npu," + mine + tail);
  EXPECT_EQ(shipped.exit_code, 0) << shipped.err;
  EXPECT_EQ(both.exit_code, 0) << both.err;
  EXPECT_NE(shipped.out, both.out) << "a launch takes longer";
  expect_refused("simulate --profile test-npu,nonexistent --shape llama-3-8b", 3);
}

// An emulated device that wants the weights first for one shape and last for another: found, stored, shown, used for
// what is measured from then on, and not looked for again.
TEST(TuneCli, FindsTheOrderOfOperandsOfEachShape) {
  const test::TemporaryFolder folder;
  SystemProfile system = testing_sim::static_npu();
  DeviceProfile& npu = system.devices[0];
  npu.half_precision = false;
  npu.matmul[0].points = {{1, testing_sim::figure(500e3), testing_sim::figure(1)}};
  npu.order_factors = {{1, 128, 64, OperandOrder::kActivationsFirst, testing_sim::figure(3)},
                       {1, 64, 128, OperandOrder::kWeightsFirst, testing_sim::figure(3)}};
  test::write_file(folder.file("system.json"), to_json(system));
  test::write_file(folder.file("shape.json"), to_json(testing_run::small_shape()));
  const std::string database = folder.file("orders.db");
  const std::string flags = " --model " + folder.file("shape.json") + " --devices sim:" + folder.file("system.json") +
                            "/npu --rounds 1 --budget 20s --db " + database;
  const Finished measured = tune("measure" + flags);
  EXPECT_EQ(measured.exit_code, 0) << measured.err;

  const auto store = Store::open(database, StoreAccess::kReadOnly);
  const std::vector<Sample> turns = store->samples({.kind = SampleKind::kVariant});
  const std::vector<ShapeChoice> choices = shape_choices(turns);
  const auto order_for = [&](const OpDesc& op) {
    const ShapeChoice* const choice = choice_for(choices, turns.at(0).exact_fingerprint, graph_matmul(), op);
    return choice == nullptr ? "" : std::string(name_of(order_of(choice->timed.front().params)));
  };
  for (const std::int64_t m : {1, 32}) {
    EXPECT_EQ(order_for({.kind = OpKind::kMatmul, .m = m, .n = 128, .k = 64}), "weights");
    EXPECT_EQ(order_for({.kind = OpKind::kMatmul, .m = m, .n = 64, .k = 128}), "activations");
  }
  int weights_first = 0;
  for (const Sample& s : store->samples({.kind = SampleKind::kOp})) {
    if (!s.subject.starts_with("matmul")) continue;
    EXPECT_EQ(s.variant, variant_name(&graph_matmul())) << s.subject;
    const OpDesc op = parse_op_desc(s.subject);
    if (op.n == 128 && op.k == 64) {
      EXPECT_EQ(order_of(s.params), OperandOrder::kWeightsFirst) << s.subject;
      ++weights_first;
    }
  }
  EXPECT_GE(weights_first, 2) << "one row and 32";

  const Finished shown = tune("show --db " + database);
  EXPECT_EQ(shown.exit_code, 0) << shown.err;
  EXPECT_NE(shown.out.find("matmul.graph, matmul m=32 n=128 k=64 w=f32 a=f32: weights_first=1"), std::string::npos)
      << shown.out;
  EXPECT_NE(tune("show --json --db " + database).out.find("\"by_shape\""), std::string::npos);
  const Finished again = tune("measure" + flags);
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(store->samples({.kind = SampleKind::kVariant}).size(), turns.size());
}

TEST(TuneCli, DevicesPrintsJson) {
  const Finished outcome = tune("devices --json");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_NE(outcome.out.find("\"why_not\""), std::string::npos);
}

}  // namespace
}  // namespace hetero
