// Three devices at once (processor, OpenCL on another core, an emulated static NPU with numbers), as a user goes about
// it: tuned and gated by one program, and answered, under the tuned plan and under one that divides every block three
// ways, by the other, with a trace that has all of them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "runtime/device/cpu/cpu_provider.h"
#include "runtime/device/device.h"
#include "tests/runtime/model/gguf_writer.h"
#include "tests/support/program.h"

namespace hetero::test {
namespace {

using nlohmann::json;

// On a machine under load measurements are thrown away as they should be: then the same command goes on.
constexpr int kMostRuns = 4;
// As requirement_for(f16) in tests/e2e/answers.h: the NPU rounds to float16, the others compute in float32.
constexpr double kMostKl = 5e-4;
constexpr std::size_t kVocab = 288;
constexpr const char* kPrompt = "three devices and one prompt that fits none of the graphs";

std::vector<float> logits_in(const std::string& path) {
  const std::string file = contents(path);
  if (file.size() < 10) return {};
  const std::size_t header =
      static_cast<unsigned char>(file[8]) + 256 * static_cast<std::size_t>(static_cast<unsigned char>(file[9]));
  std::vector<float> values((file.size() - 10 - header) / sizeof(float));
  std::memcpy(values.data(), file.data() + 10 + header, values.size() * sizeof(float));
  return values;
}

// Mean over rows, in nats.
double kl_divergence(const std::vector<float>& want, const std::vector<float>& got) {
  const auto log_sum = [](const float* row) {
    double most = row[0];
    for (std::size_t i = 1; i < kVocab; ++i) most = std::max(most, static_cast<double>(row[i]));
    double sum = 0;
    for (std::size_t i = 0; i < kVocab; ++i) sum += std::exp(static_cast<double>(row[i]) - most);
    return most + std::log(sum);
  };
  double total = 0;
  for (std::size_t at = 0; at < want.size(); at += kVocab) {
    const double p_sum = log_sum(&want[at]);
    const double q_sum = log_sum(&got[at]);
    for (std::size_t i = at; i < at + kVocab; ++i) {
      const double p = static_cast<double>(want[i]) - p_sum;
      total += std::exp(p) * (p - (static_cast<double>(got[i]) - q_sum));
    }
  }
  return total / (static_cast<double>(want.size()) / static_cast<double>(kVocab));
}

TEST(ThreeDevices, AreTunedGatedCorrectAndTraced) {
  if (all_cores().size() < 2) GTEST_SKIP() << "one core only";
  const std::string first = std::to_string(all_cores().front());
  const std::string last = std::to_string(all_cores().back());
  const std::vector<std::string> ids = {"cpu:" + first, "opencl:0@" + last, "sim:test-npu/npu"};
  const bool opencl = [&] {
    for (const DeviceDescription& d : discover_devices()) {
      if (d.id == "opencl:0" && d.usable && d.cores.size() > 1) return true;
    }
    return false;
  }();
  if (!opencl) GTEST_SKIP() << "no OpenCL device that stands on cores";
  const std::string devices = ids[0] + "?precision=f32," + ids[1] + "?precision=f32," + ids[2] + "?compute=reference";

  const TemporaryFolder folder;
  const std::string model = folder.file("tiny.gguf");
  TinyLlama tiny;
  tiny.layers = 2;
  tiny.width = 256;
  tiny.ffn_width = 512;
  tiny.heads = 8;
  tiny.kv_heads = 4;
  tiny.head_dim = 32;
  tiny.weights = DType::kQ8_0;
  tiny.head = DType::kQ8_0;
  tiny.vocabulary = Vocabulary::kBytes;
  write_tiny_llama(model, tiny);
  const std::string db = folder.file("profiles.db");

  Finished tuned;
  for (int run = 0; run < kMostRuns && tuned.exit_code != 0; ++run) {
    tuned = run_program(HETERO_TUNE, {"run", "-q", "--json", "--model", model, "--devices", devices, "--db", db,
                                      "--budget", "20s", "--rounds", "2"});
  }
  ASSERT_EQ(tuned.exit_code, 0) << tuned.err;
  json plan = json::parse(tuned.out)["plan"];
  EXPECT_EQ(std::set<std::string>(plan["devices"].begin(), plan["devices"].end()),
            std::set<std::string>(ids.begin(), ids.end()));
  int judged = 0;
  for (const json& bucket : plan["buckets"]) judged += bucket.contains("verdict") ? 1 : 0;
  EXPECT_GT(judged, 0) << plan.dump(1);

  const auto logits = [&](const std::string& on, const std::string& under) {
    const std::string path = folder.file("logits.npy");
    std::vector<std::string> arguments = {"-m", model,       "-p", kPrompt, "--logits-out",
                                          path, "--devices", on,   "--db",  db};
    arguments.insert(arguments.end(), {"--plan", under});
    const Finished run = run_program(HETERO_INFER, arguments);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return logits_in(path);
  };
  const std::vector<float> want = logits(ids[0] + "?kernels=reference&precision=f32", "none");
  ASSERT_EQ(want.size(), std::strlen(kPrompt) * kVocab);
  const std::vector<float> tuned_logits = logits(devices, "auto");
  ASSERT_EQ(tuned_logits.size(), want.size());
  EXPECT_LT(kl_divergence(want, tuned_logits), kMostKl);

  // Whatever the gate has adopted: every block on all three.
  for (json& bucket : plan["buckets"]) {
    bucket.erase("verdict");
    for (json& block : bucket["blocks"]) {
      block.erase("rows");
      block["strategy"] = "rows";
      block["features"] = {{{"device", ids[2]}, {"fraction", 0.25}},
                           {{"device", ids[0]}, {"fraction", 0.5}},
                           {{"device", ids[1]}, {"fraction", 0.25}}};
    }
  }
  const std::string divided = folder.file("divided.json");
  write_file(divided, plan.dump());
  const std::vector<float> divided_logits = logits(devices, divided);
  ASSERT_EQ(divided_logits.size(), want.size());
  EXPECT_LT(kl_divergence(want, divided_logits), kMostKl);

  const std::string trace = folder.file("trace.json");
  const Finished traced = run_program(
      HETERO_INFER, {"-m", model, "-p", kPrompt, "-n", "3", "--devices", devices, "--plan", divided, "--trace", trace});
  ASSERT_EQ(traced.exit_code, 0) << traced.err;
  const std::string events = contents(trace);
  for (const std::string& id : ids) EXPECT_NE(events.find(id), std::string::npos) << id;
}

}  // namespace
}  // namespace hetero::test
