// Benchmarks of what runs on no device: the solver on a large model, and queries of a database with a million samples.
#include <benchmark/benchmark.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>

#include "base/rng.h"
#include "profiles/store/store.h"
#include "tuner/apps/bench_common.h"
#include "tuner/solve/solve.h"

namespace hetero {
namespace {

// ---- solver

Figure figure(double value) { return {value, 0, Provenance::kAssumed, "made up"}; }

// As fast as `speed` says, with a roofline's knee and lines for each number of rows, as measured profiles have.
DeviceProfile device(const std::string& id, double speed) {
  DeviceProfile p;
  p.device = id;
  p.kind = "gpu";
  for (const DType w : {DType::kQ4_K, DType::kQ6_K}) {
    MatmulCurve curve;
    curve.w = w;
    const double per_weight = (w == DType::kQ4_K ? 0.04 : 0.06) / speed;
    for (const std::int64_t m : {1, 16, 32, 64, 128, 256, 512, 1024, 2048}) {
      const double rows = static_cast<double>(m);
      curve.points.push_back({m, figure(3000 + 50 * rows), figure(per_weight * (1 + 0.2 * rows))});
      curve.shape_factors.push_back({m, 8192, 28672, figure(1.2)});
    }
    p.matmul.push_back(std::move(curve));
  }
  for (const OpKind kind : {OpKind::kRmsNorm, OpKind::kRope, OpKind::kAttention, OpKind::kSwiGlu, OpKind::kAdd}) {
    p.ops.push_back({kind, figure(1000), figure(0.1 / speed)});
  }
  p.launch_ns = figure(5000);
  p.join_ns = {{"poll", figure(3000)}};
  return p;
}

// Four devices, one of them static; each slows each other one.
std::vector<DeviceProfile> four_devices() {
  std::vector<DeviceProfile> devices = {device("cpu", 1), device("gpu", 2.5), device("npu", 4), device("gpu2", 1.7)};
  devices[2].standard_sizes = {32, 64, 128, 256, 512, 1024};
  for (DeviceProfile& p : devices) {
    for (const DeviceProfile& other : devices) {
      if (&p != &other) p.slowdowns.push_back({{other.device}, figure(1.3), figure(1.05)});
    }
  }
  return devices;
}

// Of the dimensions of a 70B; every other layer in finer formats, as mixed quantisations have.
ModelShape large_shape(int layers) {
  ModelShape shape;
  shape.name = "large";
  shape.architecture = "llama";
  shape.layers = layers;
  shape.width = 8192;
  shape.ffn_width = 28672;
  shape.heads = 64;
  shape.kv_heads = 8;
  shape.head_dim = 128;
  shape.vocab = 128256;
  shape.max_context = 8192;
  const DType q4 = DType::kQ4_K;
  const DType q6 = DType::kQ6_K;
  for (int layer = 0; layer < layers; ++layer) {
    const DType down = layer % 2 == 0 ? q4 : q6;
    shape.layer_types.push_back({q4, q4, down, q4, q4, q4, down});
  }
  shape.head_type = q6;
  return shape;
}

void solve_large(benchmark::State& state) {
  const ModelShape shape = large_shape(static_cast<int>(state.range(0)));
  const std::vector<DeviceProfile> profiles = four_devices();
  const CostModel costs(profiles);
  std::vector<SolveDevice> devices;
  for (const DeviceProfile& p : profiles) devices.push_back({p.device, p.standard_sizes, 32, 0});
  SolveOptions options;
  options.buckets.clear();  // decode and eleven lengths
  const std::int64_t lengths[] = {16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024};
  for (std::int64_t i = 0; i + 1 < state.range(1); ++i) options.buckets.push_back(lengths[i]);
  for (auto _ : state) benchmark::DoNotOptimize(solve(shape, costs, devices, options));
}

// ---- store

constexpr int kSamples = 1000000;
constexpr int kPerRun = 10000;

// A database of a hundred runs on ten states of two devices, made once and removed at the end.
class BigDatabase {
 public:
  BigDatabase() : path_(std::filesystem::temp_directory_path() / ("hetero-bench-" + std::to_string(getpid()) + ".db")) {
    const auto store = Store::open(path_, StoreAccess::kReadWrite);
    Rng rng(1);
    for (int first = 0; first < kSamples; first += kPerRun) {
      const RunId run = store->begin_run({});
      std::vector<Sample> samples(kPerRun);
      for (int i = 0; i < kPerRun; ++i) {
        Sample& s = samples[static_cast<std::size_t>(i)];
        s.device = i % 2 == 0 ? "cpu:0" : "opencl:0@1";
        s.exact_fingerprint = fingerprint((first / kPerRun) % 10, i % 2);
        s.subject = subject(i / 7);
        s.device_ns = 1e5 * (1 + rng.uniform());
        s.round = i % 7;
      }
      store->add_samples(run, samples);
      store->end_run(run, "done");
    }
  }
  ~BigDatabase() {
    std::error_code ignored;
    for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(path_.string() + end, ignored);
  }
  BigDatabase(const BigDatabase&) = delete;
  BigDatabase& operator=(const BigDatabase&) = delete;

