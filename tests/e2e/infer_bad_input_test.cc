// Bad input to hetero-infer: one line on stderr that says what to do, the documented exit code, nothing written,
// no crash. The readers have exhaustive tests of their own; this is what their users see.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "profiles/plan.h"
#include "tests/runtime/model/gguf_writer.h"
#include "tests/support/program.h"

namespace hetero::test {
namespace {

constexpr int kUsage = 2;
constexpr int kEnvironment = 3;
constexpr int kUnusable = 4;

TinyLlama tiny() {
  TinyLlama t;
  t.vocabulary = Vocabulary::kBytes;
  return t;
}

class BadInput : public testing::Test {
 protected:
  BadInput() : model_(folder_.file("tiny.gguf")) { write_tiny_llama(model_, tiny()); }

  // `hint` is part of what the line must say.
  void expect_refusal(int code, const std::string& hint, const std::vector<std::string>& arguments,
                      const Surroundings& surroundings = {}) {
    const std::vector<std::string> before = folder_.names();
    const Finished run = run_program(HETERO_INFER, arguments, surroundings);
    std::string line = "hetero-infer";
    for (const std::string& argument : arguments) line += " '" + argument + "'";
    SCOPED_TRACE(line + "\nstderr: " + run.err);
    EXPECT_EQ(run.signal, 0);
    EXPECT_EQ(run.exit_code, code);
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1) << "one line";
    EXPECT_TRUE(run.err.starts_with("error: "));
    EXPECT_NE(run.err.find(hint), std::string::npos) << "must say: " << hint;
    EXPECT_EQ(folder_.names(), before) << "no file may appear or go";
  }
  // A run of the good model, that fails because of the arguments given.
  void expect_refused_run(int code, const std::string& hint, std::vector<std::string> arguments,
                          const Surroundings& surroundings = {}) {
    arguments.insert(arguments.begin(), {"-m", model_, "-p", "hi", "-n", "2"});
    expect_refusal(code, hint, arguments, surroundings);
  }
  void expect_refused_model(const std::string& bytes, const std::string& hint) {
    const std::string path = folder_.file("bad.gguf");
    write_file(path, bytes);
    expect_refusal(kUnusable, hint, {"-m", path, "-p", "hi", "--devices", "cpu:0"});
    EXPECT_EQ(contents(path), bytes) << "the model was changed";
  }
  std::string plan_file(const std::string& text) {
    const std::string path = folder_.file("plan.json");
    write_file(path, text);
    return path;
  }

