// Rows of hetero-infer --bench --json, as a report shows them: rates of plans, of single devices, and of other engines
// on the same model (scripts/bench_peers.py). Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hetero {

struct RateRow {
  std::string test;  // "pp64": a prompt of 64 tokens; "tg32": 32 tokens one by one
  std::string who;   // "tuned plan on cpu:0 + opencl:0@1", "cpu:0 alone", or the engine that is not ours
  std::vector<std::string> devices;  // ours; empty for another engine
  std::string model;
  bool emulated = false;
  std::vector<double> tok_per_s;    // all > 0, not empty
  std::int64_t peak_rss_bytes = 0;  // 0: not recorded
  std::int64_t model_bytes = 0;     // 0: not recorded
  double ops_per_token = 0;         // of the layers' matmuls; 0: no row on this model records it
};

// Throws input_error on anything else.
std::vector<RateRow> rate_rows_from_json(const std::string& text, const std::string& source);

// What one row records of its model holds for the others on it: another engine's rows do not say.
void share_model_facts(std::vector<RateRow>& rows);

// Rows of one test stand together then, in the order in which the tests occur.
void group_by_test(std::vector<RateRow>& rows);

}  // namespace hetero