  static std::string fingerprint(int state, int device) { return "exact-" + std::to_string(10 * device + state); }
  static std::string subject(int i) { return "matmul m=1 n=" + std::to_string(32 * (i + 1)) + " k=4096 w=q4_0 a=f32"; }
  std::unique_ptr<Store> open() const { return Store::open(path_, StoreAccess::kReadOnly); }

 private:
  std::filesystem::path path_;
};

using Query = std::size_t (*)(const Store&);

std::size_t samples_of_a_subject(const Store& store) {
  Store::SampleQuery query;
  query.exact_fingerprint = BigDatabase::fingerprint(3, 0);
  query.kind = SampleKind::kOp;
  query.subject = BigDatabase::subject(100);
  return store.samples(query).size();
}
std::size_t samples_of_a_device(const Store& store) {
  Store::SampleQuery query;
  query.exact_fingerprint = BigDatabase::fingerprint(3, 0);
  return store.samples(query).size();
}
std::size_t samples_of_a_run(const Store& store) {
  Store::SampleQuery query;
  query.run = 50;
  return store.samples(query).size();
}
std::size_t list_of_runs(const Store& store) { return store.runs().size(); }
std::size_t counts_by_status(const Store& store) { return store.status_counts().size(); }

void query_million(benchmark::State& state, const std::shared_ptr<std::unique_ptr<BigDatabase>>& database,
                   Query query) {
  if (*database == nullptr) *database = std::make_unique<BigDatabase>();
  const std::unique_ptr<Store> store = (*database)->open();
  std::size_t rows = 0;
  for (auto _ : state) rows = query(*store);
  state.counters["rows"] = static_cast<double>(rows);
}

}  // namespace

void register_solver_benchmarks() {
  for (const auto& [layers, buckets] : {std::pair{80, 12}, {80, 6}, {40, 12}, {2, 12}}) {
    benchmark::RegisterBenchmark("solve/4 devices/layers, buckets", solve_large)
        ->Args({layers, buckets})
        ->Unit(benchmark::kMillisecond);
  }
}

void register_store_benchmarks() {
  const auto database = std::make_shared<std::unique_ptr<BigDatabase>>();  // made by the first that runs
  for (const auto& [name, query] : {std::pair<const char*, Query>{"a subject", samples_of_a_subject},
                                    {"a device", samples_of_a_device},
                                    {"a run", samples_of_a_run},
                                    {"list of runs", list_of_runs},
                                    {"counts by status", counts_by_status}}) {
    benchmark::RegisterBenchmark(("store/million samples/" + std::string(name)).c_str(), [database, query = query](
                                                                                             benchmark::State& state) {
      query_million(state, database, query);
    })->Unit(benchmark::kMillisecond);
  }
}

}  // namespace hetero
