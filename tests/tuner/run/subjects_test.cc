// What subjects_for() lists: by counting and by looking for what must and must not be there.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/tuner/run/run_fixture.h"
#include "tuner/measure/measure.h"

namespace hetero {
namespace {

using testing_run::small_shape;

DeviceFacts device(const std::string& id, SubmitMode mode) {
  DeviceFacts facts;
  facts.id = id;
  facts.submit_mode = mode;
  facts.waiters = {Waiter::kPoll, Waiter::kDriver};
  return facts;
}

MeasureOptions two_buckets() {
  MeasureOptions options;
  options.buckets = {1, 32};
  options.context = 64;
  return options;
}

int count(const std::vector<Subject>& subjects, SampleKind kind, const std::string& id, const std::string& subject,
          const std::string& with = "") {
  return static_cast<int>(std::count_if(subjects.begin(), subjects.end(), [&](const Subject& s) {
    return s.kind == kind && s.device == id && s.subject == subject && s.active_with == with;
  }));
}

TEST(SubjectsFor, ListsEveryMatmulOfTheModelOncePerBucket) {
  const DeviceFacts cpu = device("cpu:0", SubmitMode::kOnCallersThread);
  const std::vector<Subject> subjects = subjects_for(small_shape(), {&cpu}, two_buckets());
  for (const char* shape : {"n=64 k=64", "n=128 k=64", "n=64 k=128"}) {
    for (const char* m : {"m=1 ", "m=32 "}) {
      const std::string text = std::string("matmul ") + m + shape + " w=f32 a=f32";
      EXPECT_EQ(count(subjects, SampleKind::kOp, "cpu:0", text), 1) << text;
    }
  }
  // Only the last row needs logits.
  EXPECT_EQ(count(subjects, SampleKind::kOp, "cpu:0", "matmul m=1 n=512 k=64 w=f32 a=f32"), 1);
  EXPECT_EQ(count(subjects, SampleKind::kOp, "cpu:0", "matmul m=32 n=512 k=64 w=f32 a=f32"), 0);
}

TEST(SubjectsFor, ListsOtherOpsLatenciesAndBandwidth) {
  const DeviceFacts cpu = device("cpu:0", SubmitMode::kOnCallersThread);
  const std::vector<Subject> subjects = subjects_for(small_shape(), {&cpu}, two_buckets());
  for (const char* text : {"rms_norm m=1 n=64", "swiglu m=32 n=128", "rope m=1 n=64 dim=32", "add m=1 n=64",
                           "attention m=1 heads=2 kv=2 dim=32 ctx=64", "attention m=32 heads=2 kv=2 dim=32 ctx=32"}) {
    EXPECT_EQ(count(subjects, SampleKind::kOp, "cpu:0", text), 1) << text;
  }
  EXPECT_EQ(count(subjects, SampleKind::kLaunch, "cpu:0", "launch"), 1);
  EXPECT_EQ(count(subjects, SampleKind::kJoin, "cpu:0", "poll"), 1);
  EXPECT_EQ(count(subjects, SampleKind::kJoin, "cpu:0", "driver"), 1);
  EXPECT_EQ(count(subjects, SampleKind::kJoin, "cpu:0", "sleep_poll"), 0);
  EXPECT_EQ(count(subjects, SampleKind::kBandwidth, "cpu:0", "stream"), 1);
  EXPECT_TRUE(std::none_of(subjects.begin(), subjects.end(), [](const Subject& s) { return !s.active_with.empty(); }));
}

TEST(SubjectsFor, SharesLieOnTheDevicesGrid) {
  DeviceFacts cpu = device("cpu:0", SubmitMode::kOnCallersThread);
  cpu.feature_align = 48;
  int shares = 0;
  for (const Subject& s : subjects_for(small_shape(), {&cpu}, two_buckets())) {
    if (s.kind != SampleKind::kOp) continue;
    const OpDesc op = parse_op_desc(s.subject);
    if (op.kind != OpKind::kMatmul || std::set<std::int64_t>{64, 128, 512}.contains(op.n)) continue;
    ++shares;
    EXPECT_EQ(op.n % 48, 0) << s.subject;
  }
  EXPECT_GT(shares, 3);
}

TEST(SubjectsFor, DevicesContendInBothDirections) {
  const DeviceFacts cpu = device("cpu:0", SubmitMode::kOnCallersThread);
  const DeviceFacts gpu = device("opencl:0", SubmitMode::kAsynchronous);
  const std::vector<Subject> subjects = subjects_for(small_shape(), {&cpu, &gpu}, two_buckets());
  EXPECT_EQ(count(subjects, SampleKind::kBandwidth, "cpu:0", "stream", "opencl:0"), 1);
  EXPECT_EQ(count(subjects, SampleKind::kBandwidth, "opencl:0", "stream", "cpu:0"), 1);
  int contention = 0;
  for (const Subject& s : subjects) contention += s.kind == SampleKind::kContention ? 1 : 0;
  EXPECT_EQ(contention, 2 * (1 + 2));  // decode (but for the head, all is too short) and two ops of prefill
}

TEST(SubjectsFor, TwoDevicesOnTheCallersThreadAreNeverMeasuredTogether) {
  const DeviceFacts a = device("cpu:0", SubmitMode::kOnCallersThread);
  const DeviceFacts b = device("cpu:1", SubmitMode::kOnCallersThread);
  for (const Subject& s : subjects_for(small_shape(), {&a, &b}, two_buckets()))
    EXPECT_EQ(s.active_with, "") << s.subject;
}

TEST(SubjectsFor, AStaticDeviceIsMeasuredAtItsSizesOnly) {
  DeviceFacts npu = device("npu", SubmitMode::kAsynchronous);
  npu.standard_sizes = {16, 48};
  int compiles = 0;
  for (const Subject& s : subjects_for(small_shape(), {&npu}, two_buckets())) {
    if (s.kind == SampleKind::kGraphCompile) ++compiles;
    if (s.kind != SampleKind::kOp) continue;
    const std::int64_t m = parse_op_desc(s.subject).m;
    EXPECT_TRUE(m == 16 || m == 48) << s.subject;
  }
  EXPECT_GT(compiles, 0);
}

TEST(SubjectsFor, TheMostImportantComesFirst) {
  const DeviceFacts cpu = device("cpu:0", SubmitMode::kOnCallersThread);
  const std::vector<Subject> subjects = subjects_for(small_shape(), {&cpu}, two_buckets());
  EXPECT_TRUE(std::is_sorted(subjects.begin(), subjects.end(),
                             [](const Subject& a, const Subject& b) { return a.weight > b.weight; }));
}

}  // namespace
}  // namespace hetero
