// What happened when a schedule ran: one span per segment, predicted and measured. Written as a Chrome trace that
// ui.perfetto.dev opens.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hetero {

struct Span {
  std::int64_t step = 0;  // which step of the run: 0 = first prefill chunk, then each token
  std::string device;     // id
  std::string label;      // "L3 ffn_in"
  double start_ns = 0;    // on the run's timeline, as the device reports
  double end_ns = 0;
  double submit_ns = 0;                // when the host submitted it
  double joined_ns = 0;                // when the host knew that it was done
  double predicted_ns = 0;             // duration; 0 = no prediction
  std::vector<std::int32_t> waits_on;  // indices of spans in the same trace
};

struct Trace {
  bool simulated = false;  // times from a virtual timeline or an emulated device
  std::vector<std::string> devices;
  std::vector<Span> spans;
};

// Chrome trace event JSON: one track a device, joins as flow arrows, predictions on a track beside it.
std::string to_chrome_json(const Trace& trace);

}  // namespace hetero
