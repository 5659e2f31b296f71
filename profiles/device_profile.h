// What fitting learnt of one device, or what was published of one that nobody here owns: a document. Every figure has a
// provenance. Evaluated by cost_model.h; never by anything else.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/graph_rows.h"
#include "kernels/op_desc.h"
#include "profiles/boosted_trees.h"

namespace hetero {

enum class Provenance : std::uint8_t { kMeasured, kInterpolated, kPublished, kDerived, kAssumed, kSimulated };
std::string_view name_of(Provenance provenance);

// A figure with its spread (relative MAD) and source.
struct Figure {
  double value = 0;
  double spread = 0;
  Provenance provenance = Provenance::kAssumed;
  std::string source;  // "run 12", "arXiv 2501.14794v2 table 3"; may be empty
  friend bool operator==(const Figure&, const Figure&) = default;
};

// Time of a matmul of m rows on a weight of n*k elements in format w: fixed_ns + n*k*ns_per_weight. Between points,
// times are interpolated linearly in m; beyond the last, rates are kept (time grows in proportion to m).
struct MatmulPoint {
  std::int64_t m = 1;
  Figure fixed_ns;
  Figure ns_per_weight;
  friend bool operator==(const MatmulPoint&, const MatmulPoint&) = default;
};
// An exact shape whose time departs from the line (order and shape sensitivity): time = line * factor at this (n, k),
// for any share of n.
struct ShapeFactor {
  std::int64_t m = 1, n = 0, k = 0;
  Figure factor;
  friend bool operator==(const ShapeFactor&, const ShapeFactor&) = default;
};
struct MatmulCurve {
  DType w = DType::kQ4_0;
  std::vector<MatmulPoint> points;  // ascending m, at least one
  std::vector<ShapeFactor> shape_factors;
  friend bool operator==(const MatmulCurve&, const MatmulCurve&) = default;
};

// Matmuls in either order of their operands (kernels/graph_rows.h): the curves are times in the better order, and the
// other one takes `factor` times as long at this (n, k), in any format and for any share of the weight. Of several
// entries for one shape, that of the nearest m counts; both orders of a shape without one are alike.
struct OrderFactor {
  std::int64_t m = 1, n = 0, k = 0;
  OperandOrder slower = OperandOrder::kActivationsFirst;
  Figure factor;  // 1 or more
  friend bool operator==(const OrderFactor&, const OrderFactor&) = default;
};

// Any other op: fixed_ns + work * ns_per_unit, where the unit is an element of the output (attention: a multiply-add of
// the two products). Where there are points, they say more and count instead: time at m rows = fixed_ns + (work of one
// row) * ns_per_weight, between points and beyond the last as for a matmul, before the first in proportion to m.
struct OpCurve {
  OpKind kind = OpKind::kRmsNorm;
  Figure fixed_ns;
  Figure ns_per_unit;
  std::vector<MatmulPoint> points = {};  // ascending m; may be empty
  friend bool operator==(const OpCurve&, const OpCurve&) = default;
};

// Ways to predict the time of an op that was not measured. Two are compared on shapes held out, the better one is kept.
enum class CostFamily : std::uint8_t {
  kCurves,     // matmul and op curves: a piecewise roofline
  kTrees,      // boosted trees over the time of a unit of work
  kCurveTrees  // boosted trees over what the curves leave
};
std::string_view name_of(CostFamily family);  // "curves", "trees", "curves+trees"

// Trees that stand in for a curve (kTrees: work * scale * 2^leaves) or correct it (kCurveTrees: curve * scale *
// 2^leaves). The unit of work is a multiply-add of a matmul, else that of OpCurve.
struct OpTrees {
  OpKind kind = OpKind::kMatmul;
  DType w = DType::kF32;  // matmul only
  CostFamily family = CostFamily::kTrees;
  Figure scale;
  std::vector<RegressionTree> trees;
  friend bool operator==(const OpTrees&, const OpTrees&) = default;
};

// How well an op's time is predicted where it was not measured: absolute relative errors over shapes held out. `mean`
// is that of |ln(predicted / measured)|: three times too much is as bad as three times too little.
struct HeldOutError {
  CostFamily family = CostFamily::kCurves;
  double median = 0, p95 = 0, mean = 0;
  friend bool operator==(const HeldOutError&, const HeldOutError&) = default;
};
struct HeldOut {
  OpKind kind = OpKind::kMatmul;
  DType w = DType::kF32;  // matmul only
  int shapes = 0;         // that were measured
  CostFamily kept = CostFamily::kCurves;
  std::vector<HeldOutError> errors;  // of each family; none where there are too few shapes to hold some out
  friend bool operator==(const HeldOut&, const HeldOut&) = default;
};

// How much slower this device runs while the others of `with` are active, by the phase's kind of load.
struct Slowdown {
  std::vector<std::string> with;  // device ids, sorted
  Figure decode;                  // streaming weights; 1.0 = not slower
  Figure prefill;                 // arithmetic
  friend bool operator==(const Slowdown&, const Slowdown&) = default;
};

// What a whole step of a model took on this device alone, over the sum of its ops as they were timed by themselves: in
// a model they find their input in a cache, share its quantised form, and follow each other.
struct StepFactors {
  struct Point {
    std::int64_t m = 1;  // rows; 1: decode
    Figure factor;
    friend bool operator==(const Point&, const Point&) = default;
  };
  std::string model;          // its fingerprint
  double layer_weights = 0;   // elements of the first layer's matrices: which models are alike
  std::vector<Point> points;  // ascending m, at least one
  friend bool operator==(const StepFactors&, const StepFactors&) = default;
};

struct DeviceProfile {
  std::string device;  // DeviceFacts::id, or the id within a system document ("snapdragon-8-gen-3/npu")
  std::string kind;    // "cpu", "gpu", "npu"
  std::string name;
  std::string driver;
  std::string exact_fingerprint;
  std::string family_fingerprint;
  std::vector<MatmulCurve> matmul;
  std::vector<OrderFactor> order_factors = {};  // none: the device has one order, or nothing is known of the other
  std::vector<OpCurve> ops;
  std::vector<OpTrees> trees;                             // at most one for each op and format
  std::vector<HeldOut> held_out;                          // one for each op and format that was fitted
  Figure launch_ns;                                       // host time of one submission
  std::map<std::string, Figure> join_ns;                  // by waiter: device completion -> host goes on
  Figure bandwidth_gbps;                                  // streaming reads, alone
  std::map<std::string, Figure> bandwidth_together_gbps;  // this device's part while the named device streams too
  std::vector<Slowdown> slowdowns;
  std::vector<StepFactors> steps;  // of each model that was timed whole
  // static devices
  std::vector<std::int64_t> standard_sizes;  // empty: any number of rows
  std::int64_t stage = 1;                    // dimensions cost as if rounded up to a multiple of this
  Figure graph_compile_fixed_ns;
  Figure graph_compile_ns_per_weight;
  std::int64_t feature_align = 32;
  std::uint64_t memory_bytes = 0;
  bool half_precision = false;  // results pass through float16
  Figure watts;                 // while active; 0 = unknown
  friend bool operator==(const DeviceProfile&, const DeviceProfile&) = default;
};

// Several devices on one memory: what `sim:<name>/<device>` and `simulate --profile` read.
struct SystemProfile {
  std::string name;  // "snapdragon-8-gen-3"
  std::string title;
  std::vector<DeviceProfile> devices;
  friend bool operator==(const SystemProfile&, const SystemProfile&) = default;
};

// "hetero.system_profile", version 1: every figure as {"value": .., "spread": .., "provenance": .., "source": ..}.
// Reading throws input_error.
std::string to_json(const SystemProfile& profile);
SystemProfile system_profile_from_json(const std::string& text);

// The document `base` with everything that `over` says in its place: devices by id, curves by format or op, slow-downs
// by the devices beside, joins by waiter. Throws input_error where one of the two is no system profile.
std::string overlay(const std::string& base, const std::string& over);

// Shipped under profiles/devices/, embedded at build time. Null when there is none of that name.
const std::string* shipped_system_profile(std::string_view name);
std::vector<std::string> shipped_system_profile_names();
const std::string* shipped_model_shape(std::string_view name);
std::vector<std::string> shipped_model_shape_names();

}  // namespace hetero
