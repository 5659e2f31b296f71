// What happened when a schedule ran: one span per segment, predicted and measured. Written as a Chrome trace that
// ui.perfetto.dev opens, and read back. Values; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "profiles/block_kind.h"

namespace hetero {

struct Span {
  std::int64_t step = 0;  // which step of the run: 0 = first prefill chunk, then each token
  std::string device;     // id
  std::string label;      // "L3 ffn_in"
  double start_ns = 0;    // on the run's timeline, as the device reports
  double end_ns = 0;
  double submit_ns = 0;                     // when the host submitted it
  double joined_ns = 0;                     // when the host knew that it was done
  double predicted_ns = 0;                  // duration; 0 = no prediction
  std::vector<std::int32_t> waits_on = {};  // indices of spans in the same trace
  double streamed_bytes = 0;                // weights and KV cache that it had to read; 0 = unknown
  std::int64_t cached_tokens = 0;           // in the KV cache when its step is done; 0 = unknown
  std::vector<BlockKind> blocks = {};       // whose work it is, each once; not written to files
};

// Something that happened at one point: an injected fault.
struct Mark {
  double at_ns = 0;
  std::string device;
  std::string label;
};

struct Trace {
  bool simulated = false;  // times from a virtual timeline or an emulated device
  std::vector<std::string> devices;
  std::vector<Span> spans;
  std::vector<Mark> marks = {};
};

// Where each span would lie had its step gone as predicted: the step begins when it did (or when the step before is
// over here), and a segment when its device is through with the one before and what it waits on is done. Launches and
// joins take no time here. One for each span; without a prediction a span has no length.
struct Interval {
  double start_ns = 0;
  double end_ns = 0;
};
std::vector<Interval> predicted_timeline(const Trace& trace);

// Chrome trace event JSON, with "schema": "hetero.trace", version 1, beside the events: a track a device, joins as flow
// arrows, predicted_timeline() on a track beside it, counters for the bandwidth of each device and for the KV cache.
std::string to_chrome_json(const Trace& trace);

// What to_chrome_json() wrote. Throws input_error on anything else.
Trace trace_from_chrome_json(const std::string& text);

}  // namespace hetero
