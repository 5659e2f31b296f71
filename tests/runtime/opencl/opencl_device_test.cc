// The OpenCL device: placement, shared and staged arenas, the program cache, and two devices on one platform.
#include "runtime/device/opencl/opencl_device.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/error.h"
#include "runtime/device/opencl/cl_programs.h"
#include "runtime/device/opencl/opencl_provider.h"
#include "runtime/device/placement.h"
#include "tests/runtime/opencl/cl_op_case.h"

namespace hetero::test {
namespace {

const ClCase kAddition{{OpKind::kAdd, 3, 100, 0}, {}, 0, 0, 0, ClCase::Residual::kNone, 1, false};

class OpenClDeviceTest : public testing::Test {
 protected:
  void SetUp() override {
    id_ = cl_test_device();
    if (id_.empty()) GTEST_SKIP() << "no OpenCL CPU device here (install pocl-opencl-icd)";
  }
  std::size_t cores() {
    for (const DeviceDescription& d : opencl_provider().discover()) {
      if (d.id == id_) return d.cores.size();
    }
    return 0;
  }
  std::string id_;
  RealTimeline timeline_;
};

TEST_F(OpenClDeviceTest, SharesTheArenaOfACpuAndStagesOnRequest) {
  const auto shared = open_cl(id_, timeline_);
  EXPECT_EQ(run_case(*shared, timeline_, kAddition, ToleranceClass::kF32), "");
  EXPECT_EQ(static_cast<OpenClDevice&>(*shared).sharing(), ArenaSharing::kShared);
  const auto staged = open_cl(id_ + "?staged=1", timeline_);
  EXPECT_EQ(run_case(*staged, timeline_, kAddition, ToleranceClass::kF32), "");
  EXPECT_EQ(static_cast<OpenClDevice&>(*staged).sharing(), ArenaSharing::kStaged);
  EXPECT_NE(shared->facts().exact_fingerprint, staged->facts().exact_fingerprint);
}

TEST_F(OpenClDeviceTest, StagedAttentionSeesCacheRowsThatOthersWroteEarlier) {
  OpConstants constants;
  constants.attention_scale = 0.125F;
  OpDesc desc{OpKind::kAttention, 2, 6 * 64, 0};
  desc.heads = 6;
  desc.kv_heads = 2;
  desc.head_dim = 64;
  const auto staged = open_cl(id_ + "?staged=1", timeline_);
  EXPECT_EQ(run_case(*staged, timeline_, {desc, constants, 50, 0, 0, ClCase::Residual::kNone, 1, false},
                     ToleranceClass::kF32),
            "");
}

TEST_F(OpenClDeviceTest, APreparedSegmentFollowsThePosition) {
  // Keys of three steps are rotated into one cache; each must land in its row.
  Arena arena;
  const TensorId key = arena.add("key", 1, 64);
  const TensorId cache = arena.add("cache", 8, 64, RowOrigin::kSequence);
  arena.allocate();
  float* x = arena.matrix({key, 0, 1, 0, 64}, 0).data;
  for (int i = 0; i < 64; ++i) x[i] = 1.0F;
  Op op;
  op.desc = {OpKind::kRope, 1, 64, 0};
  op.desc.head_dim = 64;
  op.constants.rope_base = 10000;
  op.constants.rope_dims = 64;
  op.in[0] = {key, 0, 1, 0, 64};
  op.out = {cache, 0, 1, 0, 64};
  const auto device = open_cl(id_, timeline_);
  device->attach(arena);
  Segment segment;
  segment.ops = {op};
  const auto prepared = device->prepare(segment);
  for (const std::int64_t position : {1, 2, 5}) finish(timeline_, *device->submit(*prepared, {position}));
  const float* rows = arena.matrix({cache, 0, 1, 0, 64}, 0).data;
  for (const int row : {0, 3, 4, 6}) EXPECT_EQ(rows[row * 64], 0.0F) << row;
  for (const int row : {1, 2, 5}) {
    EXPECT_NEAR(rows[row * 64], std::cos(row) - std::sin(row), 1e-6) << row;
    EXPECT_NEAR(rows[row * 64 + 1], std::cos(row) + std::sin(row), 1e-6) << row;
  }
}

TEST_F(OpenClDeviceTest, StaysOnItsCoresAndLeavesTheCallersMaskAlone) {
  if (cores() < 2) GTEST_SKIP() << "one core only";
  cpu_set_t before, after;
  ASSERT_EQ(sched_getaffinity(0, sizeof before, &before), 0);
  const auto first = open_cl(id_ + "@0", timeline_);
  const auto second = open_cl(id_ + "@1", timeline_);
  ASSERT_EQ(sched_getaffinity(0, sizeof after, &after), 0);
  EXPECT_TRUE(CPU_EQUAL(&before, &after));
  EXPECT_EQ(first->facts().cores, std::vector<int>{0});
  EXPECT_EQ(second->facts().cores, std::vector<int>{1});
  EXPECT_EQ(second->facts().id, id_ + "@1");
  EXPECT_EQ(run_case(*first, timeline_, kAddition, ToleranceClass::kF32), "");
  EXPECT_EQ(run_case(*second, timeline_, kAddition, ToleranceClass::kF32), "");
}

TEST_F(OpenClDeviceTest, TheDoorbellIsForCoresOfItsOwn) {
  if (cores() < 2) GTEST_SKIP() << "one core only";
  const auto has_doorbell = [&](const std::string& spec) {
    return static_cast<OpenClDevice&>(*open_cl(spec, timeline_)).has_doorbell();
  };
  EXPECT_TRUE(has_doorbell(id_ + "@1"));
  EXPECT_FALSE(has_doorbell(id_ + "@1?doorbell=0"));
  EXPECT_FALSE(has_doorbell(id_)) << "a worker that watches takes a core from the host";
}

TEST_F(OpenClDeviceTest, ManySubmissionsAtUnevenPacesAllArriveInOrder) {
  // y = y + x, submitted at once, in bursts, and after pauses that outlast a watch: each must see the one before.
  Arena arena;
  const TensorId x = arena.add("x", 1, 64);
  const TensorId y = arena.add("y", 1, 64);
  arena.allocate();
  Op op;
  op.desc = {OpKind::kAdd, 1, 64, 0};
  op.in[0] = {y, 0, 1, 0, 64};
  op.in[1] = {x, 0, 1, 0, 64};
  op.out = {y, 0, 1, 0, 64};
  Segment segment;
  segment.ops = {op};
  for (const char* part : {"@1", "@1?doorbell=0"}) {
    if (cores() < 2) GTEST_SKIP() << "one core only";
    const auto device = open_cl(id_ + part, timeline_);
    device->attach(arena);
    const auto prepared = device->prepare(segment);
    float* ones = arena.matrix({x, 0, 1, 0, 64}, 0).data;
    float* sum = arena.matrix({y, 0, 1, 0, 64}, 0).data;
    std::fill_n(ones, 64, 1.0F);
    std::fill_n(sum, 64, 0.0F);
    float submitted = 0;
    for (int round = 0; round < 40; ++round) {
      std::vector<std::unique_ptr<Ticket>> burst;
      for (int i = 0; i <= round % 3; ++i, ++submitted) burst.push_back(device->submit(*prepared, {0}));
      for (auto& ticket : burst) finish(timeline_, *ticket);
      for (const int column : {0, 63}) ASSERT_EQ(sum[column], submitted) << part << " round " << round;
      ones[63] = ones[0] = 1.0F;
      if (round % 10 == 9) usleep(5000);
    }
  }
}

TEST_F(OpenClDeviceTest, StrayWorkIsFound) {
  if (cores() < 2) GTEST_SKIP() << "one core only";
  // This thread may run anywhere: were it a driver's worker, it would have to be refused.
  const auto busy = [this] {
    const Nanos end = timeline_.now() + Nanos(3'000'000);
    while (timeline_.now() < end) {
    }
  };
  EXPECT_NE(stray_work({1}, busy), "");
  std::vector<int> all;
  for (int core = 0; core < CPU_SETSIZE; ++core) all.push_back(core);
  EXPECT_EQ(stray_work(all, busy), "");
  // What strays once only, such as a thread that another part of the program is just starting, is not the driver's.
  cpu_set_t mine, core_1;
  ASSERT_EQ(sched_getaffinity(0, sizeof mine, &mine), 0);
  CPU_ZERO(&core_1);
  CPU_SET(1, &core_1);
  int looks = 0;
  const auto settles = [&] {
    if (++looks == 2) sched_setaffinity(0, sizeof core_1, &core_1);
    busy();
  };
  EXPECT_EQ(stray_work({1}, settles), "");
  EXPECT_EQ(looks, 2);
  sched_setaffinity(0, sizeof mine, &mine);
}

TEST(ClPrograms, OfACompilersLogTheErrorIsShown) {
  EXPECT_EQ(first_error("Compilation started\n3:1:2: warning: -Werror is off\n3:4:5: error: use of x\nmore"),
            "3:4:5: error: use of x");
  EXPECT_EQ(first_error("ptxas\nError: no registers"), "Error: no registers");
  EXPECT_EQ(first_error("it failed\nfor no reason"), "it failed");
  EXPECT_EQ(first_error(""), "");
}

TEST_F(OpenClDeviceTest, CachedProgramsAreUsedAndDamagedOnesReplaced) {
  const auto folder = std::filesystem::temp_directory_path() / ("hetero-clcache-" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  const auto run = [&] {
    const auto device = open_cl(id_, timeline_, "", folder.string());
    EXPECT_EQ(run_case(*device, timeline_, kAddition, ToleranceClass::kF32), "");
  };
  const auto contents = [](const std::filesystem::path& path) {
    std::ifstream file(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(file), {});
  };
  run();
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) files.push_back(entry.path());
  ASSERT_FALSE(files.empty());
  const auto written = std::filesystem::last_write_time(files.front());
  run();
  EXPECT_EQ(std::filesystem::last_write_time(files.front()), written) << "was compiled again";
  for (const char* damage : {"", "nonsense\n", "truncate", "flip"}) {
    for (const auto& path : files) {
      std::string bytes = contents(path);
      if (std::strcmp(damage, "truncate") == 0) {
        bytes.resize(bytes.size() / 2);
      } else if (std::strcmp(damage, "flip") == 0) {
        bytes[bytes.size() - 100] = static_cast<char>(bytes[bytes.size() - 100] ^ 1);
      } else {
        bytes = damage;
      }
      std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
    }
    run();
    for (const auto& path : files) EXPECT_GT(contents(path).size(), 1000U) << "not replaced after: " << damage;
  }
  std::filesystem::remove_all(folder);
}

TEST_F(OpenClDeviceTest, RefusesWhatIsNotThere) {
  const auto code_of = [this](const std::string& spec) {
    try {
      open_cl(spec, timeline_);
    } catch (const Error& error) {
      return error.code();
    }
    return ExitCode::kDone;
  };
  EXPECT_EQ(code_of("opencl:99"), ExitCode::kEnvironment);
  EXPECT_EQ(code_of("opencl:first"), ExitCode::kUsage);
  EXPECT_EQ(code_of(id_ + "@4000"), ExitCode::kEnvironment);
  EXPECT_EQ(code_of(id_ + "?speed=high"), ExitCode::kUsage);
}

TEST_F(OpenClDeviceTest, WeightsArePackedOnce) {
  Arena arena;
  const TensorId x = arena.add("x", 8, 64), y = arena.add("y", 8, 32);
  arena.allocate();
  std::vector<std::byte> weights(static_cast<std::size_t>(32 * row_bytes(DType::kQ4_0, 64)));
  const auto device = open_cl(id_, timeline_);
  device->attach(arena);
  std::uint64_t bytes = 0;
  for (const std::int64_t m : {1, 8}) {  // different variants, one packing
    Segment segment;
    Op op;
    op.desc = {OpKind::kMatmul, m, 32, 64, DType::kQ4_0};
    op.in[0] = {x, 0, m, 0, 64};
    op.out = {y, 0, m, 0, 32};
    op.weight = {{weights.data(), DType::kQ4_0, 32, 64}, 0, 32, 0, 64};
    segment.ops = {op};
    const auto prepared = device->prepare(segment);
    if (m == 1) bytes = device->weight_bytes();
    EXPECT_EQ(device->weight_bytes(), bytes);
  }
  EXPECT_EQ(bytes, 2U * 2U * 288U);  // two panels of two blocks
}

}  // namespace
}  // namespace hetero::test
