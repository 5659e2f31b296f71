// A recorded kernel search, as a report shows it: every evaluation in order. Reads T4 results, which hetero-tune search
// writes and other tuners do too (docs/search.md). Does not search and knows no space. Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace hetero {

struct Evaluation {
  std::string configuration;    // "tile 4, panels 8"
  std::optional<double> value;  // of the objective, in SearchRecord::unit; absent: it was not valid
  std::string status;           // T4's "invalidity": "correct", "compile", "constraints", "correctness", ...
};

struct SearchRecord {
  std::string source;  // how messages name it: a path
  std::string kernel;  // and its op; may be empty, and so may the next two
  std::string device;
  std::string driver;
  std::string objective = "time";
  std::string unit;  // "ns" for times; else what the file says
  enum class Better : std::uint8_t { kLess, kMore } better = Better::kLess;
  std::vector<Evaluation> evaluations;  // not empty, in the order of the file

  // The best value of all evaluations up to and including each; absent before the first valid one.
  std::vector<std::optional<double>> best_so_far() const;
};

// Throws input_error for what is no T4 document of major version 1, or has no results.
SearchRecord search_record_from_json(const std::string& text, const std::string& source);

}  // namespace hetero
