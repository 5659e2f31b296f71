// hetero-infer: runs a GGUF model under a tuned plan. This file is the command line; the modes are beside it.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <limits>
#include <new>

#include "base/error.h"
#include "base/log.h"
#include "runtime/apps/infer_setup.h"

namespace hetero {
namespace {

constexpr std::int64_t kMaxCount = 1 << 20;

// An empty name is a slip (an unset shell variable), not a wish for the default.
CLI::Validator a_name() {
  return CLI::Validator([](std::string& text) { return std::string(text.empty() ? "needs a name" : ""); }, "");
}

void add_flags(CLI::App& app, InferFlags& flags) {
  app.add_option("-m,--model", flags.model, "GGUF file")->check(a_name());
  app.add_option("-p,--prompt", flags.prompt, "what to answer");
  app.add_option("--system", flags.system, "system message");
  app.add_flag_callback(
      "--raw", [&] { flags.chat = InferFlags::Chat::kRaw; }, "continue the prompt, no chat template");
  app.add_option("-n,--predict", flags.predict, "most tokens to generate")
      ->check(CLI::Range(std::int64_t{1}, kMaxCount));
  app.add_option("-c,--context", flags.context, "rows of the KV cache (default: the model's, at most 4096)")
      ->check(CLI::Range(std::int64_t{1}, kMaxCount));

  app.add_option("--devices", flags.devices, "devices, separated by commas; 'hetero-tune devices' lists them")
      ->group("Devices and plan");
  app.add_option("--plan", flags.plan, "auto: the tuned plan; none: the best guess; or a plan file")
      ->check(a_name())
      ->group("Devices and plan");
  app.add_option("--db", flags.database, "profile database")->check(a_name())->group("Devices and plan");
  app.add_option("--precision", flags.precision, "f32: float activations; q8: 8-bit activations where faster")
      ->check(CLI::IsMember({"f32", "q8"}))
      ->group("Devices and plan");
  app.add_option("--trace", flags.trace, "write a Chrome/Perfetto trace here")
      ->check(a_name())
      ->group("Devices and plan");

  app.add_option("--temperature", flags.sampling.temperature, "0: always the likeliest")->group("Sampling");
  app.add_option("--top-k", flags.sampling.top_k, "0: all")->group("Sampling");
  app.add_option("--top-p", flags.sampling.top_p, "1: all")->group("Sampling");
  app.add_option("--min-p", flags.sampling.min_p, "0: all")->group("Sampling");
  app.add_option_function<std::int64_t>(
         "--seed", [&](std::int64_t seed) { flags.sampling.seed = static_cast<std::uint64_t>(seed); },
         "of the random choice")
      ->check(CLI::Range(std::int64_t{0}, std::numeric_limits<std::int64_t>::max()))
      ->group("Sampling");

  app.add_option("--bench", flags.bench, "measure rates, for example pp512,tg128")->group("Other modes");
  app.add_option("-r,--repetitions", flags.repetitions, "of --bench")->check(CLI::Range(1, 1000))->group("Other modes");
  app.add_flag_callback(
         "--with-singles", [&] { flags.singles = InferFlags::Singles::kInterleaved; },
         "--bench: each device alone too, interleaved")
      ->group("Other modes");
  app.add_option("--against", flags.against, "--bench: plan files, separated by commas, that take turns with the plan")
      ->delimiter(',')
      ->check(a_name())
      ->group("Other modes");
  app.add_option("--logits-out", flags.logits_out, "write the logits of the prompt's tokens (.npy)")
      ->check(a_name())
      ->group("Other modes");
  app.add_option("--tokenize", flags.tokenize, "print the token ids of a text")->group("Other modes");
  app.add_option("--perplexity", flags.perplexity, "of a text file")->check(a_name())->group("Other modes");
  app.add_flag_callback(
      "--json", [&] { flags.output = InferFlags::Output::kJson; }, "print JSON");
  app.add_flag_callback(
      "-q,--quiet", [] { set_verbosity(Verbosity::kQuiet); }, "no talk on stderr");
  app.add_flag_callback(
      "-v,--verbose", [] { set_verbosity(Verbosity::kVerbose); }, "more talk on stderr");
}

int dispatch(const InferFlags& flags, const CLI::App& app) {
  int modes = 0;
  for (const char* mode : {"--bench", "--logits-out", "--tokenize", "--perplexity"})
    modes += app.count(mode) > 0 ? 1 : 0;
  if (modes > 1) throw usage_error("--bench, --logits-out, --tokenize and --perplexity exclude each other");
  if (app.count("--tokenize") > 0) return run_tokenize(flags);
  if (app.count("--bench") > 0) return run_bench(flags);
  if (app.count("--logits-out") > 0) return run_logits(flags);
  if (app.count("--perplexity") > 0) return run_perplexity(flags);
  if (app.count("--prompt") == 0) throw usage_error("nothing to do", "give --prompt TEXT or see --help");
  return run_generate(flags);
}

// What was printed may still lie in a buffer: data that does not arrive is a failure.
void finish_stdout() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
    throw environment_error("cannot write to stdout", "check the free space or the pipe");
  }
}

int fail(ExitCode code, const std::string& message) {
  std::fprintf(stderr, "error: %s\n", message.c_str());
  return static_cast<int>(code);
}

int run(int argc, char** argv) {
  CLI::App app("Runs a language model on the CPU, GPU and NPU together, divided as hetero-tune found best.");
  app.get_formatter()->column_width(34);
  app.set_version_flag("--version", HETERO_VERSION);
  InferFlags flags;
  add_flags(app, flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& request) {  // --help, --version
    return app.exit(request);
  } catch (const CLI::ParseError& error) {
    return fail(ExitCode::kUsage, std::string(error.what()) + "; see hetero-infer --help");
  }
  try {
    const int code = dispatch(flags, app);
    finish_stdout();
    return code;
  } catch (const Error& error) {
    return fail(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kEnvironment, "out of memory; use a smaller model, --context or fewer devices");
  } catch (const std::exception& error) {
    return fail(ExitCode::kEnvironment, error.what());
  }
}

}  // namespace
}  // namespace hetero

int main(int argc, char** argv) { return hetero::run(argc, argv); }
