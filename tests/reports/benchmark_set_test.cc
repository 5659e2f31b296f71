// Reading what can be compared: bench rows, Google Benchmark's JSON, runs of a database, and what is none of these.
#include "reports/benchmark_set.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/error.h"

namespace hetero {
namespace {

namespace fs = std::filesystem;

const char* const kInfer = R"([
  {"test": "pp64", "devices": ["cpu:0", "opencl:0@1"], "plan": "tuned", "emulated": false,
   "tok_per_s": {"median": 2, "mad": 0, "samples": [1.5, 2, 2.5]},
   "model": {"path": "/a/m.gguf", "params": 10, "bytes": 20}, "environment": {"cpu": "Some CPU", "cores": 2}},
  {"test": "pp64", "devices": ["cpu:0"], "plan": "single", "tok_per_s": {"samples": [1]},
   "model": {"path": "/b/m.gguf", "params": 10, "bytes": 20}}])";

const char* const kGoogle = R"({
  "context": {"host_name": "h", "num_cpus": 2, "library_build_type": "release"},
  "benchmarks": [
    {"name": "kernel/x/repeats:2", "run_name": "kernel/x", "run_type": "iteration", "real_time": 1.5, "time_unit": "us"},
    {"name": "kernel/x/repeats:2", "run_name": "kernel/x", "run_type": "iteration", "real_time": 2, "time_unit": "us"},
    {"name": "kernel/x_median", "run_name": "kernel/x", "run_type": "aggregate", "real_time": 9, "time_unit": "us"},
    {"name": "join", "real_time": 7},
    {"name": "bad", "run_type": "iteration", "error_occurred": true, "error_message": "no"}]})";

void expect_unusable(const std::string& text) {
  try {
    benchmarks_from_json(text, "f.json");
    ADD_FAILURE() << "was read: " << text;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnusableInput) << text;
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << "one line: " << error.what();
  }
}

TEST(BenchmarksFromJson, RowsOfHeteroInfer) {
  const BenchmarkSet set = benchmarks_from_json(kInfer, "f.json");
  ASSERT_EQ(set.benchmarks.size(), 2u);
  EXPECT_EQ(set.benchmarks[0].name, "pp64 on cpu:0+opencl:0@1 (tuned)");
  EXPECT_EQ(set.benchmarks[0].unit, "tok/s");
  EXPECT_EQ(set.benchmarks[0].direction, Direction::kRate);
  EXPECT_EQ(set.benchmarks[0].samples, (std::vector<double>{1.5, 2, 2.5}));
  EXPECT_EQ(set.circumstances.at("model"), "10 parameters, 20 bytes") << "wherever the file lies";
  EXPECT_EQ(set.circumstances.at("cpu"), "Some CPU");
  EXPECT_EQ(set.circumstances.at("times"), "measured");
}

TEST(BenchmarksFromJson, EmulatedRowsAreAnotherThing) {
  std::string text = kInfer;
  const std::string was = "\"emulated\": false";
  text.replace(text.find(was), was.size(), "\"emulated\": true");
  EXPECT_EQ(benchmarks_from_json(text, "f.json").circumstances.at("times"), "several");
}

TEST(BenchmarksFromJson, RepetitionsOfGoogleBenchmark) {
  const BenchmarkSet set = benchmarks_from_json(kGoogle, "f.json");
  ASSERT_EQ(set.benchmarks.size(), 2u);
  EXPECT_EQ(set.benchmarks[0].name, "kernel/x");
  EXPECT_EQ(set.benchmarks[0].samples, (std::vector<double>{1500, 2000})) << "in ns, without the aggregate";
  EXPECT_EQ(set.benchmarks[1].samples, std::vector<double>{7});
  EXPECT_EQ(set.circumstances.at("build type"), "release");
  ASSERT_EQ(set.notes.size(), 1u) << "the run with an error is not passed over in silence";
}

TEST(BenchmarksFromJson, WhatIsWrittenForGoogleBenchmarkIsReadBack) {
  const BenchmarkSet google = benchmarks_from_json(kGoogle, "f.json");
  const BenchmarkSet again = benchmarks_from_json(to_google_json(google), "g.json");
  ASSERT_EQ(again.benchmarks.size(), google.benchmarks.size());
  EXPECT_EQ(again.benchmarks[0].name, google.benchmarks[0].name);
  EXPECT_EQ(again.benchmarks[0].samples, google.benchmarks[0].samples);
  EXPECT_EQ(again.circumstances, google.circumstances);
  const BenchmarkSet rates = benchmarks_from_json(to_google_json(benchmarks_from_json(kInfer, "f.json")), "g.json");
  EXPECT_EQ(rates.benchmarks[0].direction, Direction::kTime);
  EXPECT_NEAR(rates.benchmarks[0].samples[1], 0.5e9, 1) << "2 tok/s";
  EXPECT_EQ(rates.circumstances.at("model"), "10 parameters, 20 bytes");
}

