#include "runtime/device/opencl/opencl_device.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <utility>

#include "base/embedded_file.h"
#include "base/error.h"
#include "kernels/opencl/cl_kernel.h"
#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/placement.h"
#include "runtime/device/weight_source.h"

namespace hetero {

std::span<const EmbeddedFile> opencl_probe_sources();

// One op, ready to be enqueued.
struct OpenClDevice::Step {
  ClKernelObject kernel;
  ClGrid grid;
  ClOpArgs args;  // as of position 0
  // What is added to the arguments for each position further.
  std::int64_t in0_per_position = 0, in1_per_position = 0, in2_per_position = 0, out_per_position = 0;
  bool follows_position = false;  // else the arguments are set once
};

struct OpenClDevice::Prepared final : PreparedSegment {
  std::vector<Step> steps;
  StagingPlan staging;
};

class OpenClDevice::EventTicket final : public Ticket {
 public:
  EventTicket(const OpenClDevice& device, Nanos submitted) : device_(device), submitted_(submitted) {}
  ~EventTicket() override {
    if (last.get() != nullptr) clWaitForEvents(1, wait_list());
  }

  bool done() override {
    if (done_) return true;
    if (last.get() == nullptr) return finish(CL_COMPLETE);
    if (rings) {
      // A word of memory tells; the driver, whose lock the worker needs, is asked now and then in case a kernel failed.
      if (device_.doorbell_->done(watch)) return finish(CL_COMPLETE);
      if (++asked_ % 4096 != 0) return false;
    }
    cl_int status = CL_QUEUED;
    const cl_int asked = clGetEventInfo(last.get(), CL_EVENT_COMMAND_EXECUTION_STATUS, sizeof status, &status, nullptr);
    if (asked != CL_SUCCESS) return finish(asked);
    return status <= CL_COMPLETE ? finish(status) : false;
  }

  void block() override {
    if (done_) return;
    if (last.get() != nullptr) {
      const cl_int waited = clWaitForEvents(1, wait_list());
      if (waited != CL_SUCCESS && !done()) finish(waited);
    }
    while (!done()) {
    }
  }

  std::pair<Nanos, Nanos> interval() override {
    if (status_ < 0) {
      throw environment_error("the OpenCL device " + device_.facts().id + " failed: " + cl_status_name(status_),
                              "try another device or a newer driver");
    }
    cl_ulong start = 0, end = 0;
    if (first.get() == nullptr || profile(first, CL_PROFILING_COMMAND_START, start) != CL_SUCCESS ||
        profile(last, CL_PROFILING_COMMAND_END, end) != CL_SUCCESS) {
      return {submitted_, seen_done_};
    }
    // The clocks may drift apart: what the host saw itself stays the limit, and the duration counts more than the
    // place.
    const Nanos room = seen_done_ - submitted_;
    const Nanos duration = std::clamp(Nanos(static_cast<std::int64_t>(end - start)), Nanos(0), room);
    const Nanos begin = std::clamp(device_.on_timeline(start), submitted_, seen_done_ - duration);
    return {begin, begin + duration};
  }

  ClEvent first, last;
  bool rings = false;  // the doorbell's watch `watch` stands behind the last kernel
  std::uint32_t watch = 0;

 private:
  static cl_int profile(const ClEvent& event, cl_profiling_info what, cl_ulong& value) {
    return clGetEventProfilingInfo(event.get(), what, sizeof value, &value, nullptr);
  }
  const cl_event* wait_list() { return last.out(); }
  bool finish(cl_int status) {
    status_ = status;
    seen_done_ = device_.timeline_.now();
    return done_ = true;
  }

