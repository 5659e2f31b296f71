// How a device sees the arena: the host's own memory where it shares it (proved by a probe), else a copy of its own
// into and out of which each segment's regions are staged. Not thread-safe.
#pragma once

#include <vector>

#include "runtime/device/arena.h"
#include "runtime/device/opencl/cl_handle.h"
#include "runtime/device/segment.h"

namespace hetero {

enum class ArenaSharing : std::uint8_t { kShared, kStaged };

// Copies of one segment, worked out once; positions come with each submission.
struct StagingPlan {
  std::vector<Region> in;
  std::vector<Region> cache_prefixes;  // rows [0, position) of these columns come in too
  std::vector<Region> out;
};

class ClArena {
 public:
  // The arena outlives this. With kShared the memory is the host's, and nothing is copied.
  ClArena(cl_context context, Arena& arena, ArenaSharing sharing);

  cl_mem buffer() const { return buffer_.get(); }
  ArenaSharing sharing() const { return sharing_; }

  // What must be copied round the kernels of a segment. Imports and exports are the segment's, and besides, since
  // nobody tells which cache rows others wrote in earlier steps: attention's caches come in whole from row 0, and every
  // cache row that the segment writes goes out.
  StagingPlan staging_for(const Segment& segment) const;

  // Enqueue the copies (staged sharing only). `first` and `last` receive the events of the first and last copy, if
  // there is one; pass null for those not wanted.
  void enqueue_in(cl_command_queue queue, const StagingPlan& plan, std::int64_t position, ClEvent* first) const;
  void enqueue_out(cl_command_queue queue, const StagingPlan& plan, std::int64_t position, ClEvent* last) const;

 private:
  // A rectangle of the arena in bytes.
  struct Rect {
    std::size_t offset, row_bytes, rows, pitch;
  };
  Rect rect(const Region& region, std::int64_t position) const;

  Arena& arena_;
  ArenaSharing sharing_;
  ClBuffer buffer_;
};

// True when a kernel's writes to host memory and the host's own are seen by the other side without a copy: runs a small
// kernel on the first bytes of the arena and puts them back. `program` holds the kernel "hetero_probe_share".
bool shares_memory(cl_command_queue queue, cl_program program, const ClArena& mapped, Arena& arena);

}  // namespace hetero
