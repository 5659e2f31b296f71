// From a database that the test fills to a Report.
#include "reports/collect.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/error.h"

namespace hetero {
namespace {

namespace fs = std::filesystem;

class CollectTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "hetero_collect_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    store_ = Store::open((folder_ / "p.db").string(), StoreAccess::kReadWrite);
  }
  void TearDown() override {
    store_.reset();
    fs::remove_all(folder_);
  }

  // As tuner/gate names them.
  Sample gate_sample(const std::string& subject, double ns, std::int64_t rows, const std::string& with) {
    Sample sample;
    sample.kind = SampleKind::kGate;
    sample.device = "cpu:0";
    sample.subject = subject;
    sample.active_with = with;
    sample.params["rows"] = rows;
    sample.device_ns = ns;
    return sample;
  }

  // A run for the model with a plan whose gate took `ns` for a decode step.
  RunId tuned(const std::string& model, double ns) {
    RunInfo info;
    info.model_fingerprint = model;
    info.started_utc = "start of " + model;
    const RunId run = store_->begin_run(info);
    Plan plan = single_device_plan("cpu:0", "tuned");
    plan.model_fingerprint = model;
    store_->put_plan(run, plan);
    Sample failed = gate_sample("decode plan", 1, 1, "");
    failed.status = SampleStatus::kUntrusted;
    store_->add_samples(run, {gate_sample("decode plan", 3 * ns, 1, "opencl:0@1+sim:x/npu"),
                              gate_sample("decode plan", ns, 1, "opencl:0@1+sim:x/npu"),
                              gate_sample("decode plan", 2 * ns, 1, "opencl:0@1+sim:x/npu"),
                              gate_sample("decode plan", 2 * ns, 1, "opencl:0@1+sim:x/npu"),
                              gate_sample("decode single", 5 * ns, 1, ""), failed});
    store_->end_run(run, "done");
    return run;
  }

  fs::path folder_;
  std::unique_ptr<Store> store_;
};

const GateTimes& decode_of(const PlanReport& plan) {
  for (std::size_t i = 0; i < plan.plan.buckets.size(); ++i) {
    if (plan.plan.buckets[i].phase == Phase::kDecode) return plan.gate.at(i);
  }
  throw std::logic_error("the plan has no decode bucket");
}

TEST_F(CollectTest, GateTimesAreThoseOfTheRunThatMadeThePlan) {
  const RunId first = tuned("m1", 100);
  const RunId second = tuned("m2", 1000);
  const Report report = collect(*store_, "p.db", "");
  EXPECT_EQ(report.runs.size(), 2u);
  EXPECT_EQ(report.samples.at(SampleStatus::kOk), 10);
  EXPECT_EQ(report.samples.at(SampleStatus::kUntrusted), 2);
  ASSERT_EQ(report.plans.size(), 2u);
  EXPECT_EQ(report.plans[0].run, first);
  EXPECT_EQ(report.plans[1].run, second);
  EXPECT_EQ(report.plans[1].started_utc, "start of m2");
  const GateTimes& m1 = decode_of(report.plans[0]);
  ASSERT_TRUE(m1.plan && m1.single);
  EXPECT_EQ(m1.plan->samples_ns, (std::vector<double>{300, 100, 200, 200})) << "what is untrusted does not count";
  EXPECT_EQ(m1.plan->median_ns, 200);
  EXPECT_EQ(m1.plan->mad_ns, 50);
  EXPECT_EQ(m1.plan->rows, 1);
  EXPECT_EQ(m1.plan->devices, (std::vector<std::string>{"cpu:0", "opencl:0@1", "sim:x/npu"}));
  EXPECT_EQ(m1.single->median_ns, 500);
  EXPECT_EQ(m1.single->devices, std::vector<std::string>{"cpu:0"});
  EXPECT_EQ(decode_of(report.plans[1]).plan->median_ns, 2000);
}

TEST_F(CollectTest, BucketsThatTheGateDidNotReachHaveNoTimes) {
  tuned("m1", 100);
  const PlanReport plan = collect(*store_, "p.db", "").plans.at(0);
  ASSERT_EQ(plan.gate.size(), plan.plan.buckets.size());
  for (std::size_t i = 0; i < plan.gate.size(); ++i) {
    if (plan.plan.buckets[i].phase == Phase::kPrefill) {
      EXPECT_FALSE(plan.gate[i].plan || plan.gate[i].single);
    }
  }
}

TEST_F(CollectTest, ADivisionThatWonAtTheSecondTryHasTheTimesOfThatTry) {
  for (const bool won : {false, true}) {
    RunInfo info;
    info.model_fingerprint = won ? "won" : "lost";
    const RunId run = store_->begin_run(info);
    Plan plan = single_device_plan("cpu:0", "tuned");
    plan.model_fingerprint = info.model_fingerprint;
    for (PlanBucket& bucket : plan.buckets) {
      bucket.verdict = PlanBucket::Verdict{};
      bucket.verdict->adopted = won;
    }
    store_->put_plan(run, plan);
    store_->add_samples(run,
                        {gate_sample("decode plan", 300, 1, ""), gate_sample("decode single", 200, 1, ""),
                         gate_sample("decode again plan", 100, 1, ""), gate_sample("decode again single", 201, 1, "")});
    const GateTimes& gate = decode_of(collect(*store_, "p.db", info.model_fingerprint).plans.at(0));
    EXPECT_EQ(gate.plan->median_ns, won ? 100 : 300);
    EXPECT_EQ(gate.single->median_ns, won ? 201 : 200);
  }
}

TEST_F(CollectTest, OfOneModelOnly) {
  tuned("m1", 100);
  tuned("m2", 1000);
  const Report report = collect(*store_, "p.db", "m1");
  ASSERT_EQ(report.runs.size(), 1u);
  EXPECT_EQ(report.runs[0].info.model_fingerprint, "m1");
  ASSERT_EQ(report.plans.size(), 1u);
  EXPECT_EQ(report.plans[0].plan.model_fingerprint, "m1");
  EXPECT_EQ(report.samples.at(SampleStatus::kOk), 5);
  try {
    collect(*store_, "p.db", "m3");
    ADD_FAILURE() << "a model that the database does not know";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnusableInput);
    EXPECT_NE(std::string(error.what()).find("it knows m1, m2"), std::string::npos) << error.what();
  }
}

TEST_F(CollectTest, ModelsHaveNamesAndDevicesTheirLatestProfile) {
  const ModelShape shape = model_shape_from_json(*shipped_model_shape("llama-3.2-1b"));
  store_->put_shape(shape);
  const RunId run = tuned(fingerprint(shape), 100);
  DeviceProfile npu = system_profile_from_json(*shipped_system_profile("test-npu")).devices[0];
  store_->put_profile(run, npu);
  npu.name = "second";
  store_->put_profile(run, npu);
  const Report report = collect(*store_, "p.db", "");
  EXPECT_EQ(report.plans.at(0).model_name, shape.name);
  ASSERT_EQ(report.devices.size(), 1u);
  EXPECT_EQ(report.devices[0].profile, npu);
  EXPECT_EQ(report.devices[0].run, run);
}

TEST_F(CollectTest, AnEmptyDatabase) {
  const Report report = collect(*store_, "p.db", "");
  EXPECT_TRUE(report.runs.empty() && report.samples.empty() && report.devices.empty() && report.plans.empty());
}

}  // namespace
}  // namespace hetero