  const OpenClDevice& device_;
  Nanos submitted_;
  Nanos seen_done_{0};
  cl_int status_ = CL_COMPLETE;
  bool done_ = false;
  std::uint32_t asked_ = 0;
};

OpenClDevice::OpenClDevice(DeviceFacts facts, const ClRootDevice& root, ClSubDevice part, const OpenClOptions& options,
                           const DeviceContext& context)
    : facts_(std::move(facts)),
      request_(context.kernels),
      tuned_(context.tuned),
      timeline_(*context.timeline),
      wanted_sharing_(options.sharing),
      part_(std::move(part)),
      device_(part_.get() != nullptr ? part_.get() : root.device) {
  const DriverThreadsOnTheirCores guard;
  hardware_ = cl_hardware_facts(device_);
  host_memory_ = root.is_cpu() || cl_device_value<cl_bool>(device_, CL_DEVICE_HOST_UNIFIED_MEMORY) == CL_TRUE;
  if (!host_memory_) wanted_sharing_ = ArenaSharing::kStaged;
  cl_int status = CL_SUCCESS;
  context_ = ClContext(clCreateContext(nullptr, 1, &device_, nullptr, nullptr, &status));
  cl_check(status, "create a context");
  queue_ = ClQueue(clCreateCommandQueue(context_.get(), device_, CL_QUEUE_PROFILING_ENABLE, &status));
  cl_check(status, "create a queue");
  programs_ = std::make_unique<ClPrograms>(context_.get(), device_, root.name + "|" + root.driver, context.cache_dir);
  probes_ = programs_->get(std::string(opencl_probe_sources().front().text), "-cl-std=CL1.2");
  if (!facts_.cores.empty()) verify_placement(probes_);
  calibrate_clock(probes_);
  // On cores of its own, a worker that stays awake takes them from nobody.
  if (options.doorbell && root.is_cpu() && facts_.cores.size() < all_cores().size()) {
    const CallerOffCores apart(facts_.cores);
    doorbell_ = ClDoorbell::make(context_.get(), queue_.get(), probes_, hardware_.workers);
  }
  programs_->save();
}

OpenClDevice::~OpenClDevice() {
  if (queue_.get() != nullptr) clFinish(queue_.get());
}

void OpenClDevice::verify_placement(cl_program probes) {
  // About 2 ms a work-item on a 3 GHz core: long against everything else that happens meanwhile.
  constexpr cl_int kRounds = 2'000'000;
  const std::size_t items = 2 * static_cast<std::size_t>(hardware_.workers);
  cl_int status = CL_SUCCESS;
  const ClBuffer out(clCreateBuffer(context_.get(), CL_MEM_READ_WRITE, items * sizeof(float), nullptr, &status));
  cl_check(status, "allocate memory");
  const ClKernelObject kernel(clCreateKernel(probes, "hetero_probe_busy", &status));
  cl_check(status, "create a kernel");
  cl_mem memory = out.get();
  cl_check(clSetKernelArg(kernel.get(), 0, sizeof memory, &memory), "set an argument");
  const auto run = [&](cl_int rounds) {
    const std::size_t one = 1;
    cl_check(clSetKernelArg(kernel.get(), 1, sizeof rounds, &rounds), "set an argument");
    cl_check(clEnqueueNDRangeKernel(queue_.get(), kernel.get(), 1, nullptr, &items, &one, 0, nullptr, nullptr),
             "start a kernel");
    cl_check(clFinish(queue_.get()), "run a kernel");
  };
  run(1);  // whatever is compiled at the first launch
  const std::string stray = stray_work(facts_.cores, [&] { run(kRounds); });
  if (!stray.empty()) {
    throw environment_error("the driver of " + facts_.id + " does not keep to its cores: " + stray,
                            "with PoCL unset POCL_AFFINITY; with other drivers use the whole device, without '@'");
  }
}

void OpenClDevice::calibrate_clock(cl_program probes) {
  // Every launch bounds the offset: it was queued between two looks at the timeline, started after the first and ended
  // before the host knew. The bounds of a few launches leave some microseconds.
  cl_int status = CL_SUCCESS;
  const ClBuffer word(clCreateBuffer(context_.get(), CL_MEM_READ_WRITE, sizeof(cl_uint), nullptr, &status));
  cl_check(status, "allocate memory");
  const ClKernelObject kernel(clCreateKernel(probes, "hetero_probe_share", &status));
  cl_check(status, "create a kernel");
  cl_mem memory = word.get();
  cl_check(clSetKernelArg(kernel.get(), 0, sizeof memory, &memory), "set an argument");
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  for (int i = 0; i < 8; ++i) {
    const std::size_t one = 1;
    cl_event raw = nullptr;
    const Nanos before = timeline_.now();
    cl_check(clEnqueueNDRangeKernel(queue_.get(), kernel.get(), 1, nullptr, &one, &one, 0, nullptr, &raw),
             "start a kernel");
    const Nanos after = timeline_.now();
    const ClEvent event(raw);
    cl_check(clFinish(queue_.get()), "run a kernel");
    const Nanos known = timeline_.now();
    cl_ulong queued = 0, ended = 0;
    if (clGetEventProfilingInfo(raw, CL_PROFILING_COMMAND_QUEUED, sizeof queued, &queued, nullptr) != CL_SUCCESS ||
        clGetEventProfilingInfo(raw, CL_PROFILING_COMMAND_END, sizeof ended, &ended, nullptr) != CL_SUCCESS) {
      return;
    }
    most = std::min(most, static_cast<std::int64_t>(queued) - before.count());
    least = std::max(
        {least, static_cast<std::int64_t>(queued) - after.count(), static_cast<std::int64_t>(ended) - known.count()});
  }
  clock_offset_ = least + (most - least) / 2;
}

Applicability OpenClDevice::supports(const Segment& segment) const {
  for (const Op& op : segment.ops) {
    try {
      choose(KernelFamily::kOpenCl, op.desc, hardware_, request_);
    } catch (const Error& error) {
      return Applicability::no(error.what());
    }
  }
  return {};
}

KernelUse OpenClDevice::kernel_for(const OpDesc& op) const {
  try {
    return {&choose(KernelFamily::kOpenCl, op, hardware_, request_)};
  } catch (const Error&) {
    return {};
  }
}

void OpenClDevice::attach(Arena& arena) {
  host_arena_ = &arena;
  arena_ = std::make_unique<ClArena>(context_.get(), arena, wanted_sharing_);
  if (wanted_sharing_ == ArenaSharing::kShared && !shares_memory(queue_.get(), probes_, *arena_, arena)) {
    arena_ = std::make_unique<ClArena>(context_.get(), arena, ArenaSharing::kStaged);
  }
}

cl_mem OpenClDevice::constants_for(const Op& op, const ClPacking& packing) {
  const ClConstants from{op.desc, op.constants, op.weight, op.vector};
  char key[256];
  std::snprintf(
      key, sizeof key, "%.*s %p %d %lld %lld %lld %lld | %p %lld | %a %lld", static_cast<int>(packing.name.size()),
      packing.name.data(), static_cast<const void*>(op.weight.weight.data), static_cast<int>(op.weight.weight.type),
      static_cast<long long>(op.weight.n0), static_cast<long long>(op.weight.n1), static_cast<long long>(op.weight.k0),
      static_cast<long long>(op.weight.k1), static_cast<const void*>(op.vector.data), static_cast<long long>(op.desc.n),
      static_cast<double>(op.constants.rope_base), static_cast<long long>(op.constants.rope_dims));
  ClBuffer& buffer = constants_[key];
  if (buffer.get() != nullptr) return buffer.get();
  const std::size_t bytes = packing.bytes(from);
  const std::size_t room = std::max<std::size_t>(bytes, 64);  // an empty buffer would be refused
  AlignedBuffer to_copy(host_memory_ ? 0 : room);
  std::byte* const packed = host_memory_ ? constants_memory_.take(room, AlignedBuffer::kPage) : to_copy.data();
  if (op.weight.weight.data == nullptr) {
    packing.pack(from, packed);
  } else {
    std::byte* at = packed;
    pack_and_forget(op.weight, [&](const WeightSlice& slice) {
      const ClConstants part{op.desc, op.constants, slice, op.vector};
      packing.pack(part, at);
      at += packing.bytes(part);
    });
  }
  cl_int status = CL_SUCCESS;
  const cl_mem_flags flags = CL_MEM_READ_ONLY | (host_memory_ ? CL_MEM_USE_HOST_PTR : CL_MEM_COPY_HOST_PTR);
  buffer = ClBuffer(clCreateBuffer(context_.get(), flags, room, packed, &status));
  cl_check(status, "allocate " + format_bytes(room) + " for weights");
  weight_bytes_ += bytes;
  return buffer.get();
}

void OpenClDevice::make_step(const Op& op, Step& step) {
  const KernelVariant& variant = choose(KernelFamily::kOpenCl, op.desc, hardware_, request_);
  const ClOp cl_op{op.desc, op.constants, params_for(tuned_, facts_.family_fingerprint, variant, op.desc)};
  const ClKernel& kernel = *variant.cl;
  cl_program program =
      programs_->get(source_text(kernel), "-cl-std=" + std::string(kernel.language) + " " + kernel.options(cl_op));
  cl_int status = CL_SUCCESS;
  step.kernel = ClKernelObject(clCreateKernel(program, kernel.entry, &status));
  cl_check(status, "create kernel " + variant.id);
  step.grid = kernel.grid(cl_op);

  // Offsets in floats as of position 0, and what each position adds to them.
  const auto place = [&](const Region& region, std::int64_t& offset, std::int64_t& stride, std::int64_t& per_position) {
    if (!region.valid()) return;
    const Tensor& tensor = host_arena_->tensor(region.tensor);
    offset = static_cast<std::int64_t>(host_arena_->offset_bytes(region, 0) / sizeof(float));
    stride = tensor.cols;
    per_position = tensor.origin == RowOrigin::kSequence ? tensor.cols : 0;
  };
  ClOpArgs& args = step.args;
  place(op.in[0], args.in0, args.in0_stride, step.in0_per_position);
  place(op.in[1], args.in1, args.in1_stride, step.in1_per_position);
  place(op.in[2], args.in2, args.in2_stride, step.in2_per_position);
  place(op.out, args.out, args.out_stride, step.out_per_position);
  if (op.desc.kind == OpKind::kAttention) {
    // Caches are read from their first row.
    args.in1 -= op.in[1].row0 * args.in1_stride;
    args.in2 -= op.in[2].row0 * args.in2_stride;
    step.in1_per_position = step.in2_per_position = 0;
  }
  args.m = op.desc.m;
  args.n = op.desc.n;
  args.k = op.desc.k;
  args.heads = op.desc.heads;
  args.kv_heads = op.desc.kv_heads;
  args.head_dim = op.desc.head_dim;
  args.position = op.constants.row_offset;
  args.column_offset = op.constants.column_offset;
  args.rope_dims = op.constants.rope_dims;
  args.eps = op.constants.eps;
  args.attention_scale = op.constants.attention_scale;
  step.follows_position =
      op.desc.kind == OpKind::kAttention || op.desc.kind == OpKind::kRope ||
      (step.in0_per_position | step.in1_per_position | step.in2_per_position | step.out_per_position) != 0;

  cl_mem arena = arena_->buffer();
  cl_check(clSetKernelArg(step.kernel.get(), 0, sizeof arena, &arena), "set an argument");
  cl_mem constants = kernel.packing != nullptr ? constants_for(op, *kernel.packing) : nullptr;
  cl_check(clSetKernelArg(step.kernel.get(), 1, sizeof constants, kernel.packing != nullptr ? &constants : nullptr),
           "set an argument");
}

// A launch with no rows: it writes nothing, but makes the driver finish compiling now instead of in the first step.
void OpenClDevice::warm_up(Step& step) {
  ClOpArgs nothing = step.args;
  nothing.m = 0;
  cl_check(clSetKernelArg(step.kernel.get(), 2, sizeof nothing, &nothing), "set an argument");
  cl_check(clEnqueueNDRangeKernel(queue_.get(), step.kernel.get(), 2, nullptr, step.grid.global.data(),
                                  step.grid.local.data(), 0, nullptr, nullptr),
           "start a kernel");
  cl_check(clFinish(queue_.get()), "run a kernel");
  cl_check(clSetKernelArg(step.kernel.get(), 2, sizeof step.args, &step.args), "set an argument");
}

std::unique_ptr<PreparedSegment> OpenClDevice::prepare(const Segment& segment) {
  const Nanos start = timeline_.now();
  auto prepared = std::make_unique<Prepared>();
  if (doorbell_ != nullptr) doorbell_->ring();  // else the launches below wait until the last watch is over
  Nanos compiling{0};
  for (const Op& op : segment.ops) {
    Step step;
    make_step(op, step);
    const Nanos before = timeline_.now();
    warm_up(step);
    compiling += timeline_.now() - before;
    prepared->steps.push_back(std::move(step));
  }
  programs_->save();
  prepared->staging = arena_->staging_for(segment);
  prepared->prepare_ns = to_ns(timeline_.now() - start);
  prepared->graph_compile_ns = to_ns(compiling);
  return prepared;
}

std::unique_ptr<Ticket> OpenClDevice::submit(PreparedSegment& prepared_segment, const Bindings& bindings) {
  auto& prepared = static_cast<Prepared&>(prepared_segment);
  auto ticket = std::make_unique<EventTicket>(*this, timeline_.now());
  arena_->enqueue_in(queue_.get(), prepared.staging, bindings.position, &ticket->first);
  for (Step& step : prepared.steps) {
    if (step.follows_position) {
      ClOpArgs args = step.args;
      args.position += bindings.position;
      args.in0 += bindings.position * step.in0_per_position;
      args.in1 += bindings.position * step.in1_per_position;
      args.in2 += bindings.position * step.in2_per_position;
      args.out += bindings.position * step.out_per_position;
      cl_check(clSetKernelArg(step.kernel.get(), 2, sizeof args, &args), "set an argument");
    }
    const bool is_first = ticket->first.get() == nullptr;
    const bool is_last = &step == &prepared.steps.back();
    cl_event event = nullptr;
    cl_check(clEnqueueNDRangeKernel(queue_.get(), step.kernel.get(), 2, nullptr, step.grid.global.data(),
                                    step.grid.local.data(), 0, nullptr, is_first || is_last ? &event : nullptr),
             "start a kernel");
    if (is_first) ticket->first = ClEvent(event);
    if (is_last) {
      if (is_first) cl_check(clRetainEvent(event), "keep an event");
      ticket->last = ClEvent(event);
    }
  }
  ClEvent copied;
  arena_->enqueue_out(queue_.get(), prepared.staging, bindings.position, &copied);
  if (copied.get() != nullptr) ticket->last = std::move(copied);
  if (doorbell_ != nullptr) {
    ticket->rings = true;
    ticket->watch = doorbell_->enqueue();
  }
  cl_check(clFlush(queue_.get()), "start the queue");
  if (doorbell_ != nullptr) doorbell_->ring_before(ticket->watch);
  return ticket;
}

}  // namespace hetero
