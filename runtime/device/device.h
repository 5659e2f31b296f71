// A processor that runs segments, and the provider that finds and opens such processors.
// A new vendor is one folder here and one line in providers.cc.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "kernels/catalogue.h"
#include "profiles/kernel_choice.h"
#include "profiles/shape_choice.h"
#include "runtime/device/arena.h"
#include "runtime/device/segment.h"
#include "runtime/device/timeline.h"

namespace hetero {

enum class DeviceKind : std::uint8_t { kCpu, kGpu, kNpu };
std::string_view name_of(DeviceKind kind);  // "cpu", "gpu", "npu"

enum class SubmitMode : std::uint8_t {
  kAsynchronous,    // submit returns at once, the device works beside the host
  kOnCallersThread  // the caller's thread is the device's first worker: submit returns when the segment is done
};

// What everything above a device may know of it.
struct DeviceFacts {
  std::string id;  // as the user named it and the plan stores it: "opencl:0@1"
  DeviceKind kind = DeviceKind::kCpu;
  std::string name;                // "AMD EPYC"
  std::string driver;              // "PoCL 3.1"; the cpu: the instruction sets in use
  std::string family_fingerprint;  // like devices share it
  std::string exact_fingerprint;   // device, driver, kernel sources: what makes a sample valid
  std::vector<int> cores;          // logical cores that it computes on (empty: none of the host's)
  std::uint64_t memory_bytes = 0;
  SubmitMode submit_mode = SubmitMode::kAsynchronous;
  std::vector<std::int64_t>
      standard_sizes;               // static devices: the row counts for which graphs exist, ascending; empty: any
  std::int64_t feature_align = 32;  // shares of output features are multiples of this
  bool emulated = false;            // its times come from a profile: never shown as measured
  bool computes = true;             // false: it only takes its time, and results are meaningless
  std::vector<Waiter> waiters = {Waiter::kPoll};  // those that make sense here
};

// A segment made ready (compiled, weights packed). Belongs to the device that made it, which must outlive it.
class PreparedSegment {
 public:
  virtual ~PreparedSegment() = default;
  // What preparing added to the device, in time and memory (0 when everything was cached).
  double prepare_ns = 0;        // the whole of prepare()
  double graph_compile_ns = 0;  // of that: compiling a static graph or program
};

// A row of the catalogue as a device uses it.
struct KernelUse {
  const KernelVariant* row = nullptr;  // null: none (a refusal, or nothing in the catalogue describes what runs)
  ParamValues params = {};             // ParamScope::kShape: those that the device takes for this op; else empty
};

class Device {
 public:
  virtual ~Device() = default;
  virtual const DeviceFacts& facts() const = 0;
  virtual Applicability supports(const Segment& segment) const = 0;
  // Maps the arena, which must outlive its use; a second call replaces the first and invalidates prepared segments.
  virtual void attach(Arena& arena) = 0;
  // May be slow. Packed weights are kept by (weight, slice) and shared by later segments. Throws Error when the driver
  // fails; precondition: supports(segment).yes and attach() was called.
  virtual std::unique_ptr<PreparedSegment> prepare(const Segment& segment) = 0;
  // In submission order on this device. `prepared` and the ticket's device outlive the ticket.
  virtual std::unique_ptr<Ticket> submit(PreparedSegment& prepared, const Bindings& bindings) = 0;
  // The catalogue row that computes such an op here.
  virtual KernelUse kernel_for(const OpDesc&) const { return {}; }
  // Bytes held for packed weights.
  virtual std::uint64_t weight_bytes() const = 0;
};

// A device that can also compile graphs beside its other work, before somebody prepares the segments that they are for.
class CompilesAhead {
 public:
  virtual ~CompilesAhead() = default;
  // Queues the segment's graph behind those queued before and returns at once. prepare() waits for a graph under way
  // and makes one that has not begun itself; what fails here is left to it. What the segment refers to must live until
  // the graph is made, or until stop_ahead(). Precondition: supports(segment).yes.
  virtual void compile_ahead(const Segment& segment) = 0;
  // Forgets what is queued, and waits for the graph under way.
  virtual void stop_ahead() = 0;
};

// One line of `hetero-tune devices`.
struct DeviceDescription {
  std::string id;
  DeviceKind kind = DeviceKind::kCpu;
  std::string name;
  std::string driver;
  bool usable = true;
  std::string why_not;     // when not usable: the reason and what to do
  std::vector<int> cores;  // empty: none of the host's
  std::uint64_t memory_bytes = 0;
  std::map<std::string, std::string> caps;
};

// "cpu:0-1", "opencl:0@1", "sim:snapdragon-8-gen-3/npu?compute=reference".
struct DeviceSpec {
  std::string text;                            // the whole, as written
  std::string provider;                        // "cpu"
  std::string name;                            // "0-1", "0", "snapdragon-8-gen-3/npu" (may be empty)
  std::vector<int> cores;                      // after '@'
  std::map<std::string, std::string> options;  // after '?', joined by '&'
};
DeviceSpec parse_device_spec(const std::string& text);               // throws usage_error
std::vector<DeviceSpec> parse_device_list(const std::string& text);  // separated by ',' or '+'
std::vector<int> parse_core_list(const std::string& text);           // "0-1,4" or "0-1.4"; throws usage_error
std::string core_list_text(const std::vector<int>& cores);           // "0-1.4"; ascending

// What a device needs from the program that opens it. The timeline outlives every device.
struct DeviceContext {
  Timeline* timeline = nullptr;  // never null
  KernelRequest kernels;
  TunedKernels tuned;                      // parameters that a search found
  std::vector<ShapeChoice> by_shape = {};  // parameters that were found by taking turns
  std::string cache_dir;                   // for compiled programs; empty: none
};

class DeviceProvider {
 public:
  virtual ~DeviceProvider() = default;
  virtual std::string_view name() const = 0;  // "cpu"
  // What is here, and what would be if something were installed. Never throws: a broken driver is a description.
  virtual std::vector<DeviceDescription> discover() const = 0;
  // Throws environment_error (no such device, driver fails) or usage_error (spec makes no sense).
  virtual std::unique_ptr<Device> open(const DeviceSpec& spec, const DeviceContext& context) const = 0;
  // facts().id of the device that open() would give, however the user spelled it. Opens nothing, and does not say
  // whether it is there. Throws usage_error where the spec makes no sense.
  virtual std::string id_of(const DeviceSpec& spec) const { return spec.text.substr(0, spec.text.find('?')); }
};

// The explicit list, in providers.cc.
const std::vector<const DeviceProvider*>& device_providers();

std::vector<DeviceDescription> discover_devices();

// The ids that these devices bear once they are open, under which plans are stored: "cpu,opencl:0@1" are "cpu:0" and
// "opencl:0@1" on two cores. Opens nothing.
std::vector<std::string> ids_of(const std::vector<DeviceSpec>& specs);

// Opens every device of the list. Refuses two devices on the same core, and two whose work runs on the caller's thread
// (usage_error). Devices are told of each other's cores only through their specs: "cpu" alone beside "opencl:0@1" means
// the cores that are left.
std::vector<std::unique_ptr<Device>> open_devices(const std::vector<DeviceSpec>& specs, const DeviceContext& context);

}  // namespace hetero