  TemporaryFolder folder_;
  std::string model_;
};

TEST_F(BadInput, ModelsThatAreNone) {
  expect_refusal(kEnvironment, "no.gguf", {"-m", folder_.file("no.gguf"), "-p", "hi"});
  expect_refusal(kEnvironment, "", {"-m", folder_.file("."), "-p", "hi"});
  expect_refusal(kUsage, "--model", {"-p", "hi"});
  expect_refused_model("", "empty");
  expect_refused_model("GGUF", "again");
  expect_refused_model("<!DOCTYPE html><html>Not found</html>", "not a GGUF");
  GgufWriter other = tiny_llama(tiny());
  other.magic = "GGML";
  expect_refused_model(other.finish(), "not a GGUF");
  GgufWriter old = tiny_llama(tiny());
  old.version = 1;
  expect_refused_model(old.finish(), "version");
}

TEST_F(BadInput, TruncatedModels) {
  const std::string whole = contents(model_);
  for (const double part : {0.001, 0.01, 0.1, 0.5, 0.9, 0.999}) {
    expect_refused_model(whole.substr(0, static_cast<std::size_t>(part * static_cast<double>(whole.size()))), "");
  }
}

TEST_F(BadInput, CorruptModelsNeverCrash) {
  // Flipped bytes in the header may leave a model that runs, so only the manner of failing is fixed.
  const std::string whole = contents(model_);
  const std::string path = folder_.file("bad.gguf");
  Rng rng(5);
  for (int trial = 0; trial < 60; ++trial) {
    std::string bytes = whole;
    for (int flips = 0; flips < 4; ++flips) bytes[rng.below(6000)] ^= static_cast<char>(1 + rng.below(255));
    write_file(path, bytes);
    const Finished run =
        run_program(HETERO_INFER, {"-m", path, "-p", "hi", "-n", "2", "--devices", "cpu:0", "--plan", "none", "-q"});
    SCOPED_TRACE("seed 5, trial " + std::to_string(trial) + "\nstderr: " + run.err);
    EXPECT_EQ(run.signal, 0);
    if (run.exit_code == 0) continue;
    EXPECT_TRUE(run.exit_code == kUnusable || run.exit_code == kUsage) << run.exit_code;
    EXPECT_TRUE(run.err.starts_with("error: "));
    EXPECT_EQ(std::count(run.err.begin(), run.err.end(), '\n'), 1);
  }
}

TEST_F(BadInput, ModelsOfAnUnknownKind) {
  std::string bytes = contents(model_);
  const std::size_t name = bytes.find("general.architecture");
  bytes.replace(bytes.find("llama", name), 5, "mamba");
  expect_refused_model(bytes, "mamba");

  GgufWriter iq2;
  iq2.add_text("general.architecture", "llama");
  iq2.add_tensor("token_embd.weight", 16, {256, 4}, std::string(264, '\0'));  // IQ2_XXS
  expect_refused_model(iq2.finish(), "token_embd.weight");
}

TEST_F(BadInput, TensorSizesThatOverflow) {
  for (const std::vector<std::uint64_t>& dims : std::vector<std::vector<std::uint64_t>>{
           {1ULL << 62, 1ULL << 62}, {~0ULL, 2}, {1ULL << 32, 1ULL << 31}, {0, 4}, {64, 1ULL << 61}}) {
    GgufWriter writer;
    writer.add_text("general.architecture", "llama");
    writer.add_tensor("token_embd.weight", 0, dims, std::string(64, '\0'));
    expect_refused_model(writer.finish(), "token_embd.weight");
  }
}

TEST_F(BadInput, Plans) {
  Plan plan = single_device_plan("cpu:0", "file");
  expect_refused_run(kEnvironment, "no.json", {"--plan", folder_.file("no.json")});
  expect_refused_run(kUnusable, "", {"--plan", plan_file("This is a letter.")});
  expect_refused_run(kUnusable, "", {"--plan", plan_file("{}")});
  expect_refused_run(kUnusable, "", {"--plan", plan_file(to_json(plan).substr(0, 100))});
  expect_refused_run(kUnusable, "", {"--plan", plan_file(std::string(3, '\xff'))});
  expect_refused_run(kUnusable, "", {"--plan", plan_file(std::string(100000, '['))});

  Plan other = plan;
  other.model_fingerprint = "of-another-model";
  expect_refused_run(kUnusable, "another shape", {"--plan", plan_file(to_json(other))});

  expect_refused_run(kEnvironment, "opencl:77",
                     {"--plan", plan_file(to_json(single_device_plan("opencl:77", "file")))});
  expect_refused_run(kUnusable, "opencl:77",
                     {"--devices", "cpu:0", "--plan", plan_file(to_json(single_device_plan("opencl:77", "file")))});

  nlohmann::json wrong = nlohmann::json::parse(to_json(plan));
  wrong["buckets"][0]["blocks"][0]["features"][0]["fraction"] = 0.75;
  expect_refused_run(kUnusable, "add up", {"--plan", plan_file(wrong.dump())});
  wrong["buckets"][0]["blocks"][0]["features"][0]["fraction"] = -1;
  expect_refused_run(kUnusable, "share", {"--plan", plan_file(wrong.dump())});
}

TEST_F(BadInput, APlanMadeOnAnotherDeviceIsUsedWithAWarning) {
  Plan plan = single_device_plan("cpu:0", "file");
  plan.device_fingerprints["cpu:0"] = "of another machine";
  const Finished run =
      run_program(HETERO_INFER, {"-m", model_, "-p", "hi", "-n", "2", "--plan", plan_file(to_json(plan))});
  EXPECT_EQ(run.exit_code, 0) << run.err;
  EXPECT_NE(run.err.find("warning: plan"), std::string::npos) << run.err;
}

TEST_F(BadInput, APlanFileIsReadOnly) {
  const std::string path = plan_file(to_json(single_device_plan("cpu:0", "file")));
  const std::string before = contents(path);
  EXPECT_EQ(run_program(HETERO_INFER, {"-m", model_, "-p", "hi", "-n", "2", "--plan", path}).exit_code, 0);
  EXPECT_EQ(contents(path), before);
}

TEST_F(BadInput, Databases) {
  expect_refused_run(kEnvironment, "hetero-tune run", {"--db", folder_.file("no.db")});
  const std::string path = folder_.file("letter.db");
  for (const std::string& text : {std::string("Dear Sir or Madam, this is no database but a letter of some length.\n"),
                                  std::string("SQLite format 3\0 and then nothing that makes sense", 50)}) {
    write_file(path, text);
    expect_refused_run(kUnusable, "letter.db", {"--db", path});
    EXPECT_EQ(contents(path), text) << "the file was changed";
  }
  expect_refused_run(kUnusable, "", {"--db", folder_.file(".")});
}

TEST_F(BadInput, FullDisk) {
  const std::vector<std::string> good = {"--devices", "cpu:0", "--plan", "none", "-q"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), good.begin(), good.end());
    return more;
  };
  const std::string logits = folder_.file("logits.npy");
  const std::string trace = folder_.file("trace.json");
  for (const std::string& path : {logits, trace}) write_file(path, "an earlier result");
  const Surroundings full = {{}, 1000, ""};
  expect_refused_run(kEnvironment, "space", with({"--logits-out", logits}), full);
  expect_refused_run(kEnvironment, "space", with({"--trace", trace}), full);
  for (const std::string& path : {logits, trace}) EXPECT_EQ(contents(path), "an earlier result");

  expect_refused_run(kEnvironment, "space", with({"--logits-out", "/dev/full"}));
  expect_refused_run(kEnvironment, "space", with({"--trace", "/dev/full"}));
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full")) << "it must not be replaced by a file";
  expect_refused_run(kEnvironment, "folder", with({"--logits-out", folder_.file("no/such/folder.npy")}));
  expect_refused_run(kEnvironment, "folder", with({"--trace", folder_.file("no/such/folder.json")}));

  const Surroundings no_stdout = {{}, {}, "/dev/full"};
  expect_refused_run(kEnvironment, "stdout", good, no_stdout);
  expect_refused_run(kEnvironment, "stdout", with({"--json"}), no_stdout);
  expect_refused_run(kEnvironment, "stdout", with({"--tokenize", "abc"}), no_stdout);
  for (const char* form : {"--json", "--quiet"}) {
    const Finished run = run_program(
        HETERO_INFER, {"-m", model_, "--bench", "pp4", "-r", "1", "--devices", "cpu:0", "--plan", "none", form},
        no_stdout);
    EXPECT_EQ(run.exit_code, kEnvironment) << run.err;  // progress may stand before the error
    EXPECT_NE(run.err.find("error: cannot write to stdout"), std::string::npos) << run.err;
  }
}

