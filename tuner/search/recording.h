// A recorded search: a space and what its configurations gave. Read from and written as the T4 results format that
// Kernel Tuner and the benchmark hub of the auto-tuning community share (schema "T4/1.0.0", results-schema.json in
// Kernel Tuner's repository); Kernel Tuner's own cache files are read too. Thread rule: pure functions and values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "tuner/search/strategy.h"

namespace hetero {

struct RecordedRow {
  ConfigId config = 0;
  SearchResult result;           // value: median or what the file calls the objective, in RecordedSearch::unit
  std::vector<double> runtimes;  // raw samples, same unit, in the order of measuring; may be empty
  double compile_ms = 0;         // 0: not known
  std::string timestamp;         // ISO 8601; may be empty
  std::string message;           // why, when not ok; what else there is to know; may be empty
};

struct RecordedSearch {
  std::string kernel;  // variant id and op, or the name that others gave it; may be empty
  std::string device;  // may be empty
  std::string driver;  // and compiler; may be empty
  std::string objective = "time";
  std::string unit = "ms";  // of values; empty: the file does not say (Kernel Tuner means ms)
  SearchSpace space;
  std::vector<RecordedRow> rows;  // one a configuration at most

  // Index into rows by configuration; -1 where there is none.
  std::vector<std::int32_t> row_of() const;
};

// A T4 document, or a Kernel Tuner cache file (also one that was left open, without its last brackets). The space is
// what the document's rows name. A configuration that stands there twice counts once, the first valid time. An
// objective that is a rate ("GFLOP/s") is turned into its inverse, so that lower is better. Throws input_error on
// anything that is neither, has no valid row or says otherwise than the formats; `name` says in messages which file it
// was.
RecordedSearch recording_from_json(const std::string& text, const std::string& name);

// T4, with a "metadata" member of ours beside the results.
std::string t4_json(const RecordedSearch& recording);

}  // namespace hetero
