#include "runtime/device/openvino/openvino_device.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/fingerprint.h"
#include "base/log.h"
#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/placement.h"

namespace hetero {
namespace {

std::string text_of(const Region& r) {
  std::string text = " " + std::to_string(r.tensor);
  for (const std::int64_t v : {r.row0, r.rows, r.col0, r.cols}) text += "," + std::to_string(v);
  return text;
}

// Two segments with the same text are the same work on the same memory with the same weights.
std::string text_of(const Segment& segment) {
  std::string text;
  for (const Op& op : segment.ops) {
    text += canonical_text(op.desc);
    for (const Region& in : op.in) text += text_of(in);
    text += text_of(op.out);
    const OpConstants& c = op.constants;
    for (const float f : {c.eps, c.rope_base}) text += " " + std::to_string(std::bit_cast<std::uint32_t>(f));
    for (const std::int64_t v : {c.rope_dims, static_cast<std::int64_t>(c.rope_style), c.column_offset, c.row_offset,
                                 op.weight.n0, op.weight.k0}) {
      text += " " + std::to_string(v);
    }
    for (const std::byte* data : {op.weight.weight.data, op.vector.data}) {
      text += " " + std::to_string(std::bit_cast<std::uintptr_t>(data));
    }
    for (const auto& [name, value] : op.params) text += " " + name + "=" + std::to_string(value);
    text += "\n";
  }
  return text;
}

// The same work wherever its rows lie in the step: a graph is made for its shape, and bound to its place.
Segment at_first_rows(Segment segment, OvPlace& place) {
  const auto each_region = [&](const auto& visit) {
    for (Op& op : segment.ops) {
      for (Region& in : op.in) {
        if (in.valid()) visit(in);
      }
      visit(op.out);
    }
  };
  each_region([&](const Region& r) {
    const auto [first, is_new] = place.row0.try_emplace(r.tensor, r.row0);
    if (!is_new) first->second = std::min(first->second, r.row0);
  });
  each_region([&](Region& r) { r.row0 -= place.row0[r.tensor]; });
  const auto rotates = [](const Op& op) { return op.desc.kind == OpKind::kRope; };
  const auto first = std::find_if(segment.ops.begin(), segment.ops.end(), rotates);
  if (first != segment.ops.end()) place.row_offset = first->constants.row_offset;
  for (Op& op : segment.ops) {
    if (rotates(op)) {
      op.constants.row_offset -= place.row_offset;
    } else {
      op.constants.row_offset = 0;  // only rotation and attention know where in the step they are
    }
  }
  return segment;
}

std::string list_text(const std::vector<std::int64_t>& values) {
  std::string text;
  for (const std::int64_t value : values) text += (text.empty() ? "" : ", ") + std::to_string(value);
  return text;
}

void copy_rows(const float* src, std::int64_t src_stride, float* dst, std::int64_t dst_stride, const Region& region) {
  for (std::int64_t row = 0; row < region.rows; ++row) {
    std::memcpy(dst + row * dst_stride, src + row * src_stride, static_cast<std::size_t>(region.cols) * sizeof(float));
  }
}

ov::Shape shape_of(const Region& region) {
  return {static_cast<std::size_t>(region.rows), static_cast<std::size_t>(region.cols)};
}

}  // namespace

struct OpenVinoDevice::Rotations {
  RopeTable table;
  std::vector<float> cosines, sines;  // [rows, period]
  std::int64_t position = -1;         // as of which they are filled in
};

struct OpenVinoDevice::Binding {
  ov::Output<const ov::Node> port;
  Region region;
  bool follows_position = false;
  std::int64_t position = 0;  // as of which it is bound
  ov::Tensor staging;         // where the arena's memory cannot be bound; else empty
};

struct OpenVinoDevice::Stage {
  ov::InferRequest request;
  std::vector<Rotations*> rotations;
  std::vector<Binding> inputs, outputs;
};

struct OpenVinoDevice::Prepared final : PreparedSegment {
  std::shared_ptr<const OvKept> kept;
  std::vector<Stage> stages;
};

OpenVinoDevice::OpenVinoDevice(DeviceFacts facts, OpenVinoOptions options, const DeviceContext& context)
    : facts_(std::move(facts)),
      options_(std::move(options)),
      timeline_(*context.timeline),
      worker_(timeline_, facts_.cores),
      ahead_(timeline_, facts_.cores) {
  worker_.call([this] { connect(); });
  const std::string stored = options_.requantise ? name_of(*options_.requantise) : "stored";
  const std::string order = options_.order ? "|" + std::string(name_of(*options_.order)) + " first" : "";
  facts_.family_fingerprint = fingerprint_text(facts_.name + "|" + facts_.driver);
  facts_.exact_fingerprint = fingerprint_text(compiler_->identity() + "|" + core_list_text(facts_.cores) + "|" +
                                              stored + "|" + list_text(facts_.standard_sizes) + order + "|graphs 1");
  orders_ = OperandOrders(options_.order, context, facts_);
  if (!facts_.cores.empty() && facts_.cores.size() < all_cores().size()) verify_placement();
}

void OpenVinoDevice::connect() {
  const std::string& device = options_.settings.device;
  try {
    const OnAllCores
        guard;  // OpenVINO looks once in a process which cores there are, with the eyes of its first caller
    core_ = std::make_unique<ov::Core>();
    facts_.name = core_->get_property(device, "FULL_DEVICE_NAME").as<std::string>();
  } catch (const std::exception& error) {
    std::string has;
    for (const std::string& name : ov::Core().get_available_devices()) has += (has.empty() ? "" : ", ") + name;
    throw environment_error("OpenVINO has no device '" + device + "' here, only " + has + ": " + ov_reason(error),
                            "'hetero-tune devices' lists what is here; an NPU needs Intel's driver (docs/npu.md)");
  }
  facts_.driver = ov_version(*core_, device);
  facts_.memory_bytes = ov_memory_bytes(*core_, device);
  compiler_ = std::make_unique<OvCompiler>(*core_, timeline_, options_.settings);
}

OpenVinoDevice::~OpenVinoDevice() {
  stop_ahead();
  log_detail(facts_.id + ": " + std::to_string(submissions_) + " submissions, " + std::to_string(copied_bytes_.load()) +
             " bytes copied between the arena and memory of its own");
}

Applicability OpenVinoDevice::supports(const Segment& segment) const {
  if (Applicability can = ov_applicable(segment); !can.yes) return can;
  if (Applicability can = orders_.allows(segment); !can.yes) return can;
  const std::int64_t rows = segment.ops.empty() ? 0 : segment.ops.front().desc.m;
  const auto& sizes = facts_.standard_sizes;
  if (std::find(sizes.begin(), sizes.end(), rows) == sizes.end()) {
    return Applicability::no("has static graphs for " + list_text(sizes) + " rows only, and " +
                             canonical_text(segment.ops.front().desc) + " has " + std::to_string(rows));
  }
  OvPlace place;
  const auto refused = refused_.find(text_of(at_first_rows(segment, place)));
  return refused == refused_.end() ? Applicability{} : Applicability::no(refused->second);
}

std::shared_ptr<const OvWeight> OpenVinoDevice::weight(const WeightSlice& slice) {
  const WeightKey key{slice.weight.data, slice.weight.type, slice.n0, slice.n1, slice.k0, slice.k1};
  const std::lock_guard lock(weights_mutex_);
  std::weak_ptr<const OvWeight>& known = weights_[key];
  if (std::shared_ptr<const OvWeight> alive = known.lock()) return alive;
  const bool rounded = options_.requantise && info(slice.weight.type).block_elements > 1;
  auto made = std::make_shared<const OvWeight>(
      rounded ? requantised_weight(slice, *options_.requantise, requantisation_) : ov_weight(slice));
  known = made;
  return made;
}

RequantisationError OpenVinoDevice::requantisation() const {
  const std::lock_guard lock(weights_mutex_);
  return requantisation_;
}

OvKept OpenVinoDevice::compile(const Segment& segment, double& compile_ns) {
  const OvGraphOptions options{options_.settings.precision == ToleranceClass::kF16,
                               [this](const WeightSlice& slice) { return weight(slice); },
                               [this](const Op& op) { return orders_.of(op); }};
  OvKept kept;
  for (OvGraph& graph : ov_graphs(segment, options)) {
    OvCompiled compiled = compiler_->compile(graph);
    compile_ns += compiled.compile_ns;
    kept.weight_bytes += graph.weight_bytes();
    kept.graphs.push_back({std::move(compiled.model), std::move(graph.inputs), std::move(graph.outputs)});
  }
  return kept;
}

void OpenVinoDevice::compile_ahead(const Segment& segment) {
  std::erase_if(ahead_tickets_, [](const auto& ticket) { return ticket->done(); });
  OvPlace place;
  Segment moved = at_first_rows(segment, place);
  ahead_tickets_.push_back(ahead_.push([this, moved = std::move(moved), wanted = ahead_wanted_.load()] {
    if (wanted != ahead_wanted_.load()) return;  // stop_ahead() came before its turn
    try {
      double compile_ns = 0;
      shelf_.get(text_of(moved), [&] { return compile(moved, compile_ns); });
    } catch (const std::exception& error) {
      log_detail(facts_.id + ": '" + moved.label + "' could not be compiled ahead: " + ov_reason(error));
    }
  }));
}

void OpenVinoDevice::stop_ahead() {
  ++ahead_wanted_;
  ahead_tickets_.clear();  // waits for the one under way
}

std::unique_ptr<PreparedSegment> OpenVinoDevice::prepare(const Segment& segment) {
  const Nanos start = timeline_.now();
  auto prepared = std::make_unique<Prepared>();
  OvPlace place;
  const Segment moved = at_first_rows(segment, place);
  const std::string text = text_of(moved);
  try {
    worker_.call([&] {
      prepared->kept = shelf_.get(text, [&] { return compile(moved, prepared->graph_compile_ns); });
      prepared->stages = make_stages(*prepared->kept, place);
      shelf_.drop_unused(most_kept_bytes());
    });
  } catch (const Error& error) {
    refused_[text] = error.what();
    throw;
  } catch (const std::exception& error) {
    refused_[text] = ov_reason(error);
    throw environment_error("OpenVINO cannot prepare '" + segment.label + "' on " + facts_.id + ": " + ov_reason(error),
                            "give this part to another device, or update the driver");
  }
  prepared->prepare_ns = to_ns(timeline_.now() - start);
  return prepared;
}

std::vector<OpenVinoDevice::Stage> OpenVinoDevice::make_stages(const OvKept& kept, const OvPlace& place) {
  const auto placed = [&](Region region) {
    region.row0 += place.row0.at(region.tensor);
    return region;
  };
  std::vector<Stage> stages;
  for (const OvKept::Graph& graph : kept.graphs) {
    Stage& stage = stages.emplace_back();
    ov::CompiledModel model = graph.model;  // create_infer_request() is not const
    stage.request = model.create_infer_request();
    for (std::size_t i = 0; i < graph.inputs.size(); ++i) {
      const OvInput& input = graph.inputs[i];
      if (input.kind == OvInput::Kind::kRegion) {
        stage.inputs.push_back(make_binding(stage, model.input(i), placed(input.region)));
      } else {
        OvInput moved = input;
        moved.table.constants.row_offset += place.row_offset;
        bind_rotations(stage, model.input(i), moved);
      }
    }
    for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
      stage.outputs.push_back(make_binding(stage, model.output(i), placed(graph.outputs[i])));
    }
  }
  return stages;
}

