// Merging databases is the union of sets: associative, commutative, idempotent, and what is in force does not depend on
// who merges. Pruning removes what no longer serves, and nothing else.
#include "profiles/store/merge.h"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "base/rng.h"
#include "profiles/store/store.h"

namespace hetero {
namespace {

namespace fs = std::filesystem;

class MergeTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = (fs::temp_directory_path() / "hetero_merge_XXXXXX").string();
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  void TearDown() override { fs::remove_all(folder_); }
  std::string file(const std::string& name) const { return (folder_ / name).string(); }
  std::string merged(const std::vector<std::string>& names) {
    const std::string out = file("merged" + std::to_string(++count_));
    std::vector<std::string> paths;
    for (const std::string& name : names) paths.push_back(name.find('/') == std::string::npos ? file(name) : name);
    merge_databases(paths, out);
    return out;
  }
  fs::path folder_;
  int count_ = 0;
};

// Everything that a database says, ids and order included.
std::string dump(const std::string& path) {
  sqlite3* db = nullptr;
  EXPECT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  std::string text;
  const auto add = [](void* out, int columns, char** values, char**) {
    for (int c = 0; c < columns; ++c) *static_cast<std::string*>(out) += std::string(values[c] ? values[c] : "-") + "|";
    *static_cast<std::string*>(out) += "\n";
    return 0;
  };
  for (const std::string table :
       {"run", "run_end", "run_stage", "sample", "profile", "plan", "kernel_choice", "shape"}) {
    text += table + "\n";
    EXPECT_EQ(sqlite3_exec(db, ("SELECT * FROM " + table + " ORDER BY 1").c_str(), add, &text, nullptr), SQLITE_OK);
  }
  sqlite3_close(db);
  return text;
}

void execute(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
  sqlite3_close(db);
}

Sample some_sample(Rng& rng, const std::string& fingerprint = "aa") {
  Sample s;
  s.device = rng.below(2) == 0 ? "cpu:0" : "opencl:0@1";
  s.exact_fingerprint = fingerprint;
  s.subject = "matmul m=1 n=" + std::to_string(32 * (1 + rng.below(3))) + " k=64 w=q4_0 a=f32";
  s.params = {{"tile", static_cast<std::int64_t>(rng.below(2))}};
  s.device_ns = static_cast<double>(1 + rng.below(3)) / 3;  // often equal, to the last digit
  return s;
}

// A run with some of everything. `universe` runs exist; the same number gives the same run, in whatever database.
void add_run(Store& store, std::uint64_t number) {
  Rng rng(number);
  RunInfo info;
  info.host = "host" + std::to_string(number % 2);
  info.started_utc = "2026-01-01T00:00:0" + std::to_string(number % 5) + "Z";
  info.command = "run";
  info.load_average = 0.1 * static_cast<double>(number);
  if (number % 3 != 0) info.uid = "uid" + std::to_string(number);  // the others are of an older version
  const RunId run = store.begin_run(info);
  std::vector<Sample> samples;
  for (std::uint64_t i = 0; i < 2 + rng.below(6); ++i) samples.push_back(some_sample(rng));
  store.add_samples(run, samples);
  DeviceProfile profile = system_profile_from_json(*shipped_system_profile("test-npu")).devices[0];
  profile.name = "fitted by " + std::to_string(number);
  if (rng.below(2) == 0) store.put_profile(run, profile);
  Plan plan = single_device_plan("cpu:0", "run" + std::to_string(number));
  plan.model_fingerprint = "m" + std::to_string(rng.below(2));
  plan.devices = {"cpu:0"};
  store.put_plan(run, plan);
  store.put_kernel_choice(run, {"family", "matmul.opencl.gemm", 1, "matmul", {{"chunk", 64}}, 10.0 / 3, 12});
  store.add_stage(run, {"measure", 1.0 / 3, 2});
  if (rng.below(3) != 0) store.end_run(run, "done");
}

std::string make(const std::string& path, const std::vector<std::uint64_t>& runs) {
  const auto store = Store::open(path, StoreAccess::kReadWrite);
  for (const std::uint64_t number : runs) add_run(*store, number);
  store->put_shape(model_shape_from_json(*shipped_model_shape(runs.size() % 2 == 0 ? "llama-3.2-1b" : "llama-3-8b")));
  return path;
}

TEST_F(MergeTest, IsAssociativeCommutativeAndIdempotent) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Rng rng(seed);
    std::vector<std::string> names;
    for (const char* letter : {"a", "b", "c"}) {
      std::vector<std::uint64_t> runs;  // of ten, so that they share some
      for (std::uint64_t number = 0; number < 10; ++number) {
        if (rng.below(2) == 0) runs.push_back(number);
      }
      names.push_back(make(file(letter + std::to_string(seed)), runs));
    }
    const std::string& a = names[0];
    const std::string& b = names[1];
    const std::string& c = names[2];
    const std::string ab = merged({a, b});
    EXPECT_EQ(dump(ab), dump(merged({b, a})));
    const std::string abc = merged({ab, c});
    EXPECT_EQ(dump(abc), dump(merged({a, merged({b, c})})));
    EXPECT_EQ(dump(abc), dump(merged({c, b, a})));
    EXPECT_EQ(dump(abc), dump(merged({abc})));
    EXPECT_EQ(dump(abc), dump(merged({abc, a})));
    EXPECT_EQ(dump(merged({a, a})), dump(merged({a})));
  }
}

