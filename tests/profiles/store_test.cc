// The database: what is written comes back, what is not ours stays untouched, and no way of dying damages it.
#include "profiles/store/store.h"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"

namespace hetero {
namespace {

namespace fs = std::filesystem;

class StoreTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "hetero_store_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = (folder_ / "profiles.db").string();
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
  std::string path_;
};

std::string contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Runs SQL beside the store's own code; returns the last value seen.
std::string sql(const std::string& path, const std::string& text) {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  std::string last;
  const auto keep = [](void* out, int columns, char** values, char**) {
    if (columns > 0 && values[0] != nullptr) *static_cast<std::string*>(out) = values[0];
    return 0;
  };
  char* message = nullptr;
  if (sqlite3_exec(db, text.c_str(), keep, &last, &message) != SQLITE_OK) last = message;
  sqlite3_free(message);
  sqlite3_close(db);
  return last;
}

template <typename Function>
void expect_error(ExitCode code, const std::string& part, Function function) {
  try {
    function();
    ADD_FAILURE() << "no error; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

Sample some_sample(int round) {
  Sample sample;
  sample.device = "cpu:0";
  sample.exact_fingerprint = "aa";
  sample.subject = "matmul m=1 n=64 k=64 w=q4_0 a=f32";
  sample.variant = "matmul.cpu.avx2#1";
  sample.params = {{"tile_m", 4}, {"it's", -1}};
  sample.active_with = "opencl:0@1";
  sample.device_ns = 1.0 / 3;
  sample.launch_ns = 2;
  sample.compile_ns = 3;
  sample.transfer_ns = 4;
  sample.join_ns = 5;
  sample.value = 6;
  sample.round = round;
  return sample;
}

void expect_equal(const Sample& a, const Sample& b) {
  EXPECT_EQ(a.kind, b.kind);
  EXPECT_EQ(a.device, b.device);
  EXPECT_EQ(a.exact_fingerprint, b.exact_fingerprint);
  EXPECT_EQ(a.subject, b.subject);
  EXPECT_EQ(a.variant, b.variant);
  EXPECT_EQ(a.params, b.params);
  EXPECT_EQ(a.active_with, b.active_with);
  EXPECT_EQ(a.device_ns, b.device_ns);
  EXPECT_EQ(a.launch_ns, b.launch_ns);
  EXPECT_EQ(a.compile_ns, b.compile_ns);
  EXPECT_EQ(a.transfer_ns, b.transfer_ns);
  EXPECT_EQ(a.join_ns, b.join_ns);
  EXPECT_EQ(a.value, b.value);
  EXPECT_EQ(a.status, b.status);
  EXPECT_EQ(a.message, b.message);
  EXPECT_EQ(a.round, b.round);
}

TEST_F(StoreTest, SamplesComeBackAsTheyWere) {
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  const RunId run = store->begin_run({});
  Sample bad = some_sample(1);
  bad.kind = SampleKind::kContention;
  bad.status = SampleStatus::kWrongResult;
  bad.message = "'; DROP TABLE sample; --";
  Sample other = some_sample(2);
  other.exact_fingerprint = "bb";
  other.subject = std::string("zero\0byte", 9);
  store->add_samples(run, {some_sample(0), bad, other});
  EXPECT_EQ(store->sample_count(), 3);

  const std::vector<Sample> all = store->samples({.trusted_only = false});
  ASSERT_EQ(all.size(), 3u);
  expect_equal(all[0], some_sample(0));
  expect_equal(all[1], bad);
  expect_equal(all[2], other);
  EXPECT_EQ(store->samples({}).size(), 2u);
  EXPECT_EQ(store->samples({.exact_fingerprint = "aa"}).size(), 1u);
  EXPECT_EQ(store->samples({.exact_fingerprint = "aa", .trusted_only = false}).size(), 2u);
  EXPECT_EQ(store->samples({.kind = SampleKind::kContention, .trusted_only = false}).size(), 1u);
  EXPECT_EQ(store->samples({.subject = some_sample(0).subject}).size(), 1u);
  EXPECT_TRUE(store->samples({.subject = "no such"}).empty());
}

TEST_F(StoreTest, SamplesOfACallAreAllOrNone) {
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  const RunId run = store->begin_run({});
  Sample bad = some_sample(1);
  bad.value = NAN;
  expect_error(ExitCode::kUnusableInput, "value", [&] { store->add_samples(run, {some_sample(0), bad}); });
  EXPECT_EQ(store->sample_count(), 0);
  EXPECT_THROW(store->add_samples(run + 1, {some_sample(0)}), Error) << "a run that does not exist";
  store->add_samples(run, {some_sample(0)});
  EXPECT_EQ(store->sample_count(), 1);
}

TEST_F(StoreTest, ADatabaseIsKnownByItsBeginning) {
  EXPECT_FALSE(Store::is_database(path_)) << "there is none";
  Store::open(path_, StoreAccess::kReadWrite);
  EXPECT_TRUE(Store::is_database(path_));
  const std::string other = path_ + ".txt";
  for (const char* text : {"", "SQLite", "SQLite format 4 and more than that", "[1, 2, 3]"}) {
    write_file(other, text);
    EXPECT_FALSE(Store::is_database(other)) << text;
  }
}

TEST_F(StoreTest, Runs) {
  {
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    const RunId first = store->begin_run({.program_version = "0.1",
                                          .host = "box",
                                          .cpu = "c",
                                          .started_utc = "t",
                                          .build_type = "Release",
                                          .command = "x",
                                          .load_average = 0.5,
                                          .model_fingerprint = "m"});
    store->add_samples(first, {some_sample(0), some_sample(1)});
    store->end_run(first, "done");
    store->begin_run({});
  }
  const auto store = Store::open(path_, StoreAccess::kReadOnly);
  const std::vector<Store::RunRow> runs = store->runs();
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].info.host, "box");
  EXPECT_EQ(runs[0].info.load_average, 0.5);
  EXPECT_EQ(runs[0].info.model_fingerprint, "m");
  EXPECT_EQ(runs[0].outcome, "done");
  EXPECT_EQ(runs[0].samples, 2);
  EXPECT_EQ(runs[1].outcome, "");
  EXPECT_EQ(runs[1].samples, 0);
  EXPECT_THROW(Store::open(path_, StoreAccess::kReadOnly)->begin_run({}), Error);
}

TEST_F(StoreTest, TheLatestDocumentIsInForceAndEarlierOnesStay) {
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  const RunId run = store->begin_run({});
  DeviceProfile profile = system_profile_from_json(*shipped_system_profile("test-npu")).devices[0];
  store->put_profile(run, profile);
  profile.name = "second";
  store->put_profile(run, profile);
  EXPECT_EQ(store->profile(profile.device, profile.exact_fingerprint), profile);
  EXPECT_EQ(store->profile(profile.device, "other driver"), std::nullopt);
  EXPECT_EQ(sql(path_, "SELECT count(*) FROM profile"), "2");

  const ModelShape shape = model_shape_from_json(*shipped_model_shape("llama-3.2-1b"));
  store->put_shape(shape);
  store->put_shape(shape);
  EXPECT_EQ(store->shape(fingerprint(shape)), shape);
  EXPECT_EQ(store->shape("0"), std::nullopt);
  EXPECT_EQ(sql(path_, "SELECT count(*) FROM shape"), "1");
}

TEST_F(StoreTest, PlansByTheirDevices) {
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  const RunId run = store->begin_run({});
  const auto plan_on = [&](std::vector<std::string> devices, const std::string& origin) {
    Plan plan = single_device_plan(devices[0], origin);
    plan.model_fingerprint = "m";
    plan.devices = std::move(devices);
    return plan;
  };
  const Plan one = plan_on({"cpu:0"}, "single");
  const Plan two = plan_on({"opencl:0@1", "cpu:0"}, "tuned");
  Plan newer = two;
  newer.origin = "file";
  store->put_plan(run, two);
  store->put_plan(run, newer);
  store->put_plan(run, one);
  EXPECT_EQ(store->plan("m", {"cpu:0", "opencl:0@1"}), newer) << "in any order, the latest";
  EXPECT_EQ(store->plan("m", {"cpu:0"}), one);
  EXPECT_EQ(store->plan("m", {"opencl:0@1"}), std::nullopt);
  EXPECT_EQ(store->plan("other", {"cpu:0"}), std::nullopt);
  EXPECT_EQ(store->plan_within("m", {"cpu:0", "opencl:0@1", "x"}), one) << "the latest of those that fit";
  EXPECT_EQ(store->plan_within("m", {"cpu:0"}), one);
  EXPECT_EQ(store->plan_within("m", {"opencl:0@1"}), std::nullopt);
}

TEST_F(StoreTest, ListsWhatIsInForceWithItsRun) {
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  const RunId first = store->begin_run({});
  const RunId second = store->begin_run({});
  DeviceProfile npu = system_profile_from_json(*shipped_system_profile("test-npu")).devices[0];
  DeviceProfile other_driver = npu;
  other_driver.exact_fingerprint = "other driver";
  store->put_profile(first, npu);
  store->put_profile(first, other_driver);
  npu.name = "second";
  store->put_profile(second, npu);
  const std::vector<Store::ProfileRow> profiles = store->profiles();
  ASSERT_EQ(profiles.size(), 2u);
  EXPECT_EQ(profiles[0].profile, other_driver);
  EXPECT_EQ(profiles[0].run, first);
  EXPECT_EQ(profiles[1].profile, npu);
  EXPECT_EQ(profiles[1].run, second);

  Plan one = single_device_plan("cpu:0", "single");
  one.model_fingerprint = "m";
  Plan two = one;
  two.model_fingerprint = "n";
  store->put_plan(first, one);
  store->put_plan(first, two);
  one.origin = "tuned";
  store->put_plan(second, one);
  const std::vector<Store::PlanRow> plans = store->plans();
  ASSERT_EQ(plans.size(), 2u);
  EXPECT_EQ(plans[0].plan, two);
  EXPECT_EQ(plans[0].run, first);
  EXPECT_EQ(plans[1].plan, one);
  EXPECT_EQ(plans[1].run, second);
}

TEST_F(StoreTest, SamplesAndStatusesOfARun) {
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  EXPECT_TRUE(store->status_counts().empty());
  const RunId first = store->begin_run({});
  const RunId second = store->begin_run({});
  Sample untrusted = some_sample(1);
  untrusted.status = SampleStatus::kUntrusted;
  store->add_samples(first, {some_sample(0), untrusted, some_sample(2)});
  store->add_samples(second, {some_sample(3)});
  EXPECT_EQ(store->samples({.run = first}).size(), 2u);
  EXPECT_EQ(store->samples({.trusted_only = false, .run = first}).size(), 3u);
  ASSERT_EQ(store->samples({.run = second}).size(), 1u);
  EXPECT_EQ(store->samples({.run = second})[0].round, 3);
  const std::vector<Store::StatusCount> counts = store->status_counts();
  ASSERT_EQ(counts.size(), 3u);
  EXPECT_EQ(counts[0].run, first);
  EXPECT_EQ(counts[0].status, SampleStatus::kOk);
  EXPECT_EQ(counts[0].samples, 2);
  EXPECT_EQ(counts[1].status, SampleStatus::kUntrusted);
  EXPECT_EQ(counts[1].samples, 1);
  EXPECT_EQ(counts[2].run, second);
  EXPECT_EQ(counts[2].samples, 1);
}

TEST_F(StoreTest, TheLatestChoiceOfAKernelIsInForce) {
  const std::string kManyRowsOp = "matmul m=64 n=32 k=32 w=q4_0 a=f32", kOneRowOp = "matmul m=1 n=32 k=32 w=q4_0 a=f32";
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  const RunId run = store->begin_run({});
  KernelChoice choice{"family", "matmul.opencl.gemm", 1, kManyRowsOp, {{"chunk", 64}, {"rows_block", 32}}, 10, 12};
  store->put_kernel_choice(run, choice);
  choice.params["chunk"] = 128;
  store->put_kernel_choice(run, choice);
  choice.revision = 2;
  store->put_kernel_choice(run, choice);
  const std::vector<KernelChoice> all = store->kernel_choices();
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[0].revision, 1);
  EXPECT_EQ(all[0].params.at("chunk"), 128);
  EXPECT_EQ(all[0].subject, kManyRowsOp);
  EXPECT_EQ(all[0].best_ns, 10);
  EXPECT_EQ(all[0].default_ns, 12);
  EXPECT_EQ(all[1].revision, 2);
  // Ops of another class have one of their own; another op of the same class takes its place.
  choice.subject = kOneRowOp;
  store->put_kernel_choice(run, choice);
  EXPECT_EQ(store->kernel_choices().size(), 3u);
  choice.subject = "matmul m=256 n=32 k=32 w=q4_0 a=f32";
  store->put_kernel_choice(run, choice);
  ASSERT_EQ(store->kernel_choices().size(), 3u);
  EXPECT_EQ(store->kernel_choices().back().subject, choice.subject);
  EXPECT_EQ(sql(path_, "UPDATE kernel_choice SET best_ns = 1"), "append only");
}

