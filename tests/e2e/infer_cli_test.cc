// hetero-infer's modes and what others rely on: the fields of its JSON, the shape of its logits, its seeds, its trace.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/runtime/model/gguf_writer.h"
#include "tests/support/program.h"

namespace hetero::test {
namespace {

using nlohmann::json;

class InferCli : public testing::Test {
 protected:
  InferCli() : model_(folder_.file("tiny.gguf")) {
    TinyLlama t;
    t.vocabulary = Vocabulary::kBytes;
    write_tiny_llama(model_, t);
  }
  Finished infer(std::vector<std::string> arguments, const Surroundings& surroundings = {}) {
    arguments.insert(arguments.begin(), {"-m", model_});
    return run_program(HETERO_INFER, arguments, surroundings);
  }
  json infer_json(std::vector<std::string> arguments) {
    arguments.push_back("--json");
    const Finished run = infer(arguments);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return json::parse(run.out);
  }

  TemporaryFolder folder_;
  std::string model_;
};

TEST_F(InferCli, TokenizeGivesIds) {
  EXPECT_EQ(infer_json({"--tokenize", "Az!"}), json({{"ids", {65, 122, 33}}}));
  EXPECT_EQ(infer_json({"--tokenize", ""}), json({{"ids", json::array()}}));
  EXPECT_EQ(infer({"--tokenize", "Az!"}).out, "65 122 33\n");
}

TEST_F(InferCli, BenchHasTheDocumentedFields) {
  const json rows = infer_json({"--bench", "pp8,tg3", "-r", "2", "--devices", "cpu:0", "--plan", "none"});
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0]["test"], "pp8");
  EXPECT_EQ(rows[1]["test"], "tg3");
  for (const json& row : rows) {
    EXPECT_EQ(row["devices"], json::array({"cpu:0"}));
    EXPECT_EQ(row["plan"], "none");
    EXPECT_EQ(row["emulated"], false);
    EXPECT_GT(row["tok_per_s"]["median"], 0.0);
    EXPECT_GE(row["tok_per_s"]["mad"], 0.0);
    EXPECT_EQ(row["tok_per_s"]["samples"].size(), 2U);
    EXPECT_GT(row["peak_rss_bytes"], 1 << 20);
    EXPECT_EQ(row["model"]["path"], model_);
    EXPECT_GT(row["model"]["params"], 0);
    EXPECT_EQ(row["model"]["bytes"], contents(model_).size());
    EXPECT_TRUE(row["environment"].is_object());
  }
}

TEST_F(InferCli, BenchOnAnEmulatedDeviceSaysSo) {
  const json rows = infer_json({"--bench", "pp32", "-r", "1", "--devices", "sim:test-npu/npu", "--plan", "none"});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["emulated"], true);
}

TEST_F(InferCli, AnAnswerOfADeviceWithoutNumbersIsWarnedOf) {
  const std::vector<std::string> prompt = {"-p", "hello", "-n", "1", "--plan", "none", "--devices"};
  const auto warned = [&](const std::string& device) {
    std::vector<std::string> arguments = prompt;
    arguments.push_back(device);
    const Finished run = infer(arguments);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return run.err.find("means nothing") != std::string::npos;
  };
  EXPECT_TRUE(warned("sim:test-npu/npu"));
  EXPECT_FALSE(warned("sim:test-npu/npu?compute=reference"));
}

TEST_F(InferCli, LogitsAreAnArrayOfTokensByVocabulary) {
  const std::string path = folder_.file("logits.npy");
  const Finished run = infer({"-p", "abcdefg", "--logits-out", path, "--devices", "cpu:0"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string file = contents(path);
  ASSERT_GT(file.size(), 10U);
  EXPECT_EQ(file.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  const std::size_t header =
      static_cast<unsigned char>(file[8]) + 256 * static_cast<std::size_t>(static_cast<unsigned char>(file[9]));
  EXPECT_EQ((10 + header) % 64, 0U);
  EXPECT_NE(file.find("'descr': '<f4'"), std::string::npos);
  EXPECT_NE(file.find("'shape': (7, 288)"), std::string::npos) << file.substr(10, header);
  ASSERT_EQ(file.size(), 10 + header + 7 * 288 * sizeof(float));
  std::vector<float> values(7 * 288);
  std::memcpy(values.data(), file.data() + 10 + header, values.size() * sizeof(float));
  double sum = 0;
  for (const float v : values) {
    ASSERT_TRUE(std::isfinite(v));
    sum += std::fabs(static_cast<double>(v));
  }
  EXPECT_GT(sum, 0);
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"logits.npy", "tiny.gguf"})) << "nothing else is left";
}

