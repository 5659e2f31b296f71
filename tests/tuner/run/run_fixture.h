// A small model's shape and two simulated devices whose times can be worked out by hand.
#pragma once

#include "profiles/model_shape.h"
#include "tests/runtime/sim/sim_fixture.h"

namespace hetero::testing_run {

inline ModelShape small_shape() {
  ModelShape shape;
  shape.name = "small";
  shape.architecture = "llama";
  shape.layers = 2;
  shape.width = 64;
  shape.ffn_width = 128;
  shape.heads = 2;
  shape.kv_heads = 2;
  shape.head_dim = 32;
  shape.vocab = 512;
  shape.max_context = 64;
  const DType f32 = DType::kF32;
  shape.layer_types = {{f32, f32, f32, f32, f32, f32, f32}};
  shape.head_type = f32;
  return shape;
}

}  // namespace hetero::testing_run