TEST(BenchmarksFromJson, NonsenseIsRefused) {
  for (const char* text : {"",
                           "{",
                           "nonsense",
                           "3",
                           "null",
                           "{}",
                           "[]",
                           "[3]",
                           "[{}]",
                           R"([{"test": 3}])",
                           R"([{"test": "pp1", "devices": "cpu", "tok_per_s": {"samples": [1]}}])",
                           R"([{"test": "pp1", "devices": [1], "tok_per_s": {"samples": [1]}}])",
                           R"([{"test": "pp1", "devices": ["c"], "tok_per_s": {"samples": []}}])",
                           R"([{"test": "pp1", "devices": ["c"], "tok_per_s": {"samples": [0]}}])",
                           R"([{"test": "pp1", "devices": ["c"], "tok_per_s": {"samples": [-1]}}])",
                           R"([{"test": "pp1", "devices": ["c"], "tok_per_s": {"samples": ["1"]}}])",
                           R"([{"test": "pp1", "devices": ["c"], "tok_per_s": {"samples": [1e999]}}])",
                           R"([{"test": "pp1", "devices": ["c"], "tok_per_s": 5}])",
                           R"({"benchmarks": 3})",
                           R"({"benchmarks": []})",
                           R"({"benchmarks": [{"name": "x"}]})",
                           R"({"benchmarks": [{"name": "x", "real_time": 1, "time_unit": "weeks"}]})",
                           R"({"benchmarks": [{"name": "x", "real_time": 1, "run_type": "aggregate"}]})",
                           R"({"context": 5, "benchmarks": [7]})"}) {
    expect_unusable(text);
  }
  std::string all = kInfer;
  for (std::size_t end = 0; end < all.size(); end += 7) expect_unusable(all.substr(0, end));
}

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "hetero_benchmarks_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = (folder_ / "p.db").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  static Sample sample(SampleKind kind, const std::string& subject, double ns) {
    Sample s;
    s.kind = kind;
    s.device = "cpu:0";
    s.exact_fingerprint = "now";
    s.subject = subject;
    s.device_ns = ns;
    return s;
  }
  // Runs 1 and 2 with samples, run 3 with none that count.
  void fill() {
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    for (const char* model : {"m1", "m2"}) {
      RunInfo info;
      info.model_fingerprint = model;
      info.build_type = "Release";
      const RunId run = store->begin_run(info);
      Sample untrusted = sample(SampleKind::kOp, "add m=1 n=8", 1);
      untrusted.status = SampleStatus::kUntrusted;
      store->add_samples(
          run, {sample(SampleKind::kOp, "add m=1 n=8", 5), sample(SampleKind::kOp, "add m=1 n=8", 6),
                sample(SampleKind::kGate, "decode plan", 9), sample(SampleKind::kLaunch, "launch", 3), untrusted});
    }
    store->add_samples(store->begin_run({}), {sample(SampleKind::kLaunch, "launch", 3)});
    DeviceProfile profile;
    profile.device = "cpu:0";
    profile.kind = "cpu";
    profile.name = "Some CPU";
    profile.driver = "avx2";
    profile.exact_fingerprint = "now";
    store->put_profile(1, profile);
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(StoreTest, TheLatestRunWithSamplesOrTheOneThatIsNamed) {
  fill();
  const BenchmarkSet latest = load_benchmarks(path_);
  EXPECT_EQ(latest.source, path_ + "#2");
  EXPECT_EQ(latest.circumstances.at("model"), "m2");
  EXPECT_EQ(latest.circumstances.at("build type"), "Release");
  EXPECT_EQ(latest.circumstances.at("device cpu:0"), "Some CPU, avx2") << "its kernels may differ, the device may not";
  ASSERT_EQ(latest.benchmarks.size(), 2u);
  EXPECT_EQ(latest.benchmarks[0].name, "add m=1 n=8 on cpu:0");
  EXPECT_EQ(latest.benchmarks[0].samples, (std::vector<double>{5, 6})) << "what is untrusted does not count";
  EXPECT_EQ(latest.benchmarks[1].name, "gate: decode plan");
  EXPECT_EQ(load_benchmarks(path_ + "#1").circumstances.at("model"), "m1");
  for (const char* run : {"#3", "#4", "#99"}) {
    try {
      load_benchmarks(path_ + run);
      ADD_FAILURE() << run;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::kUnusableInput) << run;
    }
  }
}

TEST_F(StoreTest, WhatTheGateTimedAtFewerRowsIsAnotherBenchmark) {
  {
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    for (const int rows : {256, 1024}) {
      Sample gate = sample(SampleKind::kGate, "prefill 1024 plan", 1e9);
      gate.params["rows"] = rows;
      store->add_samples(store->begin_run({}), {gate});
    }
  }
  EXPECT_EQ(load_benchmarks(path_ + "#1").benchmarks[0].name, "gate: prefill 1024 plan, 256 rows");
  EXPECT_EQ(load_benchmarks(path_ + "#2").benchmarks[0].name, "gate: prefill 1024 plan, 1024 rows");
}

TEST_F(StoreTest, FilesThatCannotBeRead) {
  const auto code_of = [](const std::string& path) {
    try {
      load_benchmarks(path);
    } catch (const Error& error) {
      return error.code();
    }
    return ExitCode::kDone;
  };
  EXPECT_EQ(code_of(path_), ExitCode::kEnvironment);
  EXPECT_EQ(code_of(path_ + "#1"), ExitCode::kEnvironment);
  EXPECT_EQ(code_of(folder_.string()), ExitCode::kEnvironment);
  { Store::open(path_, StoreAccess::kReadWrite); }
  EXPECT_EQ(code_of(path_), ExitCode::kUnusableInput) << "it holds no samples";
  std::ofstream(folder_ / "a#b") << kInfer;
  EXPECT_EQ(load_benchmarks((folder_ / "a#b").string()).benchmarks.size(), 2u) << "a name with a # in it";
}

}  // namespace
}  // namespace hetero
