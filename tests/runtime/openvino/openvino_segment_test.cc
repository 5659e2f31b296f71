// Whole segments as graphs: real blocks, positions, copies, what begins a new graph, and what stays of the weights.
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "tests/runtime/openvino/openvino_rig.h"

namespace hetero::test {
namespace {

// Two float32 implementations of a sum of k terms differ by a few unit roundoffs times its root; chains of three.
constexpr double kRounding = 5e-6;

// gate, up, SwiGLU, down and the residual, behind a norm: as a schedule gives them to a device that has the whole
// block.
struct FeedForward {
  static constexpr std::int64_t kWidth = 192, kInner = 320;
  Bench bench;
  Segment segment;
  TensorId residual, normed, gate, up, inner;

  FeedForward(std::int64_t rows, DType type) {
    residual = bench.tensor("residual", rows, kWidth);
    normed = bench.tensor("normed", rows, kWidth);
    gate = bench.tensor("gate", rows, kInner);
    up = bench.tensor("up", rows, kInner);
    inner = bench.tensor("inner", rows, kInner);
    bench.fill();
    const auto all = [&](TensorId id) { return whole(bench.arena, id, rows); };
    segment.label = "ffn";
    segment.ops = {rms_norm(bench.vector(kWidth), all(residual), all(normed)),
                   matmul(bench.weight(type, kInner, kWidth), all(normed), all(gate)),
                   matmul(bench.weight(type, kInner, kWidth), all(normed), all(up)),
                   swiglu(all(gate), all(up), all(inner)),
                   matmul(bench.weight(type, kWidth, kInner), all(inner), all(residual), all(residual))};
  }
};

double error_of(OpenVinoDevice& device, Timeline& timeline, Bench& bench, const Segment& segment,
                PreparedSegment& prepared, std::int64_t position) {
  const std::vector<float> before = snapshot(bench.arena);
  run(device, timeline, prepared, position);
  const std::vector<float> got = snapshot(bench.arena);
  restore(bench.arena, before);
  run_reference(bench.arena, segment, position);
  const std::vector<float> want = snapshot(bench.arena);
  restore(bench.arena, before);
  EXPECT_NE(want, before);
  return relative_error(got, want);
}

TEST(OpenVinoSegment, AFeedForwardBlockIsOneGraph) {
  RealTimeline timeline;
  for (const DType type : {DType::kQ4_0, DType::kQ4_1, DType::kQ8_0}) {
    for (const std::int64_t rows : {1, 32}) {
      FeedForward block(rows, type);
      const auto device = open_openvino(timeline, "precision=f32&sizes=1.32");
      device->attach(block.bench.arena);
      ASSERT_TRUE(device->supports(block.segment).yes);
      const auto prepared = device->prepare(block.segment);
      EXPECT_EQ(OpenVinoDevice::compiled(*prepared).size(), 1U);
      EXPECT_GT(prepared->graph_compile_ns, 0);
      EXPECT_LT(error_of(*device, timeline, block.bench, block.segment, *prepared, 0), kRounding);
      // The residual is read and written by one graph: its new value is copied, and nothing else.
      EXPECT_EQ(device->traffic().submissions, 1U);
      EXPECT_EQ(device->traffic().copied_bytes, static_cast<std::uint64_t>(rows * FeedForward::kWidth) * sizeof(float));
    }
  }
}

TEST(OpenVinoSegment, IsCompiledOnce) {
  RealTimeline timeline;
  FeedForward block(32, DType::kQ4_0);
  const auto device = open_openvino(timeline, "precision=f32&sizes=32");
  device->attach(block.bench.arena);
  const auto first = device->prepare(block.segment);
  const std::uint64_t bytes = device->weight_bytes();
  const auto again = device->prepare(block.segment);
  EXPECT_GT(bytes, 0U);
  EXPECT_EQ(again->graph_compile_ns, 0);
  EXPECT_EQ(device->weight_bytes(), bytes);
  EXPECT_LT(error_of(*device, timeline, block.bench, block.segment, *again, 0), kRounding);
}

TEST(OpenVinoSegment, QueriesKeysAndValuesAreOneGraphThatFollowsThePosition) {
  constexpr std::int64_t kRows = 8, kWidth = 128, kHead = 32;
  RealTimeline timeline;
  Bench bench;
  const TensorId x = bench.tensor("x", kRows, kWidth);
  const TensorId q = bench.tensor("q", kRows, 4 * kHead);
  const TensorId k = bench.tensor("k", kRows, 2 * kHead);
  const TensorId keys = bench.tensor("keys", 64, 2 * kHead, RowOrigin::kSequence);
  const TensorId values = bench.tensor("values", 64, 2 * kHead, RowOrigin::kSequence);
  bench.fill();
  const auto all = [&](TensorId id) { return whole(bench.arena, id, kRows); };
  const auto rope = [&](const Region& in, const Region& out) {
    Op op;
    op.desc = {OpKind::kRope, in.rows, in.cols};
    op.desc.head_dim = kHead;
    op.constants.rope_base = 10000;
    op.constants.rope_dims = kHead;
    op.in[0] = in;
    op.out = out;
    return op;
  };
  Segment segment;
  segment.ops = {matmul(bench.weight(DType::kQ4_1, 4 * kHead, kWidth), all(x), all(q)),
                 matmul(bench.weight(DType::kQ4_1, 2 * kHead, kWidth), all(x), all(k)),
                 matmul(bench.weight(DType::kQ8_0, 2 * kHead, kWidth), all(x), all(values)), rope(all(q), all(q)),
                 rope(all(k), all(keys))};
  const auto device = open_openvino(timeline, "precision=f32&sizes=8");
  device->attach(bench.arena);
  const auto prepared = device->prepare(segment);
  EXPECT_EQ(OpenVinoDevice::compiled(*prepared).size(), 1U);
  for (const std::int64_t position : {0, 8, 31, 8}) {
    EXPECT_LT(error_of(*device, timeline, bench, segment, *prepared, position), kRounding) << position;
  }
  EXPECT_EQ(device->traffic().copied_bytes, 0U) << "inputs and outputs are the arena's own memory";
}

TEST(OpenVinoSegment, AReadOfWhatIsWrittenInPartBeginsANewGraph) {
  RealTimeline timeline;
  Bench bench;
  const TensorId x = bench.tensor("x", 4, 64);
  const TensorId y = bench.tensor("y", 4, 64);
  const TensorId z = bench.tensor("z", 4, 32);
  bench.fill();
  const Region all_x = whole(bench.arena, x, 4);
  Segment segment;
  // The right half of y is as it was, the left half is new.
  segment.ops = {matmul(bench.weight(DType::kQ4_0, 32, 64), all_x, {y, 0, 4, 0, 32}),
                 matmul(bench.weight(DType::kQ4_0, 32, 64), whole(bench.arena, y, 4), whole(bench.arena, z, 4))};
  const auto device = open_openvino(timeline, "precision=f32&sizes=4");
  device->attach(bench.arena);
  const auto prepared = device->prepare(segment);
  EXPECT_EQ(OpenVinoDevice::compiled(*prepared).size(), 2U);
  EXPECT_LT(error_of(*device, timeline, bench, segment, *prepared, 0), kRounding);
}

TEST(OpenVinoSegment, SubmissionsRunInOrder) {
  // y = y + x, many times at once: each must see the one before.
  RealTimeline timeline;
  Bench bench;
  const TensorId x = bench.tensor("x", 1, 64);
  const TensorId y = bench.tensor("y", 1, 64);
  bench.fill();
  float* ones = bench.arena.matrix({x, 0, 1, 0, 64}, 0).data;
  float* sum = bench.arena.matrix({y, 0, 1, 0, 64}, 0).data;
  std::fill_n(ones, 64, 1.0F);
  std::fill_n(sum, 64, 0.0F);
  Op op;
  op.desc = {OpKind::kAdd, 1, 64};
  op.in = {whole(bench.arena, y, 1), whole(bench.arena, x, 1), {}};
  op.out = whole(bench.arena, y, 1);
  Segment segment;
  segment.ops = {op};
  const auto device = open_openvino(timeline, "sizes=1");
  device->attach(bench.arena);
  const auto prepared = device->prepare(segment);
  std::vector<std::unique_ptr<Ticket>> burst;
  for (int i = 0; i < 50; ++i) burst.push_back(device->submit(*prepared, {0}));
  Nanos last{0};
  for (auto& ticket : burst) {
    ticket->block();
    const auto [start, end] = ticket->interval();
    EXPECT_GE(start, last);
    EXPECT_GE(end, start);
    last = end;
  }
  for (const int column : {0, 63}) EXPECT_EQ(sum[column], 50.0F);
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double pages = 0, resident = 0;
  file >> pages >> resident;
  return resident * 4096;
}

TEST(OpenVinoSegment, WeightsStayCompressed) {
  constexpr std::int64_t kSide = 4096;
  RealTimeline timeline;
  for (const auto& [type, precision] : {std::pair{DType::kQ4_0, "f32"}, {DType::kQ4_1, "q8"}, {DType::kQ8_0, "q8"}}) {
    Bench bench;
    const TensorId x = bench.tensor("x", 32, kSide);
    const TensorId y = bench.tensor("y", 32, kSide);
    bench.fill();
    // Zeros are as good as anything here, and are made faster.
    const std::vector<std::byte> zeros(static_cast<std::size_t>(kSide * row_bytes(type, kSide)));
    Segment segment;
    segment.ops = {matmul({zeros.data(), type, kSide, kSide}, whole(bench.arena, x, 32), whole(bench.arena, y, 32))};
    const auto device = open_openvino(timeline, std::string("sizes=32&precision=") + precision);
    device->attach(bench.arena);
    const double before = resident_bytes();
    const auto prepared = device->prepare(segment);
    run(*device, timeline, *prepared, 0);
    const double added = resident_bytes() - before;
    // The graph's constants, and beside them the plugin's copy. Unpacked, that would be 16 bits a weight at least.
    const double constants = static_cast<double>(device->weight_bytes());
    EXPECT_LT(added, constants + 2.0 * kSide * kSide) << info(type).name;

    // The plugin's own report: what its matmul reads.
    const std::string wanted = type == DType::kQ8_0 ? "i8" : "i4";
    bool found = false;
    for (const ov::CompiledModel& model : OpenVinoDevice::compiled(*prepared)) {
      for (const auto& node : model.get_runtime_model()->get_ordered_ops()) {
        const auto property = [](const std::shared_ptr<ov::Node>& of, const char* name) {
          const auto entry = of->get_rt_info().find(name);
          return entry == of->get_rt_info().end() ? std::string() : entry->second.as<std::string>();
        };
        const ov::Shape shape = node->get_output_shape(0);
        const bool as_large = ov::shape_size(shape) >= static_cast<std::size_t>(kSide * kSide);
        const std::string precision_of_node = property(node, "outputPrecisions");
        if (as_large) {
          EXPECT_EQ(precision_of_node, wanted) << node->get_friendly_name() << " holds weights";
        }
        if (property(node, "layerType") != "FullyConnected") continue;
        for (const auto& input : node->input_values()) {
          const auto source = input.get_node_shared_ptr();
          found = found || property(source, "outputPrecisions") == wanted;
        }
      }
    }
    EXPECT_TRUE(found) << info(type).name << ": no matmul reads " << wanted;
  }
}

}  // namespace
}  // namespace hetero::test