TEST_F(BadInput, Devices) {
  const Surroundings no_opencl = {{"OCL_ICD_VENDORS=/nonexistent"}, {}, ""};
  expect_refused_run(kEnvironment, "install", {"--devices", "opencl:0"}, no_opencl);
  expect_refused_run(kEnvironment, "install", {"--devices", "cpu:0,opencl:0@1"}, no_opencl);
  expect_refused_run(kEnvironment, "opencl:77", {"--devices", "opencl:77"});
  expect_refused_run(kEnvironment, "99", {"--devices", "cpu:99"});
  expect_refused_run(kUsage, "core", {"--devices", "cpu:x"});
  expect_refused_run(kUsage, "core", {"--devices", "cpu:3-1"});
  expect_refused_run(kUsage, "core", {"--devices", "cpu:0,opencl:0@0"});
  expect_refused_run(kUsage, "twice", {"--devices", "cpu:0,cpu:0"});
  expect_refused_run(kUsage, "", {"--devices", "cpu:0,"});
  expect_refused_run(kUsage, "", {"--devices", ","});
  expect_refused_run(kUsage, "", {"--devices", "cpu:0?nonsense=1"});
  expect_refused_run(kUsage, "", {"--devices", "cpu:0?nonsense"});
  expect_refused_run(kUsage, "", {"--devices", "cpu:0?precision=q2"});
  expect_refused_run(kEnvironment, "abacus", {"--devices", "abacus:0"});
  expect_refused_run(kEnvironment, "no-such-phone", {"--devices", "sim:no-such-phone/npu"});
  expect_refused_run(kEnvironment, "no-such-part", {"--devices", "sim:test-npu/no-such-part"});
  // The empty text means the same as no flag: the best guess.
  EXPECT_EQ(run_program(HETERO_INFER, {"-m", model_, "-p", "hi", "-n", "1", "--devices", ""}).exit_code, 0);
}

