// hetero-tune replay and search as programs. The searches on a device need OpenCL on the processor (PoCL) and are
// skipped without it; what kills a compiler or hangs a kernel there is real.
#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "tests/support/refusal.h"
#include "tuner/search/recording.h"

namespace hetero {
namespace {

using test::Finished;

Finished tune(const std::string& arguments) { return test::run_line(HETERO_TUNE, arguments); }

void expect_refused(const std::string& arguments, int code) { test::expect_refusal(HETERO_TUNE, arguments, code); }

const std::string kSpace = SEARCH_DATA "gemm_q8.json";
const std::string kOp = "--op 'matmul m=32 n=64 k=64 w=q4_0 a=f32' --device opencl:0@1 ";

TEST(ReplayCli, PrintsTheCurveNextToRandomSearch) {
  const Finished text = tune("replay --space " + kSpace + " --strategy guided,local --seeds 20");
  EXPECT_EQ(text.exit_code, 0) << text.err;
  for (const char* word : {"guided", "local", "random", "of the optimum", "within 5 %"}) {
    EXPECT_NE(text.out.find(word), std::string::npos) << word << "\n" << text.out;
  }
  const std::string arguments = "replay --space " + kSpace + " --strategy guided --seeds 20 --json";
  const Finished json = tune(arguments);
  EXPECT_EQ(json.exit_code, 0) << json.err;
  EXPECT_NE(json.out.find("\"ratio_to_random\""), std::string::npos);
  EXPECT_EQ(json.out, tune(arguments).out);
}

TEST(ReplayCli, RefusesWhatItCannotUse) {
  const test::TemporaryFolder folder;
  const std::string path = folder.file("damaged.json");
  test::write_file(path, test::contents(kSpace).substr(0, 1000));
  expect_refused("replay --space " + path, 4);
  test::write_file(path, "{\"results\": [");
  expect_refused("replay --space " + path, 4);
  expect_refused("replay --space /nonexistent.json", 3);
  expect_refused("replay --space " + kSpace + " --strategy clairvoyant", 2);
  expect_refused("replay --space " + kSpace + " --seeds 0", 2);
  expect_refused("replay", 2);
}

TEST(SearchCli, RefusesWhatMakesNoSense) {
  expect_refused("search " + kOp + "--variant no.such.kernel", 2);
  expect_refused("search " + kOp + "--variant rope.opencl.pair", 2);
  expect_refused("search " + kOp + "--variant rms_norm.opencl.wide", 2);
  expect_refused("search " + kOp + "--variant matmul.opencl.gemm --values size=1", 2);
  expect_refused("search " + kOp + "--variant matmul.opencl.gemm --values chunk=many", 2);
  expect_refused("search " + kOp + "--variant matmul.opencl.gemm --timeout 30", 2);
  expect_refused("search " + kOp + "--variant matmul.opencl.gemm --strategy clairvoyant", 2);
  expect_refused("search --op nonsense --device opencl:0 --variant matmul.opencl.gemm", 4);
  // Emulated times are no measurements.
  expect_refused(
      "search --op 'matmul m=32 n=64 k=64 w=q4_0 a=f32' --device sim:test-npu/npu --variant matmul.opencl.gemm", 2);
}

// The kernel that every processor has.
TEST(SearchOnTheProcessor, WhatWinsIsKeptForItsShapeClass) {
  const test::TemporaryFolder folder;
  const std::string db = " --db " + folder.file("p.db"), file = folder.file("space.json");
  const std::string on_cpu = " --device cpu:0 --variant matmul.cpu.portable --rounds 3 ";
  const Finished one = tune("search --op 'matmul m=1 n=64 k=64 w=q4_0 a=f32'" + on_cpu + "--keep" + db + " -o " + file);
  ASSERT_EQ(one.exit_code, 0) << one.err;
  const RecordedSearch r = recording_from_json(test::contents(file), file);
  EXPECT_EQ(r.rows.size(), 4U) << "what makes no difference to one row is left as it is";
  for (const RecordedRow& row : r.rows) EXPECT_EQ(row.result.status, SearchStatus::kOk) << row.message;
  const Finished many = tune("search --op 'matmul m=64 n=64 k=64 w=q4_0 a=f32' --evaluations 2" + on_cpu + "--keep" +
                             db + " -o " + folder.file("many.json"));
  ASSERT_EQ(many.exit_code, 0) << many.err;
  const Finished shown = tune("show" + db);
  EXPECT_NE(shown.out.find("matmul.cpu.portable one_row: cache_kib=256 chunk="), std::string::npos) << shown.out;
  EXPECT_NE(shown.out.find("matmul.cpu.portable many_rows: cache_kib="), std::string::npos) << shown.out;
}

TEST(SearchOnTheProcessor, ValuesThatWereNotCompiledAreInvalid) {
  const test::TemporaryFolder folder;
  const std::string file = folder.file("space.json");
  const Finished search = tune(
      "search --op 'matmul m=1 n=64 k=64 w=q4_0 a=f32' --device cpu:0 --variant matmul.cpu.portable --values chunk=0,5 "
      "--rounds 1 -o " +
      file);
  ASSERT_EQ(search.exit_code, 0) << search.err;
  int refused = 0;
  const RecordedSearch r = recording_from_json(test::contents(file), file);
  for (const RecordedRow& row : r.rows) {
    if (row.result.ok()) continue;
    ++refused;
    EXPECT_NE(row.message.find("chunk=5"), std::string::npos) << row.message;
  }
  EXPECT_EQ(refused, 1);
}

class SearchOnADevice : public testing::Test {
 protected:
  void SetUp() override {
    const Finished devices = tune("devices");
    if (devices.out.find("opencl:0 ") == std::string::npos) GTEST_SKIP() << "there is no OpenCL device";
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) GTEST_SKIP() << "opencl:0@1 needs two cores";
  }
  RecordedSearch result() const { return recording_from_json(test::contents(file_), file_); }