void OpenVinoDevice::bind_rotations(Stage& stage, const ov::Output<const ov::Node>& port, const OvInput& input) {
  const RopeTable& table = input.table;
  std::unique_ptr<Rotations>& rotations = rotations_[table.text()];
  if (rotations == nullptr) {
    const auto count = static_cast<std::size_t>(table.rows * table.period);
    rotations = std::make_unique<Rotations>(Rotations{table, std::vector<float>(count), std::vector<float>(count), -1});
  }
  std::vector<float>& values = input.kind == OvInput::Kind::kCosines ? rotations->cosines : rotations->sines;
  const ov::Shape shape{static_cast<std::size_t>(table.rows), 1, static_cast<std::size_t>(table.period)};
  stage.request.set_tensor(port, ov::Tensor(ov::element::f32, shape, values.data()));
  if (std::find(stage.rotations.begin(), stage.rotations.end(), rotations.get()) == stage.rotations.end()) {
    stage.rotations.push_back(rotations.get());
  }
}

OpenVinoDevice::Binding OpenVinoDevice::make_binding(Stage& stage, const ov::Output<const ov::Node>& port,
                                                     const Region& region) {
  const Tensor& tensor = arena_->tensor(region.tensor);
  Binding binding{port, region, tensor.origin == RowOrigin::kSequence, 0, {}};
  // A graph may write an output before it has read all of its inputs. Rows that are not together in memory are known to
  // work with the CPU plugin only.
  const bool overwrites_input = std::any_of(stage.inputs.begin(), stage.inputs.end(),
                                            [&](const Binding& in) { return in.region.overlaps(region); });
  const bool together = region.cols == tensor.cols || region.rows == 1;
  if (overwrites_input || (!together && options_.settings.device != "CPU")) {
    binding.staging = ov::Tensor(ov::element::f32, shape_of(region));
    stage.request.set_tensor(port, binding.staging);
  } else {
    bind(stage, binding, 0);
  }
  return binding;
}