TEST_F(BadInput, WithoutOpenClTheCpuStillAnswers) {
  const Finished run = run_program(HETERO_INFER, {"-m", model_, "-p", "hi", "-n", "1", "--quiet"},
                                   {{"OCL_ICD_VENDORS=/nonexistent"}, {}, ""});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(BadInput, WithoutAHomeFolderAPlanIsNotNeeded) {
  const Finished run = run_program(HETERO_INFER, {"-m", model_, "-p", "hi", "-n", "1", "--plan", "none"},
                                   {{"HOME=", "XDG_DATA_HOME="}, {}, ""});
  EXPECT_EQ(run.exit_code, 0) << run.err;
}

TEST_F(BadInput, Flags) {
  expect_refusal(kUsage, "--help", {});
  expect_refusal(kUsage, "--prompt", {"-m", model_});
  expect_refusal(kUsage, "--help", {"-m", model_, "-p", "hi", "--nonsense"});
  expect_refusal(kUsage, "--help", {"-m", model_, "-p", "hi", "stray"});
  expect_refusal(kUsage, "--help", {"-m"});
  for (const std::vector<std::string>& flags :
       std::vector<std::vector<std::string>>{{"-n", "0"},
                                             {"-n", "-1"},
                                             {"-n", "99999999999999999999"},
                                             {"-n", "x"},
                                             {"-c", "0"},
                                             {"-c", "-5"},
                                             {"-c", "1000000"},
                                             {"-r", "0"},
                                             {"--top-p", "0"},
                                             {"--top-p", "1.5"},
                                             {"--top-p", "nan"},
                                             {"--min-p", "2"},
                                             {"--top-k", "-1"},
                                             {"--temperature", "-1"},
                                             {"--temperature", "nan"},
                                             {"--temperature", "inf"},
                                             {"--seed", "-1"},
                                             {"--precision", "q2"},
                                             {"--bench", ""},
                                             {"--bench", "pp"},
                                             {"--bench", "pp0"},
                                             {"--bench", "tg-4"},
                                             {"--bench", "pp8,"},
                                             {"--bench", "xx8"},
                                             {"--bench", "pp99999999999999999999"},
                                             {"--bench", "pp8", "--tokenize", "a"},
                                             {"--trace", ""},
                                             {"--plan", ""},
                                             {"--logits-out", ""},
                                             {"--perplexity", ""}}) {
    std::vector<std::string> arguments = {"-m", model_, "-p", "hi", "--devices", "cpu:0"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const std::map<std::string, std::string> long_names = {
        {"-n", "--predict"}, {"-c", "--context"}, {"-r", "--repetitions"}};
    const auto name = long_names.find(flags[0]);
    expect_refusal(kUsage, name == long_names.end() ? flags[0] : name->second, arguments);
  }
}

TEST_F(BadInput, Prompts) {
  expect_refusal(kUsage, "context", {"-m", model_, "-p", std::string(256, 'x'), "--devices", "cpu:0"});
  expect_refusal(kUsage, "--context", {"-m", model_, "-p", std::string(64, 'x'), "-c", "32", "--devices", "cpu:0"});
  expect_refusal(
      kUsage, "context",
      {"-m", model_, "-p", std::string(257, 'x'), "--logits-out", folder_.file("l.npy"), "--devices", "cpu:0"});
  expect_refusal(kUsage, "--prompt", {"-m", model_, "-p", "", "--devices", "cpu:0"});
  expect_refusal(kEnvironment, "no.txt", {"-m", model_, "--perplexity", folder_.file("no.txt")});
  write_file(folder_.file("one.txt"), "x");
  expect_refusal(kUsage, "two tokens", {"-m", model_, "--perplexity", folder_.file("one.txt"), "--devices", "cpu:0"});
}

TEST_F(BadInput, AModelWithoutVocabularyCannotAnswer) {
  TinyLlama t = tiny();
  t.vocabulary = Vocabulary::kNone;
  write_tiny_llama(model_, t);
  expect_refused_run(kUnusable, "vocabulary", {});
  EXPECT_EQ(run_program(HETERO_INFER, {"-m", model_, "--bench", "pp4", "-r", "1", "--devices", "cpu:0"}).exit_code, 0);
}

}  // namespace
}  // namespace hetero::test
