// Named samples with the circumstances under which they were taken: what `compare` compares. Values; any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "profiles/store/store.h"

namespace hetero {

// Higher or lower is better.
enum class Direction : std::uint8_t { kTime, kRate };

struct Benchmark {
  std::string name;
  std::string unit;  // "ns", "tok/s"
  Direction direction = Direction::kTime;
  std::vector<double> samples;  // all finite and > 0
};

struct BenchmarkSet {
  std::string source;  // how messages name it: a path
  // What must be alike for two sets to be comparable, by name: "protocol", "model", "build type", "cpu",
  // "device cpu:0", ... What a source does not record is not there.
  std::map<std::string, std::string> circumstances;
  std::vector<Benchmark> benchmarks;  // names are unique
  std::vector<std::string> notes;     // what was left out while reading, one line each
  std::string commit = {};            // as the source records it; empty: it does not

  // The benchmark of this name, made when there is none yet.
  Benchmark& named(const std::string& name, const std::string& unit, Direction direction);
  // Where rows of one source disagree, the value becomes "several". Empty values are not recorded.
  void note_circumstance(const std::string& name, const std::string& value);
};

// What `hetero-infer --bench --json` writes (an array of rows), or Google Benchmark's --benchmark_out (an object with
// "benchmarks": its repetitions; aggregates are left out, and so are rows with an error). The commit is "commit" in
// the rows' environment, or in Google's context (--benchmark_context=commit=...). Throws input_error on anything else,
// and where nothing can be compared.
BenchmarkSet benchmarks_from_json(const std::string& text, const std::string& source);

// The set as Google Benchmark writes its repetitions, so that its compare.py can read it, and benchmarks_from_json()
// too. Rates become times of one item; the circumstances stand in the context, under "hetero".
std::string to_google_json(const BenchmarkSet& set);

// The gate's and the ops' trusted samples of a run; run 0: of the latest run that has any. Throws input_error when
// there are none.
BenchmarkSet benchmarks_from_store(const Store& store, RunId run, const std::string& source);

// A path, told apart by what the file holds: a database ("F.db", or "F.db#3" for run 3) or JSON. Throws
// environment_error for a file that cannot be read, input_error for one that makes no sense.
BenchmarkSet load_benchmarks(const std::string& path);

}  // namespace hetero