void OpenVinoDevice::bind(Stage& stage, Binding& binding, std::int64_t position) {
  const HostMatrix at = arena_->matrix(binding.region, position);
  const bool together = binding.region.cols == at.stride || binding.region.rows == 1;
  const ov::Strides strides{static_cast<std::size_t>(at.stride) * sizeof(float), sizeof(float)};
  stage.request.set_tensor(binding.port,
                           together ? ov::Tensor(ov::element::f32, shape_of(binding.region), at.data)
                                    : ov::Tensor(ov::element::f32, shape_of(binding.region), at.data, strides));
  binding.position = position;
}

std::unique_ptr<Ticket> OpenVinoDevice::submit(PreparedSegment& prepared_segment, const Bindings& bindings) {
  auto& prepared = static_cast<Prepared&>(prepared_segment);
  ++submissions_;
  if (options_.requantise && !requantisation_reported_) {
    const RequantisationError error = requantisation();
    if (error.slices > 0) {
      requantisation_reported_ = true;
      log_note(facts_.id + ": " + std::to_string(error.slices) + " weights are re-quantised to " +
               name_of(*options_.requantise) + " as asked, with a relative error of " +
               std::to_string(100 * error.relative()) + " %");
    }
  }
  return worker_.push([this, &prepared, position = bindings.position] {
    try {
      run(prepared, position);
    } catch (const std::exception& error) {
      throw environment_error(facts_.id + " failed: " + ov_reason(error),
                              "choose another device, or update its driver");
    }
  });
}

