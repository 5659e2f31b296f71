// Pure evaluation of device profiles: how long an op, a submission or a join should take. No clock, no device.
#pragma once

#include <string>
#include <vector>

#include "profiles/device_profile.h"
#include "profiles/model_shape.h"
#include "profiles/plan.h"

namespace hetero {

struct Estimate {
  double median_ns = 0;
  double spread_ns = 0;  // MAD
  Provenance provenance = Provenance::kAssumed;

  // In sequence. The weaker provenance stays.
  Estimate& operator+=(const Estimate& other);
};

// Units of work of an op with its dimensions rounded up to stages: multiply-adds of a matmul and of attention's two
// products (causal), output elements of the others.
double work_of(const OpDesc& op, std::int64_t stage = 1);
// The op with its dimensions rounded up.
OpDesc staged(OpDesc op, std::int64_t stage);

class CostModel {
 public:
  // With `model`: ops are those of this model's steps (StepFactors of it, or of the nearest one in size that is at most
  // twice as large or half as small). Without: ops are by themselves.
  explicit CostModel(std::vector<DeviceProfile> profiles, const ModelShape* model = nullptr);

  bool knows(const std::string& device) const;
  const DeviceProfile& profile(const std::string& device) const;  // throws input_error for an unknown device
  const std::vector<DeviceProfile>& profiles() const { return profiles_; }

  // One op of a segment, with no other device at work. `of_n`, `of_k`: for a share of a matmul, the n and the k of the
  // whole weight, whose shape factor applies to shares too (what makes a shape slow, its order or its long reduction,
  // is not known to go away in a slice, and a slice that looks faster than it is would win wrongly); 0: op's own.
  // Throws input_error when the profile has no curve for it.
  Estimate op(const std::string& device, const OpDesc& op, std::int64_t of_n = 0, std::int64_t of_k = 0) const;
  // How many times as long as op() a matmul takes with its operands in this order: 1 in the better one. `of_n`, `of_k`:
  // as for op().
  double order_factor(const std::string& device, const OpDesc& op, OperandOrder order, std::int64_t of_n = 0,
                      std::int64_t of_k = 0) const;
  // Host time of a submission, and from completion to the host's going on with this waiter ("" = the best known).
  Estimate launch(const std::string& device) const;
  Estimate join(const std::string& device, const std::string& waiter = "") const;
  std::string best_waiter(const std::string& device) const;  // "poll" when none was measured
  // Factor >= 1 while all of `active` (which includes the device or not) run a phase's load.
  double slowdown(const std::string& device, const std::vector<std::string>& active, Phase phase) const;
  Estimate graph_compile(const std::string& device, double weights) const;

 private:
  // The factors that apply. One phase says nothing of the other.
  struct Steps {
    std::vector<StepFactors::Point> decode, prefill;
  };

  std::size_t index_of(const std::string& device) const;  // throws input_error for an unknown device
  static Estimate lone_op(const DeviceProfile& profile, const OpDesc& op, std::int64_t of_n, std::int64_t of_k);

  std::vector<DeviceProfile> profiles_;
  std::vector<Steps> steps_;  // of each profile
};

}  // namespace hetero