TEST_F(InferCli, TheSeedDecidesTheAnswer) {
  const auto ids = [&](const char* seed) {
    return infer_json({"-p", "Once", "-n", "24", "--temperature", "1.5", "--seed", seed, "--devices", "cpu:0"})["ids"];
  };
  const json first = ids("7");
  EXPECT_EQ(first, ids("7"));
  EXPECT_NE(first, ids("8"));
}

TEST_F(InferCli, GreedyNeedsNoSeed) {
  const json answer = infer_json({"-p", "Once", "-n", "6", "--devices", "cpu:0", "--seed", "1"});
  EXPECT_EQ(answer["ids"], infer_json({"-p", "Once", "-n", "6", "--devices", "cpu:0", "--seed", "2"})["ids"]);
  EXPECT_EQ(answer["prompt_tokens"], 4);
  EXPECT_EQ(answer["devices"], json::array({"cpu:0"}));
  EXPECT_TRUE(answer["stop"] == "length" || answer["stop"] == "end_of_turn") << answer;
}

TEST_F(InferCli, GenerationStopsWhereTheContextEnds) {
  const json answer = infer_json(
      {"-p", "0123456789", "-n", "100", "-c", "16", "--temperature", "1", "--seed", "3", "--devices", "cpu:0"});
  EXPECT_LE(answer["ids"].size(), 7U);
  EXPECT_TRUE(answer["stop"] == "context" || answer["stop"] == "end_of_turn") << answer;
}

TEST_F(InferCli, SaysItsVersion) { EXPECT_NE(infer({"--version"}).out.find('.'), std::string::npos); }

TEST_F(InferCli, TheTraceIsJson) {
  const std::string path = folder_.file("trace.json");
  ASSERT_EQ(infer({"-p", "hello", "-n", "3", "--trace", path, "--devices", "cpu:0"}).exit_code, 0);
  const json trace = json::parse(contents(path));
  const json& events = trace.is_array() ? trace : trace.at("traceEvents");
  int complete = 0;
  for (const json& event : events) {
    if (event["ph"] != "X") continue;
    ++complete;
    EXPECT_GE(event["dur"], 0);
  }
  EXPECT_GE(complete, 3) << "at least one segment a step";
}

TEST_F(InferCli, PerplexityOfRandomWeightsIsNearTheVocabulary) {
  const std::string text = folder_.file("text.txt");
  write_file(text, "The quick brown fox jumps over the lazy dog, and the dog does not mind.");
  const json result = infer_json({"--perplexity", text, "--devices", "cpu:0"});
  EXPECT_GT(result["perplexity"], 288.0 / 8);
  EXPECT_LT(result["perplexity"], 288.0 * 8);
  EXPECT_EQ(result["tokens"], 70);
}

TEST_F(InferCli, WithoutAPlanItSaysWhatItDoesAndNamesTheTuner) {
  const Finished run = infer({"-p", "hello", "-n", "1"});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("hetero-tune run --model"), std::string::npos) << run.err;
  EXPECT_EQ(infer({"-p", "hello", "-n", "1", "--quiet"}).err, "");
}

TEST_F(InferCli, OutputMayGoToADevice) {
  EXPECT_EQ(infer({"-p", "ab", "--logits-out", "/dev/null", "--devices", "cpu:0"}).exit_code, 0);
  EXPECT_EQ(infer({"-p", "ab", "-n", "1", "--trace", "/dev/null", "--devices", "cpu:0"}).exit_code, 0);
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/null")) << "it must not be replaced by a file";
}

}  // namespace
}  // namespace hetero::test