  test::TemporaryFolder folder_;
  const std::string file_ = folder_.file("space.json");
};

TEST_F(SearchOnADevice, RecordsEverythingAndGoesOn) {
  const std::string arguments =
      "search " + kOp + "--variant matmul.opencl.gemm --values rows_block=32,64 --values chunk=64,128 --rounds 3 -o " +
      file_;
  const Finished part = tune(arguments + " --strategy random --evaluations 2");
  ASSERT_EQ(part.exit_code, 0) << part.err;
  EXPECT_EQ(result().rows.size(), 2U);
  const std::string first = t4_json(result());
  const Finished whole = tune(arguments + " --strategy exhaustive");
  ASSERT_EQ(whole.exit_code, 0) << whole.err;
  const RecordedSearch r = result();
  ASSERT_EQ(r.rows.size(), 4U);
  for (const RecordedRow& row : r.rows) {
    EXPECT_EQ(row.result.status, SearchStatus::kOk) << row.message;
    EXPECT_EQ(row.runtimes.size(), 3U);
    EXPECT_GT(row.result.value, 0);
  }
  EXPECT_NE(whole.err.find("2 configurations are known"), std::string::npos) << whole.err;
  EXPECT_NE(whole.out.find("default"), std::string::npos) << whole.out;
  // Another search does not overwrite it.
  expect_refused(
      "search --op 'matmul m=1 n=64 k=64 w=q4_0 a=f32' --device opencl:0@1 --variant matmul.opencl.gemm -o " + file_,
      4);
}

TEST_F(SearchOnADevice, WhatWinsIsKept) {
  const std::string db = " --db " + folder_.file("p.db");
  const Finished search =
      tune("search " + kOp + "--variant matmul.opencl.gemm --evaluations 3 --rounds 3 --keep" + db + " -o " + file_);
  ASSERT_EQ(search.exit_code, 0) << search.err;
  const Finished shown = tune("show" + db);
  EXPECT_NE(shown.out.find("matmul.opencl.gemm few_rows: chunk="), std::string::npos) << shown.out;
  expect_refused("search " + kOp + "--variant matmul.opencl.gemm --values chunk=64 --keep" + db, 2);
}

// A chunk of 16 columns makes the kernel's loop step by nothing: it never ends. An absurd block of rows needs more
// private memory than a thread has.
TEST_F(SearchOnADevice, OutlivesHangsAndCrashes) {
  const Finished outcome = tune("search " + kOp +
                                "--variant matmul.opencl.gemm --values rows_block=64,4194304 --values chunk=16,128 "
                                "--rounds 1 --timeout 5s --strategy exhaustive -o " +
                                file_);
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const RecordedSearch r = result();
  ASSERT_EQ(r.rows.size(), 4U);
  for (const RecordedRow& row : r.rows) {
    const std::string text = r.space.text(row.config);
    if (text == "rows_block=64 chunk=128") {
      EXPECT_EQ(row.result.status, SearchStatus::kOk) << row.message;
    } else {
      EXPECT_NE(row.result.status, SearchStatus::kOk) << text;
      EXPECT_FALSE(row.message.empty()) << text;
    }
    if (text == "rows_block=64 chunk=16") {
      EXPECT_EQ(row.result.status, SearchStatus::kTimeout) << row.message;
    }
  }
}

}  // namespace
}  // namespace hetero
