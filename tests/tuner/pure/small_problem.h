// Small models and device profiles with round figures, for tests of the solver.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tuner/solve/solve.h"

namespace hetero {

inline Figure figure(double value) { return {value, 0, Provenance::kMeasured, "test"}; }

// One format (q4_0) everywhere. Dimensions are multiples of 32.
inline ModelShape small_shape(int layers, std::int64_t width, std::int64_t ffn, std::int64_t kv_heads) {
  ModelShape shape;
  shape.name = "small";
  shape.architecture = "llama";
  shape.layers = layers;
  shape.width = width;
  shape.ffn_width = ffn;
  shape.heads = kv_heads;
  shape.kv_heads = kv_heads;
  shape.head_dim = width / kv_heads;
  shape.vocab = width;
  shape.max_context = 2048;
  shape.layer_types = {LayerTypes{}};
  shape.head_type = DType::kQ4_0;
  return shape;
}

// Matmuls: rate ns per weight and row (linear in m from 1 on); every other op: `other_ns` per call.
inline DeviceProfile small_profile(const std::string& id, double ns_per_weight, double other_ns, double launch_ns,
                                   double join_ns) {
  DeviceProfile profile;
  profile.device = id;
  profile.kind = "cpu";
  profile.exact_fingerprint = "fp-" + id;
  MatmulCurve curve;
  curve.w = DType::kQ4_0;
  curve.points = {{1, figure(0), figure(ns_per_weight)}};
  profile.matmul = {curve};
  for (const OpKind kind : {OpKind::kRmsNorm, OpKind::kRope, OpKind::kAttention, OpKind::kSwiGlu, OpKind::kAdd}) {
    profile.ops.push_back({kind, figure(other_ns), figure(0)});
  }
  profile.launch_ns = figure(launch_ns);
  profile.join_ns = {{"poll", figure(join_ns)}};
  return profile;
}

inline SolveDevice solve_device(const std::string& id, std::vector<std::int64_t> sizes = {}) {
  SolveDevice device;
  device.id = id;
  device.standard_sizes = std::move(sizes);
  return device;
}

inline const PlanBucket& bucket_of(const Plan& plan, Phase phase, std::int64_t tokens) {
  const PlanBucket* bucket = bucket_for(plan, phase, tokens);
  return *bucket;
}

}  // namespace hetero