TEST_F(StoreTest, NoRowIsEverChanged) {
  {
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    store->add_samples(store->begin_run({}), {some_sample(0)});
  }
  EXPECT_EQ(sql(path_, "UPDATE sample SET device_ns = 1"), "append only");
  EXPECT_EQ(sql(path_, "UPDATE run SET host = 'x'"), "append only");
}

TEST_F(StoreTest, MakesItsFolderAndOpensAgain) {
  const std::string deep = (folder_ / "a" / "b" / "p.db").string();
  Store::open(deep, StoreAccess::kReadWrite)->begin_run({});
  Store::open(deep, StoreAccess::kReadWrite)->begin_run({});
  EXPECT_EQ(Store::open(deep, StoreAccess::kReadOnly)->runs().size(), 2u);
  EXPECT_EQ(sql(deep, "PRAGMA journal_mode"), "wal");
  EXPECT_EQ(sql(deep, "PRAGMA user_version"), "4");
  expect_error(ExitCode::kEnvironment, "there is no database", [&] { Store::open(path_, StoreAccess::kReadOnly); });
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(StoreTest, WhatIsNotOursIsRefusedAndLeftAlone) {
  const auto refused = [&](const std::string& part) {
    const std::string before = contents(path_);
    for (const StoreAccess access : {StoreAccess::kReadOnly, StoreAccess::kReadWrite}) {
      expect_error(ExitCode::kUnusableInput, part, [&] { Store::open(path_, access); });
    }
    EXPECT_EQ(contents(path_), before);
    EXPECT_FALSE(fs::exists(path_ + "-wal"));
  };
  std::ofstream(path_) << "This is a letter.\n";
  refused("not a database");
  std::ofstream(path_, std::ios::binary) << std::string("SQLite format 3\0", 16) << std::string(4000, 'x');
  refused("damaged or not a database");
  fs::remove(path_);
  sql(path_, "CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)");
  refused("another program");
  fs::remove(path_);
  sql(path_, "PRAGMA user_version = 1; PRAGMA application_id = 7; CREATE TABLE theirs (x)");
  refused("another program");
  fs::remove(path_);
  Store::open(path_, StoreAccess::kReadWrite);
  sql(path_, "PRAGMA user_version = 99; PRAGMA journal_mode = DELETE");
  refused("newer than this program's");
  fs::remove(path_);
  fs::create_directory(path_);
  for (const StoreAccess access : {StoreAccess::kReadOnly, StoreAccess::kReadWrite}) {
    expect_error(ExitCode::kUnusableInput, "is a folder", [&] { Store::open(path_, access); });
  }
}

// data/v1.sql is the dump of a file that the first release wrote; every later schema must open it.
TEST_F(StoreTest, AFileOfVersion1Opens) {
  const std::string dump = contents(std::string(HETERO_TEST_DATA) + "/v1.sql");
  ASSERT_FALSE(dump.empty());
  sql(path_, dump);
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  ASSERT_EQ(store->runs().size(), 1u);
  EXPECT_EQ(store->runs()[0].outcome, "done");
  const std::vector<Sample> samples = store->samples({});
  ASSERT_EQ(samples.size(), 1u);
  expect_equal(samples[0], some_sample(0));
  EXPECT_EQ(store->plan("m", {"cpu:0"})->origin, "tuned");
  EXPECT_EQ(store->profile("cpu:0", "aa")->name, "a processor");
  store->add_samples(store->begin_run({}), {some_sample(1)});
  EXPECT_EQ(store->sample_count(), 2);
}

// data/v3.sql: one choice served all ops of a kernel.
TEST_F(StoreTest, ChoicesOfVersion3HoldForOpsLikeTheirs) {
  sql(path_, contents(std::string(HETERO_TEST_DATA) + "/v3.sql"));
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  const std::vector<KernelChoice> choices = store->kernel_choices();
  ASSERT_EQ(choices.size(), 2u);
  EXPECT_EQ(choices[0].shape_class(), ShapeClass::kOneRow);
  EXPECT_EQ(choices[0].params.at("chunk"), 64);
  EXPECT_EQ(choices[1].shape_class(), ShapeClass::kManyRows);
  EXPECT_EQ(choices[1].params.at("chunk"), 256);
  KernelChoice again = choices[1];
  again.params["chunk"] = 128;
  store->put_kernel_choice(store->begin_run({}), again);
  ASSERT_EQ(store->kernel_choices().size(), 2u);
  EXPECT_EQ(store->kernel_choices()[1].params.at("chunk"), 128);
}

TEST_F(StoreTest, AFileOfVersion1IsReadAndLeftAsItIs) {
  sql(path_, contents(std::string(HETERO_TEST_DATA) + "/v1.sql"));
  sql(path_, "PRAGMA journal_mode = DELETE");
  const std::string before = contents(path_);
  {
    const auto store = Store::open(path_, StoreAccess::kReadOnly);
    EXPECT_EQ(store->runs().at(0).outcome, "done");
    EXPECT_EQ(store->sample_count(), 1);
    EXPECT_EQ(store->profile("cpu:0", "aa")->name, "a processor");
    EXPECT_TRUE(store->kernel_choices().empty()) << "a table that version 1 did not have";
    EXPECT_THROW(store->begin_run({}), Error);
  }
  EXPECT_EQ(contents(path_), before);
}

TEST_F(StoreTest, WhatARunSpent) {
  const auto store = Store::open(path_, StoreAccess::kReadWrite);
  RunInfo info;
  info.uid = "u";
  const RunId run = store->begin_run(info);
  store->add_stage(run, {"measure", 1.5, 2});
  store->add_stage(run, {"run", 2.5, 3});
  EXPECT_EQ(store->runs().at(0).info.uid, "u");
  const std::vector<StageTime> stages = store->stages(run);
  ASSERT_EQ(stages.size(), 2u);
  EXPECT_EQ(stages[0].stage, "measure");
  EXPECT_EQ(stages[0].seconds, 1.5);
  EXPECT_EQ(stages[1].budget_seconds, 3);
  EXPECT_TRUE(store->stages(run + 1).empty());
}

TEST_F(StoreTest, WhereNothingCanBeCreated) {
  expect_error(ExitCode::kEnvironment, "cannot be",
               [] { Store::open("/proc/hetero/profiles.db", StoreAccess::kReadWrite); });
  expect_error(ExitCode::kEnvironment, "cannot be", [] { Store::open("/proc/profiles.db", StoreAccess::kReadWrite); });
  std::ofstream(folder_ / "file") << "x";
  expect_error(ExitCode::kEnvironment, "cannot be",
               [&] { Store::open((folder_ / "file" / "p.db").string(), StoreAccess::kReadWrite); });
}

TEST_F(StoreTest, DefaultPathFollowsXdg) {
  setenv("XDG_DATA_HOME", "/data", 1);
  EXPECT_EQ(Store::default_path(), "/data/hetero/profiles.db");
  setenv("XDG_DATA_HOME", "relative", 1);
  setenv("HOME", "/home/me", 1);
  EXPECT_EQ(Store::default_path(), "/home/me/.local/share/hetero/profiles.db");
}

constexpr int kBatch = 20;
void insert_batch(Store& store, RunId run, int round) {
  store.add_samples(run, std::vector<Sample>(kBatch, some_sample(round)));
}

// Runs `body` in a child process; its exit code is the result.
template <typename Body>
pid_t in_child(Body body) {
  const pid_t child = fork();
  if (child == 0) {
    int code = 70;
    try {
      code = body();
    } catch (const std::exception& error) {
      fprintf(stderr, "child: %s\n", error.what());
    }
    _exit(code);
  }
  return child;
}
int exit_code_of(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(StoreTest, KillInTheMiddleOfInserts) {
  for (int attempt = 0; attempt < 5; ++attempt) {
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = in_child([&] {
      const auto store = Store::open(path_, StoreAccess::kReadWrite);
      const RunId run = store->begin_run({});
      for (int round = 0;; ++round) {
        insert_batch(*store, run, round);
        if (write(pipe_ends[1], "x", 1) != 1) return 1;
      }
    });
    close(pipe_ends[1]);
    char committed = 0;
    for (int i = 0; i < 10 + attempt * 7; ++i) ASSERT_EQ(read(pipe_ends[0], &committed, 1), 1);
    kill(child, SIGKILL);
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
    close(pipe_ends[0]);
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    EXPECT_EQ(sql(path_, "PRAGMA integrity_check"), "ok");
    const Store::RunRow last = store->runs().back();
    EXPECT_GE(last.samples, (10 + attempt * 7) * kBatch) << "what was committed is there";
    EXPECT_EQ(last.samples % kBatch, 0) << "and nothing by halves";
    EXPECT_EQ(last.outcome, "");
  }
}

// Hundreds of times, at random: also while the file is made, while a document is put and while a run ends.
// Killed within the transaction that creates the file: pages of it are in the file already, and its journal beside it.
TEST_F(StoreTest, KilledWhileCreating) {
  const pid_t child = in_child([&] {
    sqlite3* db = nullptr;
    const bool begun = sqlite3_open(path_.c_str(), &db) == SQLITE_OK &&
                       sqlite3_exec(db,
                                    "PRAGMA cache_size = 1; BEGIN; CREATE TABLE t (x);"
                                    "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100) "
                                    "INSERT INTO t SELECT randomblob(4000) FROM c",
                                    nullptr, nullptr, nullptr) == SQLITE_OK;
    return begun ? 0 : 1;  // the child ends without closing
  });
  ASSERT_EQ(exit_code_of(child), 0);
  ASSERT_TRUE(fs::exists(path_ + "-journal"));
  ASSERT_GT(fs::file_size(path_), 0u);
  EXPECT_EQ(Store::open(path_, StoreAccess::kReadWrite)->sample_count(), 0);
  EXPECT_EQ(sql(path_, "PRAGMA integrity_check"), "ok");
}

TEST_F(StoreTest, KillAtAnyMoment) {
  constexpr int kAttempts = 300;
  constexpr int kAttemptsPerFile = 20;
  constexpr std::uint64_t kMostMicroseconds = 12000;
  Rng rng(2026);
  const DeviceProfile profile = system_profile_from_json(*shipped_system_profile("test-npu")).devices[0];
  std::int64_t committed = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (attempt % kAttemptsPerFile == 0) {
      path_ = (folder_ / ("p" + std::to_string(attempt) + ".db")).string();
      committed = 0;
    }
    int pipe_ends[2];
    ASSERT_EQ(pipe(pipe_ends), 0);
    const pid_t child = in_child([&] {
      const auto store = Store::open(path_, StoreAccess::kReadWrite);
      for (;;) {
        const RunId run = store->begin_run({});
        for (int round = 0; round < 3; ++round) {
          insert_batch(*store, run, round);
          if (write(pipe_ends[1], "x", 1) != 1) return 1;
        }
        store->put_profile(run, profile);
        store->end_run(run, "done");
      }
    });
    close(pipe_ends[1]);
    usleep(static_cast<useconds_t>(rng.below(kMostMicroseconds)));
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    char batch = 0;
    while (read(pipe_ends[0], &batch, 1) == 1) committed += kBatch;
    close(pipe_ends[0]);
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    ASSERT_EQ(sql(path_, "PRAGMA integrity_check"), "ok") << "attempt " << attempt;
    const std::int64_t there = store->sample_count();
    ASSERT_GE(there, committed) << "what was committed is there; attempt " << attempt;
    ASSERT_EQ(there % kBatch, 0) << "and nothing by halves; attempt " << attempt;
    committed = there;  // a batch may have been committed and not told
    for (const Store::ProfileRow& row : store->profiles()) ASSERT_EQ(row.profile, profile);
  }
}

TEST_F(StoreTest, ProcessesWriteAtOnce) {
  constexpr int kProcesses = 4;
  constexpr int kRounds = 25;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {  // they also race for creating the file
    children.push_back(in_child([&] {
      const auto store = Store::open(path_, StoreAccess::kReadWrite);
      const RunId run = store->begin_run({});
      for (int round = 0; round < kRounds; ++round) insert_batch(*store, run, round);
      store->end_run(run, "done");
      return 0;
    }));
  }
  for (const pid_t child : children) EXPECT_EQ(exit_code_of(child), 0);
  const auto store = Store::open(path_, StoreAccess::kReadOnly);
  EXPECT_EQ(store->runs().size(), std::size_t{kProcesses});
  for (const Store::RunRow& row : store->runs()) {
    EXPECT_EQ(row.samples, kRounds * kBatch);
    EXPECT_EQ(row.outcome, "done");
  }
}

TEST_F(StoreTest, IsReadWhereNothingCanBeWritten) {
  path_ = (folder_ / "50%?#.db").string();  // means something in a URI
  {
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    insert_batch(*store, store->begin_run({}), 0);
  }
  chmod(path_.c_str(), 0444);
  chmod(folder_.c_str(), 0555);
  const pid_t child = in_child([&] {
    if (geteuid() == 0 && setuid(65534) != 0) return 1;  // permissions do not bind root
    if (access(folder_.c_str(), W_OK) == 0) return 2;
    return Store::open(path_, StoreAccess::kReadOnly)->sample_count() == kBatch ? 0 : 3;
  });
  EXPECT_EQ(exit_code_of(child), 0);
  chmod(folder_.c_str(), 0755);
}

// Inserts until it fails: 0 when it failed as an Error of the environment whose text has `part`.
int fill(const std::string& path, const std::string& part) {
  try {
    const auto store = Store::open(path, StoreAccess::kReadWrite);
    const RunId run = store->begin_run({});
    for (int round = 0; round < 10000; ++round) insert_batch(*store, run, round);
    return 1;
  } catch (const Error& error) {
    if (std::string(error.what()).find(part) == std::string::npos) fprintf(stderr, "%s\n", error.what());
    if (error.code() != ExitCode::kEnvironment) return 2;
    return std::string(error.what()).find(part) != std::string::npos ? 0 : 3;
  }
}

TEST_F(StoreTest, AFileThatMayNotGrow) {
  Store::open(path_, StoreAccess::kReadWrite);
  const pid_t child = in_child([&] {
    signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{300000, 300000};
    setrlimit(RLIMIT_FSIZE, &limit);
    return fill(path_, "cannot be opened or written");
  });
  EXPECT_EQ(exit_code_of(child), 0);
  EXPECT_EQ(sql(path_, "PRAGMA integrity_check"), "ok");
  EXPECT_EQ(Store::open(path_, StoreAccess::kReadOnly)->sample_count() % kBatch, 0);
}

TEST_F(StoreTest, AFullDisk) {
  const std::string disk = (folder_ / "disk").string();
  fs::create_directory(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=512k") != 0) {
    GTEST_SKIP() << "needs permission to mount a small tmpfs";
  }
  const std::string path = disk + "/p.db";
  EXPECT_EQ(fill(path, "the disk is full"), 0);
  EXPECT_EQ(sql(path, "PRAGMA integrity_check"), "ok");
  umount(disk.c_str());
}

}  // namespace
}  // namespace hetero
