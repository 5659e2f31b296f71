#include "reports/benchmark_set.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/file.h"

namespace hetero {
namespace {

bool counts(const Sample& sample) {
  return (sample.kind == SampleKind::kGate || sample.kind == SampleKind::kOp) && std::isfinite(sample.device_ns) &&
         sample.device_ns > 0;
}

// The gate judges a long bucket at fewer rows when time is short, and then it timed another thing.
std::string name_of_benchmark(const Sample& sample) {
  if (sample.kind != SampleKind::kGate) return sample.subject + " on " + sample.device;
  const std::int64_t rows = sample.param("rows", 1);
  return "gate: " + sample.subject + (rows == 1 ? "" : ", " + std::to_string(rows) + " rows");
}

RunId latest_with_samples(const Store& store) {
  const std::vector<Store::RunRow> runs = store.runs();
  for (auto run = runs.rbegin(); run != runs.rend(); ++run) {
    const std::vector<Sample> samples = store.samples({.run = run->id});
    if (std::any_of(samples.begin(), samples.end(), counts)) return run->id;
  }
  return 0;
}

}  // namespace

Benchmark& BenchmarkSet::named(const std::string& name, const std::string& unit, Direction direction) {
  for (Benchmark& b : benchmarks) {
    if (b.name == name) return b;
  }
  benchmarks.push_back({name, unit, direction, {}});
  return benchmarks.back();
}

void BenchmarkSet::note_circumstance(const std::string& name, const std::string& value) {
  if (value.empty()) return;
  const auto [at, added] = circumstances.emplace(name, value);
  if (!added && at->second != value) at->second = "several";
}

BenchmarkSet benchmarks_from_store(const Store& store, RunId run, const std::string& source) {
  const std::vector<Store::RunRow> runs = store.runs();
  if (run == 0) run = latest_with_samples(store);
  const auto row = std::find_if(runs.begin(), runs.end(), [&](const Store::RunRow& r) { return r.id == run; });
  if (run == 0) throw input_error(source + " holds no samples", "hetero-tune run --model FILE.gguf takes some");
  if (row == runs.end()) {
    throw input_error(
        source + " has no run " + std::to_string(run),
        runs.empty() ? "it has none"
                     : "its runs are " + std::to_string(runs.front().id) + " to " + std::to_string(runs.back().id));
  }
  BenchmarkSet set{source + "#" + std::to_string(run), {{"protocol", "hetero-tune"}}, {}, {}};
  set.note_circumstance("model", row->info.model_fingerprint);
  set.note_circumstance("build type", row->info.build_type);
  set.note_circumstance("cpu", row->info.cpu);
  for (const Sample& sample : store.samples({.run = run})) {
    if (!counts(sample)) continue;
    const std::string name = name_of_benchmark(sample);
    set.named(name, "ns", Direction::kTime).samples.push_back(sample.device_ns);
    set.note_circumstance("device " + sample.device, sample.exact_fingerprint);
  }
  if (set.benchmarks.empty()) {
    throw input_error(set.source + " holds no gate or op samples that can be trusted", "choose another run");
  }
  // Like devices are comparable although their kernels differ: the exact fingerprint covers the kernels, and new
  // kernels are what one compares. Where a profile is stored, the device's name and driver stand for it.
  for (const Store::ProfileRow& profile : store.profiles()) {
    const auto at = set.circumstances.find("device " + profile.profile.device);
    if (at == set.circumstances.end() || at->second != profile.profile.exact_fingerprint) continue;
    at->second = profile.profile.name + ", " + profile.profile.driver;
  }
  return set;
}

BenchmarkSet load_benchmarks(const std::string& path) {
  std::string file = path;
  RunId run = 0;
  if (const std::size_t at = path.rfind('#'); at != std::string::npos && at + 1 < path.size()) {
    const auto [end, status] = std::from_chars(path.data() + at + 1, path.data() + path.size(), run);
    if (status == std::errc() && end == path.data() + path.size() && run > 0) {
      file = path.substr(0, at);
    } else {
      run = 0;  // a file whose name has a '#' in it
    }
  }
  if (Store::is_database(file) || run > 0)
    return benchmarks_from_store(*Store::open(file, StoreAccess::kReadOnly), run, file);
  return benchmarks_from_json(read_file(path), path);
}

}  // namespace hetero
