// The picture of a timeline: the right layer, the right letters, never wider than 100 columns.
#include <gtest/gtest.h>

#include <sstream>

#include "tuner/apps/simulate_lanes.h"

namespace hetero {
namespace {

Span span(const std::string& device, const std::string& label, double start_ns, double end_ns) {
  Span s;
  s.device = device;
  s.label = label;
  s.start_ns = start_ns;
  s.end_ns = end_ns;
  return s;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

const std::vector<std::string> kDevices = {"sim:soc/gpu", "sim:soc/npu"};

TEST(Lanes, NothingGivesNothing) { EXPECT_EQ(lanes_text({}, kDevices), ""); }

TEST(Lanes, AStepOfFewSegmentsIsDrawnWhole) {
  const std::string text = lanes_text(
      {span("sim:soc/gpu", "L0 attention_in", 0, 390), span("sim:soc/npu", "L0 ffn_in", 390, 780)}, kDevices);
  const std::vector<std::string> lines = lines_of(text);
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0], "the step, 780 ns, 10.0 ns a column");
  EXPECT_EQ(lines[1], "  gpu        |" + std::string(39, 'q') + std::string(39, '.') + "|  50 %");
  EXPECT_EQ(lines[2], "  npu        |" + std::string(39, '.') + std::string(39, 'f') + "|  50 %");
}

TEST(Lanes, OfManyLayersTheMiddleOneIsDrawn) {
  std::vector<Span> spans;
  for (int layer = 0; layer < 8; ++layer) {
    const std::string l = "L" + std::to_string(layer) + " ";
    const double begin = 1000.0 * layer;
    spans.push_back(span("sim:soc/npu", l + "attention_in", begin, begin + 500));
    spans.push_back(span("sim:soc/gpu", l + "ffn_out", begin + 500, begin + 1000));
  }
  spans.push_back(span("sim:soc/gpu", "head", 8000, 9000));
  const std::vector<std::string> lines = lines_of(lanes_text(spans, kDevices));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[0].rfind("layer 4 of the step, 1.00 us", 0), 0U) << lines[0];
  EXPECT_EQ(lines[1], "  gpu        |" + std::string(39, '.') + std::string(39, 'd') + "|  50 %");
  EXPECT_EQ(lines[2], "  npu        |" + std::string(39, 'q') + std::string(39, '.') + "|  50 %");
}

TEST(Lanes, FitAHundredColumns) {
  const std::string device = "sim:soc/a-device-with-a-very-long-name";
  for (const std::string& line : lines_of(lanes_text({span(device, "L0 ffn_in", 0, 1)}, {device}))) {
    EXPECT_LE(line.size(), 100U) << line;
  }
}

TEST(Lanes, AColumnBelongsToWhoTakesMostOfIt) {
  const std::vector<std::string> lines = lines_of(
      lanes_text({span("g", "L0 ffn_in", 0, 4), span("g", "L0 ffn_out", 4, 10), span("g", "head", 774, 780)}, {"g"}));
  ASSERT_EQ(lines.size(), 2U);
  const std::string lane = lines[1].substr(lines[1].find('|') + 1, 78);
  EXPECT_EQ(lane, "d" + std::string(76, '.') + "h");
}

}  // namespace
}  // namespace hetero
