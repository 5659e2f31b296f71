// The unit of placement and of submission: consecutive ops that one device runs without the host.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/host_op.h"
#include "kernels/variant.h"
#include "profiles/block_kind.h"
#include "runtime/device/arena.h"

namespace hetero {

// One op on rectangles of the arena's tensors. Inputs follow HostOp: in[0], in[1], in[2]; unused ones are not valid().
// Attention's in[1] and in[2] are the rows of the caches that this step writes and this op sees; the kernel reads the
// cache from its first row up to them.
struct Op {
  OpDesc desc;
  OpConstants constants;
  std::array<Region, 3> in;
  Region out;
  WeightSlice weight;  // matmul
  WeightView vector;   // rms_norm: weight; rope: factors (data may be null)
  // Of the row that computes it, instead of those that the device would take; empty: the device's. For rows whose
  // parameters are chosen by shape (ParamScope::kShape) only; others pass over it.
  ParamValues params = {};
};

// Attention whose context follows from where the step is.
inline bool follows_position(const Op& op) { return op.desc.kind == OpKind::kAttention && op.desc.context == 0; }
// The op as it is at a position of the sequence.
inline OpDesc at_position(const Op& op, std::int64_t position) {
  OpDesc desc = op.desc;
  if (follows_position(op)) desc.context = position + op.constants.row_offset + desc.m;
  return desc;
}

struct Segment {
  std::string label;  // "L3 ffn_in", for traces
  std::vector<Op> ops;
  // For devices that keep their own copy of the arena: what others (or the host) wrote and this segment reads; what
  // this segment writes and others (or the host) read. A device on shared memory ignores both.
  std::vector<Region> imports;
  std::vector<Region> exports;
  std::vector<BlockKind> blocks = {};  // whose ops it has, each once
};

// What changes from one submission of a prepared segment to the next.
struct Bindings {
  std::int64_t position = 0;  // sequence position of the step's row 0
};

}  // namespace hetero