void OpenVinoDevice::run(Prepared& prepared, std::int64_t position) {
  std::uint64_t copied = 0;
  for (Stage& stage : prepared.stages) {
    for (Rotations* r : stage.rotations) {
      if (r->position == position) continue;
      r->table.fill(position, r->cosines.data(), r->sines.data());
      r->position = position;
    }
    for (std::vector<Binding>* side : {&stage.inputs, &stage.outputs}) {
      for (Binding& b : *side) {
        if (!b.staging && b.follows_position && b.position != position) bind(stage, b, position);
      }
    }
    for (Binding& b : stage.inputs) {
      if (!b.staging) continue;
      const HostMatrix from = arena_->matrix(b.region, position);
      copy_rows(from.data, from.stride, b.staging.data<float>(), b.region.cols, b.region);
      copied += b.staging.get_byte_size();
    }
    stage.request.infer();
    for (Binding& b : stage.outputs) {
      if (!b.staging) continue;
      const HostMatrix to = arena_->matrix(b.region, position);
      copy_rows(b.staging.data<float>(), b.region.cols, to.data, to.stride, b.region);
      copied += b.staging.get_byte_size();
    }
  }
  copied_bytes_ += copied;
}

std::vector<ov::CompiledModel> OpenVinoDevice::compiled(PreparedSegment& prepared) {
  std::vector<ov::CompiledModel> models;
  for (Stage& stage : static_cast<Prepared&>(prepared).stages) models.push_back(stage.request.get_compiled_model());
  return models;
}

// A graph that keeps its threads busy for milliseconds, run while the process's threads are watched.
void OpenVinoDevice::verify_placement() {
  constexpr std::int64_t kSide = 384;
  const std::vector<float> values(static_cast<std::size_t>(kSide * kSide), 0.5F);
  Segment segment;
  Op op;
  op.desc = {OpKind::kMatmul, kSide, kSide, kSide};
  op.weight = {{reinterpret_cast<const std::byte*>(values.data()), DType::kF32, kSide, kSide}, 0, kSide, 0, kSide};
  op.in[0] = {0, 0, kSide, 0, kSide};
  op.out = {1, 0, kSide, 0, kSide};
  segment.ops = {op};
  ov::InferRequest request;
  worker_.call([&] {
    const OvGraphOptions options{
        false, [](const WeightSlice& slice) { return std::make_shared<const OvWeight>(ov_weight(slice)); }};
    OvCompiler compiler(*core_, timeline_,
                        {options_.settings.device, options_.settings.precision, options_.settings.threads, ""});
    request = compiler.compile(ov_graphs(segment, options).front()).model.create_infer_request();
    request.infer();
  });
  const std::string stray = stray_work(facts_.cores, [&] {
    worker_.call([&] {
      for (int i = 0; i < 10; ++i) request.infer();
    });
  });
  if (!stray.empty()) {
    throw environment_error(facts_.id + " does not stay on its cores: " + stray,
                            "use one openvino:CPU device of several cores at most, or leave '@cores' out");
  }
}

}  // namespace hetero