TEST_F(MergeTest, HoldsEveryRunOnceAndTheLatestIsInForce) {
  make(file("a"), {1, 2});
  make(file("b"), {2, 4});
  const std::string out = merged({"a", "b"});
  const auto store = Store::open(out, StoreAccess::kReadOnly);
  ASSERT_EQ(store->runs().size(), 3u);
  std::int64_t samples = 0;
  for (const std::uint64_t number : {1, 2, 4}) {
    const auto alone = Store::open(make(file("alone" + std::to_string(number)), {number}), StoreAccess::kReadOnly);
    samples += alone->sample_count();
  }
  EXPECT_EQ(store->sample_count(), samples);
  EXPECT_EQ(store->runs().back().info.uid, "uid4") << "the last to begin";
  EXPECT_EQ(store->plans().back().plan.origin, "run4");
}

TEST_F(MergeTest, ACopyOfARunThatWentOnAddsWhatIsNew) {
  make(file("a"), {1});
  fs::copy_file(file("a"), file("b"));
  Rng rng(9);
  const Sample more = some_sample(rng);
  {
    const auto store = Store::open(file("b"), StoreAccess::kReadWrite);
    store->add_samples(1, {more, more});
  }
  const std::int64_t before = Store::open(file("a"), StoreAccess::kReadOnly)->sample_count();
  EXPECT_EQ(Store::open(merged({"a", "b"}), StoreAccess::kReadOnly)->sample_count(), before + 2);
}

TEST_F(MergeTest, TakesOlderVersionsAndLeavesThemAsTheyAre) {
  std::ifstream dump_file(std::string(HETERO_TEST_DATA) + "/v1.sql");
  std::stringstream old;
  old << dump_file.rdbuf();
  execute(file("old"), old.str());
  make(file("new"), {1});
  const std::string out = merged({"old", "new"});
  EXPECT_EQ(Store::open(out, StoreAccess::kReadOnly)->runs().size(), 2u);
  Store::open(file("old"), StoreAccess::kReadWrite);  // brought up to date: still the same run
  EXPECT_EQ(dump(merged({out, "old"})), dump(out));
}

TEST_F(MergeTest, RefusesWhatItShouldAndMakesNothing) {
  make(file("a"), {1});
  std::ofstream(file("letter")) << "This is a letter.\n";
  EXPECT_THROW(merge_databases({file("a"), file("letter")}, file("out")), Error);
  EXPECT_THROW(merge_databases({file("a"), file("nothing")}, file("out")), Error);
  EXPECT_THROW(merge_databases({file("a")}, file("a")), Error);
  EXPECT_FALSE(fs::exists(file("out")));
  EXPECT_FALSE(fs::exists(file("out.partial")));
}

TEST_F(MergeTest, PruneRemovesWhatADeviceNoLongerIs) {
  const auto store = Store::open(file("a"), StoreAccess::kReadWrite);
  Rng rng(1);
  RunInfo info;
  info.host = "host";
  const RunId first = store->begin_run(info);
  Sample sample = some_sample(rng, "old driver");
  sample.device = "cpu:0";
  store->add_samples(first, {sample, sample});
  store->end_run(first, "done");
  const RunId second = store->begin_run(info);
  sample.exact_fingerprint = "new driver";
  store->add_samples(second, {sample});
  Plan plan = single_device_plan("cpu:0", "tuned");
  plan.model_fingerprint = "m";
  plan.devices = {"cpu:0"};
  store->put_plan(second, plan);
  store->put_plan(second, plan);
  store->end_run(second, "done");
  info.host = "elsewhere";  // another machine's processor may well be older
  const RunId third = store->begin_run(info);
  sample.exact_fingerprint = "old driver";
  store->add_samples(third, {sample});

  const PruneCounts would = prune_database(file("a"), PruneMode::kCount);
  EXPECT_EQ(would.samples, 2);
  EXPECT_EQ(would.documents, 1);
  EXPECT_EQ(would.runs, 1);
  EXPECT_EQ(store->sample_count(), 4) << "counting removes nothing";
  prune_database(file("a"), PruneMode::kRemove);
  EXPECT_EQ(store->sample_count(), 2);
  EXPECT_EQ(store->runs().size(), 2u);
  EXPECT_EQ(store->plan("m", {"cpu:0"})->origin, "tuned");
  EXPECT_EQ(prune_database(file("a"), PruneMode::kRemove).samples, 0);
}

}  // namespace
}  // namespace hetero
