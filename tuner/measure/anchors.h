// Whether the machine is still as fast as it was: one op per device, timed again every few subjects. A device whose
// anchor has left its median has drifted (heat, another program), and what was measured since cannot be trusted.
#pragma once

#include <vector>

#include "tuner/measure/bench_set.h"

namespace hetero {

class Anchors {
 public:
  explicit Anchors(BenchSet& benches) : benches_(benches) {}

  // Precondition: the bench is usable.
  void add(Bench& bench) { anchors_.push_back({&bench, {}, {}}); }

  // Times every anchor; the samples go to `samples` (status set). True when none has drifted. A change that lasts for
  // several checks (a laptop unplugged) becomes the new normal.
  bool check(std::vector<Sample>& samples);

  // How far an anchor may be from its median at least. Less than this is the noise of a quiet laptop; a restless
  // machine is allowed three deviations of its own, or nothing would ever be measured there.
  static constexpr double kDrift = 0.10;

 private:
  struct Anchor {
    Bench* bench;
    std::vector<double> history;
    std::vector<double> recent;
  };
  BenchSet& benches_;
  std::vector<Anchor> anchors_;
};

}  // namespace hetero
