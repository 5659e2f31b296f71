#include "runtime/device/opencl/cl_arena.h"

#include <algorithm>
#include <cstring>

namespace hetero {
namespace {

bool is_cache(const Arena& arena, const Region& region) {
  return region.valid() && arena.tensor(region.tensor).origin == RowOrigin::kSequence;
}

void add_once(std::vector<Region>& list, const Region& region) {
  if (std::find(list.begin(), list.end(), region) == list.end()) list.push_back(region);
}

}  // namespace

ClArena::ClArena(cl_context context, Arena& arena, ArenaSharing sharing) : arena_(arena), sharing_(sharing) {
  cl_int status = CL_SUCCESS;
  const bool shared = sharing == ArenaSharing::kShared;
  buffer_ = ClBuffer(clCreateBuffer(context, CL_MEM_READ_WRITE | (shared ? CL_MEM_USE_HOST_PTR : 0), arena.size_bytes(),
                                    shared ? arena.data() : nullptr, &status));
  cl_check(status, shared ? "map the arena" : "allocate a copy of the arena");
}

StagingPlan ClArena::staging_for(const Segment& segment) const {
  StagingPlan plan;
  if (sharing_ == ArenaSharing::kShared) return plan;
  for (const Region& region : segment.imports) add_once(plan.in, region);
  for (const Region& region : segment.exports) add_once(plan.out, region);
  for (const Op& op : segment.ops) {
    if (op.desc.kind == OpKind::kAttention) {
      for (const Region& cache : {op.in[1], op.in[2]}) {
        // The part's columns, whatever rows of the step it sees.
        if (is_cache(arena_, cache)) add_once(plan.cache_prefixes, {cache.tensor, 0, 0, cache.col0, cache.cols});
      }
    }
    if (is_cache(arena_, op.out)) add_once(plan.out, op.out);
  }
  return plan;
}

ClArena::Rect ClArena::rect(const Region& region, std::int64_t position) const {
  const std::size_t pitch = static_cast<std::size_t>(arena_.tensor(region.tensor).cols) * sizeof(float);
  return {arena_.offset_bytes(region, position), static_cast<std::size_t>(region.cols) * sizeof(float),
          static_cast<std::size_t>(region.rows), pitch};
}

void ClArena::enqueue_in(cl_command_queue queue, const StagingPlan& plan, std::int64_t position, ClEvent* first) const {
  const auto copy = [&](const Rect& r) {
    if (r.rows == 0 || r.row_bytes == 0) return;
    const std::size_t origin[3] = {r.offset, 0, 0};
    const std::size_t size[3] = {r.row_bytes, r.rows, 1};
    cl_event* event = first != nullptr && first->get() == nullptr ? first->out() : nullptr;
    cl_check(clEnqueueWriteBufferRect(queue, buffer_.get(), CL_FALSE, origin, origin, size, r.pitch, 0, r.pitch, 0,
                                      arena_.data(), 0, nullptr, event),
             "copy activations to the device");
  };
  for (const Region& region : plan.cache_prefixes) {
    Region prefix = region;
    prefix.rows = position;
    copy(rect(prefix, 0));  // from the cache's very first row
  }
  for (const Region& region : plan.in) copy(rect(region, position));
}

void ClArena::enqueue_out(cl_command_queue queue, const StagingPlan& plan, std::int64_t position, ClEvent* last) const {
  for (const Region& region : plan.out) {
    const Rect r = rect(region, position);
    if (r.rows == 0 || r.row_bytes == 0) continue;
    const std::size_t origin[3] = {r.offset, 0, 0};
    const std::size_t size[3] = {r.row_bytes, r.rows, 1};
    cl_event event = nullptr;
    cl_check(clEnqueueReadBufferRect(queue, buffer_.get(), CL_FALSE, origin, origin, size, r.pitch, 0, r.pitch, 0,
                                     arena_.data(), 0, nullptr, last != nullptr ? &event : nullptr),
             "copy activations from the device");
    if (last != nullptr) *last = ClEvent(event);
  }
}

bool shares_memory(cl_command_queue queue, cl_program program, const ClArena& mapped, Arena& arena) {
  if (arena.size_bytes() < sizeof(cl_uint)) return true;
  cl_int status = CL_SUCCESS;
  const ClKernelObject kernel(clCreateKernel(program, "hetero_probe_share", &status));
  cl_check(status, "create the sharing probe");
  cl_mem buffer = mapped.buffer();
  cl_check(clSetKernelArg(kernel.get(), 0, sizeof buffer, &buffer), "set an argument of the sharing probe");
  volatile auto* word = reinterpret_cast<volatile cl_uint*>(arena.data());
  const cl_uint saved = *word;
  bool shares = true;
  for (cl_uint value : {0x12345678U, 0x9abcdef0U}) {  // the second: was the host's later write seen as well?
    *word = value;
    const std::size_t one = 1;
    cl_check(clEnqueueNDRangeKernel(queue, kernel.get(), 1, nullptr, &one, &one, 0, nullptr, nullptr),
             "start the sharing probe");
    cl_check(clFinish(queue), "run the sharing probe");
    shares = shares && *word == value + 1;
  }
  *word = saved;
  return shares;
}

}  // namespace hetero
