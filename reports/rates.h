// Rows of hetero-infer --bench --json, as a report shows them: rates of plans, of single devices, and of other engines
// on the same model (scripts/bench_peers.py). Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "reports/characteristics.h"

namespace hetero {

// What a machine does at most; 0: not known.
struct MachineLimits {
  double gops = 0;         // 10^9 operations a second, of all processors together
  double read_gbps = 0;    // likewise
  std::string arithmetic;  // of what kind the operations are
};

struct RateRow {
  std::string test;  // "pp64": a prompt of 64 tokens; "tg32": 32 tokens one by one
  std::string who;   // "tuned plan on cpu:0 + opencl:0@1", "cpu:0 alone", or the engine that is not ours
  std::vector<std::string> devices;  // ours; empty for another engine
  std::string model;
  std::string source;  // the file's name: rows of one file took turns, those of several did not
  bool emulated = false;
  std::vector<double> tok_per_s;    // all > 0, not empty
  std::int64_t peak_rss_bytes = 0;  // 0: not recorded
  std::int64_t model_bytes = 0;     // weights as this engine holds them; 0: not recorded
  double ops_per_token = 0;         // of the layers' matmuls; 0: no row on this model records it
  std::string weights;              // how this engine's weights came about; empty: not recorded
  MachineLimits limits;             // measured in the same run; zeros: they were not
};

// Throws input_error on anything else.
std::vector<RateRow> rate_rows_from_json(const std::string& text, const std::string& source);

// What one row records of its model holds for the others on it: another engine's rows do not say.
void share_model_facts(std::vector<RateRow>& rows);

// Tokens of a prompt's test, "pp64"; 0: it is none.
std::int64_t prompt_tokens(const RateRow& row);

// The fastest matmuls of the devices added up, and what they read together.
MachineLimits limits_of(const Characteristics& characteristics);

// Of a prompt the operations a second of what the machine can compute, of single tokens the weights read a second of
// what it can read: "51 % of 57.4 GB/s". By the row's own limits, else by the others. Empty: not known, or emulated.
std::string part_of_limit(const RateRow& row, const MachineLimits& others);

// Whether they are of several files.
bool from_several_files(const std::vector<RateRow>& rows);

// What part_of_limit() of these rows goes by, as sentences; empty: no row has a part.
std::string limits_text(const std::vector<RateRow>& rows, const MachineLimits& others);

// "MNN 3.6.1: int4 blocks of 64" of each engine that records it, each once.
std::vector<std::string> weights_texts(const std::vector<RateRow>& rows);

// Rows of one test stand together then, in the order in which the tests occur.
void group_by_test(std::vector<RateRow>& rows);

}  // namespace hetero
