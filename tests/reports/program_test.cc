// hetero-report as a program: what goes to stdout, what to stderr, and the exit codes.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "profiles/store/store.h"
#include "profiles/trace.h"
#include "tests/reports/program_fixture.h"

namespace hetero {
namespace {

TEST_F(ProgramTest, PrintsBothForms) {
  {
    const auto store = Store::open(db_, StoreAccess::kReadWrite);
    RunInfo info;
    info.model_fingerprint = "m1";
    info.cpu = "Some CPU";
    store->end_run(store->begin_run(info), "done");
  }
  EXPECT_EQ(run("markdown --db " + db_), 0) << err_;
  EXPECT_NE(out_.find("- Machine: Some CPU"), std::string::npos) << out_;
  EXPECT_EQ(err_, "");
  EXPECT_EQ(run("json --db " + db_ + " --model-fingerprint m1"), 0) << err_;
  EXPECT_EQ(nlohmann::json::parse(out_)["runs"][0]["cpu"], "Some CPU");
  expect_refusal(4, "json --db " + db_ + " --model-fingerprint m2");
  EXPECT_EQ(run("markdown --db " + db_, "/dev/full"), 3) << "a report that was cut is no report";
}

// A database with all that a report can show: samples of every kind, a profile, a plan with its gate.
void fill(const std::string& path) {
  const auto store = Store::open(path, StoreAccess::kReadWrite);
  const SystemProfile system = system_profile_from_json(*shipped_system_profile("test-npu"));
  const DeviceProfile& device = system.devices.at(0);
  const ModelShape shape = model_shape_from_json(*shipped_model_shape("llama-3.2-1b"));
  RunInfo info;
  info.model_fingerprint = fingerprint(shape);
  info.cpu = "Some <CPU> & \x01 \xff";
  const RunId run = store->begin_run(info);
  const auto sample = [&](SampleKind kind, const std::string& subject) {
    Sample s;
    s.kind = kind;
    s.device = device.device;
    s.exact_fingerprint = device.exact_fingerprint;
    s.subject = subject;
    s.device_ns = s.launch_ns = s.join_ns = s.compile_ns = 5e5;
    s.value = 12;
    return s;
  };
  Sample gate = sample(SampleKind::kGate, "decode plan");
  gate.params = {{"rows", 1}, {"predicted_ns", 400000}};
  Sample alone = gate;
  alone.subject = "decode single";
  const std::string op = "matmul m=32 n=2048 k=2048 w=q4_0 a=f32";
  store->add_samples(run, {sample(SampleKind::kOp, op), sample(SampleKind::kBandwidth, "stream"),
                           sample(SampleKind::kLaunch, "launch"), sample(SampleKind::kJoin, "poll"),
                           sample(SampleKind::kGraphCompile, op), sample(SampleKind::kAnchor, op), gate, alone});
  store->put_profile(run, device);
  store->put_kernel_choice(run, {.family_fingerprint = device.family_fingerprint,
                                 .variant = "some.kernel",
                                 .revision = 2,
                                 .subject = op,
                                 .params = {{"tile", 4}},
                                 .best_ns = 4e5,
                                 .default_ns = 5e5});
  store->put_shape(shape);
  Plan plan = single_device_plan(device.device, "tuned");
  plan.model_fingerprint = info.model_fingerprint;
  plan.device_fingerprints = {{device.device, device.exact_fingerprint}};
  for (PlanBucket& bucket : plan.buckets) {
    bucket.verdict = {
        .adopted = false, .best_single = device.device, .plan_over_single = 1, .noise = 0.01, .reason = "r"};
  }
  store->put_plan(run, plan);
  store->end_run(run, "done");
}

TEST_F(ProgramTest, PrintsHtmlAndJunit) {
  fill(db_);
  const std::string page = (folder_ / "report.html").string();
  EXPECT_EQ(run("html --db " + db_ + " -o " + page), 0) << err_;
  EXPECT_EQ(out_, "");
  EXPECT_EQ(contents(page).rfind("<!doctype html>", 0), 0u);
  EXPECT_NE(contents(page).find("</html>"), std::string::npos);
  EXPECT_FALSE(fs::exists(page + ".part"));
  EXPECT_EQ(run("junit --db " + db_), 0) << err_;
  EXPECT_NE(out_.find("<testsuites"), std::string::npos);
  expect_refusal(3, "html --db " + db_ + " -o " + (folder_ / "no" / "report.html").string());
  expect_refusal(3, "html --db " + db_ + " -o " + folder_.string());
  EXPECT_EQ(run("html --db " + db_, "/dev/full"), 3);
}

// In headless Chromium: console, network, pixels of every chart, phone width, keyboard, print, scripts off.
TEST_F(ProgramTest, ABrowserDrawsThePage) {
  fill(db_);
  const std::string page = (folder_ / "report.html").string();
  const std::string trace = (folder_ / "trace").string();
  Trace t;
  t.devices = {"cpu:0"};
  t.spans = {{.device = "cpu:0", .label = "L0", .start_ns = 5, .end_ns = 900, .predicted_ns = 700}};
  std::ofstream(trace) << to_chrome_json(t);
  const std::string others = " --trace " + trace + " --bench " + bench("bench", 100);
  ASSERT_EQ(run("html --db " + db_ + others + " -o " + page), 0) << err_;
  const std::string check = std::string("python3 ") + HETERO_SOURCE + "/scripts/check_report.py " + page + " >" +
                            (folder_ / "said").string() + " 2>&1";
  const int status = std::system(check.c_str());
  const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  if (code == 3) GTEST_SKIP() << "the page was not looked at: " << contents(folder_ / "said");
  EXPECT_EQ(code, 0) << contents(folder_ / "said");
}

TEST_F(ProgramTest, AFailedCaseIsExitCodeOneAndStillPrints) {
  fill(db_);
  {
    const auto store = Store::open(db_, StoreAccess::kReadWrite);
    Sample wrong;
    wrong.status = SampleStatus::kWrongResult;
    store->add_samples(1, {wrong});
  }
  EXPECT_EQ(run("junit --db " + db_), 1) << err_;
  EXPECT_NE(out_.find("1 samples had a wrong result"), std::string::npos) << out_;
}

// By Python's parsers; the JSON against the schemas where python3-jsonschema is installed.
TEST_F(ProgramTest, OtherProgramsCanReadWhatIsPrinted) {
  fill(db_);
  const std::string check = std::string("python3 ") + HETERO_SOURCE + "/tests/reports/check_output.py ";
  const std::string to = (folder_ / "file").string();
  const auto checked = [&](const std::string& form, const std::string& arguments) {
    EXPECT_EQ(run(arguments + " -o " + to), 0) << err_;
    const int status = std::system((check + form + " " + to).c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  EXPECT_EQ(checked("html", "html --db " + db_), 0);
  EXPECT_EQ(checked("xml", "junit --db " + db_), 0);
  EXPECT_EQ(checked("xml", "compare " + db_ + " " + db_ + " --junit"), 0);
  EXPECT_EQ(checked("html", "history a=" + db_ + " b=" + db_ + " --html"), 0);
  const int report = checked("report", "json --db " + db_);
  const int compare = checked("compare", "compare " + db_ + " " + db_ + " --json");
  const int history = checked("history", "history a=" + db_ + " b=" + db_ + " --json");
  if (report == 77) GTEST_SKIP() << "the schemas were not checked: python3-jsonschema is not installed";
  EXPECT_EQ(report, 0);
  EXPECT_EQ(compare, 0);
  EXPECT_EQ(history, 0);
}

TEST_F(ProgramTest, HtmlDrawsWhatOtherFilesTell) {
  fill(db_);
  const auto file = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    return (folder_ / name).string();
  };
  Trace trace;
  trace.devices = {"cpu:0"};
  trace.spans = {{.device = "cpu:0", .label = "L0", .start_ns = 5, .end_ns = 900, .predicted_ns = 700}};
  const std::string traced = file("trace", to_chrome_json(trace));
  const std::string rates = bench("bench", 100);
  const std::string search =
      file("search", R"({"results": [{"configuration": {"tile": 4}, "invalidity": "compile"}]})");
  EXPECT_EQ(run("html --db " + db_ + " --trace " + traced + " --bench " + rates + " --search " + search), 0) << err_;
  for (const char* id : {"timeline", "rates", "search"}) {
    EXPECT_NE(out_.find(std::string("<section id=\"") + id + "\">"), std::string::npos) << id;
  }
  expect_refusal(4, "html --db " + db_ + " --trace " + rates);
  expect_refusal(4, "html --db " + db_ + " --bench " + traced);
  EXPECT_EQ(run("markdown --db " + db_ + " --bench " + rates), 0) << err_;
  EXPECT_NE(out_.find("\n## Rates"), std::string::npos) << out_;
  expect_refusal(4, "markdown --db " + db_ + " --bench " + traced);
  expect_refusal(4, "html --db " + db_ + " --search " + traced);
  expect_refusal(3, "html --db " + db_ + " --trace " + (folder_ / "missing").string());
  expect_refusal(2, "json --db " + db_ + " --trace " + traced);
}

TEST_F(ProgramTest, WrongCommandLines) {
  expect_refusal(2, "");
  expect_refusal(2, "picture");
  expect_refusal(2, "markdown --nonsense");
  expect_refusal(2, "markdown --db");
  EXPECT_EQ(run("--help"), 0);
  EXPECT_NE(out_.find("markdown"), std::string::npos);
}

TEST_F(ProgramTest, DatabasesThatCannotBeRead) {
  expect_refusal(3, "markdown --db " + db_);
  EXPECT_FALSE(fs::exists(db_)) << "a report makes no database";
  std::ofstream(db_) << "This is a letter.\n";
  expect_refusal(4, "json --db " + db_);
  expect_refusal(4, "json --db " + folder_.string());
}

}  // namespace
}  // namespace hetero
