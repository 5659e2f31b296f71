// A plan tried out before anything runs: the executor's own schedule of a step, on devices that take the times of their
// profiles, on a virtual timeline. Knows what the solver's sum over spans leaves out: a device does not wait for its
// own results, works while another's are still on their way, and slows others only while both are busy. No clock, no
// device; the same input gives the same figure.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "profiles/cost_model.h"
#include "profiles/model_shape.h"
#include "profiles/plan.h"

namespace hetero {

class Rehearsal {
 public:
  // Devices under the ids of their profiles. Steps have at most `max_rows` rows and see at most `context` rows of the
  // cache.
  Rehearsal(const ModelShape& shape, const std::vector<DeviceProfile>& profiles, std::int64_t max_rows,
            std::int64_t context);
  ~Rehearsal();

  // One step of bucket.tokens rows after `position` others, with the logits of the last row: from its first submission
  // until the host knows that it is over. Throws input_error when the bucket does not fit the devices.
  double step_ns(const PlanBucket& bucket, std::int64_t position);
  // What all steps until now have packed, by device id.
  std::map<std::string, std::uint64_t> weight_bytes() const;

 private:
  struct Stage;
  std::unique_ptr<Stage> stage_;
};

}  // namespace hetero
