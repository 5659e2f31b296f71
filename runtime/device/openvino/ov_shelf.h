// The compiled graphs of one device, by what they compute: kept for later segments, made once even where two threads
// want one at the same time. Safe from any thread.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <openvino/runtime/compiled_model.hpp>
#include <string>
#include <vector>

#include "runtime/device/openvino/ov_graph.h"

namespace hetero {

// What one segment was compiled to.
struct OvKept {
  struct Graph {
    ov::CompiledModel model;
    std::vector<OvInput> inputs;
    std::vector<Region> outputs;
  };
  std::vector<Graph> graphs;
  std::uint64_t weight_bytes = 0;  // of their constants
};

class OvShelf {
 public:
  // The graphs under `key`. Waits for a thread that is making them; where there are none, or that thread failed, `make`
  // makes them here. Throws what `make` throws and keeps nothing then.
  std::shared_ptr<const OvKept> get(const std::string& key, const std::function<OvKept()>& make);
  // A measurement's graphs are never asked for again, a plan's may be: those that nobody holds go, the oldest first,
  // until all together have at most so many bytes of constants.
  void drop_unused(std::uint64_t most_bytes);
  std::uint64_t weight_bytes() const;

 private:
  struct Entry {
    std::shared_ptr<const OvKept> kept;  // null: being made
    std::uint64_t last_use = 0;
  };
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Entry> entries_;
  std::uint64_t uses_ = 0;  // counts calls of get(), for the age of entries
  std::uint64_t weight_bytes_ = 0;
};

}  // namespace hetero
