// hetero-infer --bench: prefill and decode rates of the plan and, interleaved in the same run, of each device alone.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/file.h"
#include "base/machine.h"
#include "base/progress.h"
#include "base/rng.h"
#include "base/statistics.h"
#include "runtime/apps/infer_setup.h"

namespace hetero {
namespace {

struct Test {
  std::string name;  // "pp512"
  bool prefill = true;
  std::int64_t tokens = 0;
};

std::vector<Test> parse_tests(const std::string& text) {
  std::vector<Test> tests;
  std::size_t begin = 0;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    Test test{text.substr(begin, end - begin), true, 0};
    begin = end + 1;
    const std::string_view name = test.name;
    const std::string_view digits = name.substr(std::min<std::size_t>(2, name.size()));
    const auto [stop, status] = std::from_chars(digits.data(), digits.data() + digits.size(), test.tokens);
    const bool known = name.starts_with("pp") || name.starts_with("tg");
    if (!known || status != std::errc() || stop != digits.data() + digits.size() || test.tokens < 1 ||
        test.tokens > 1000000) {
      throw usage_error("'" + test.name + "' is not a test", "write ppN or tgN, for example --bench pp512,tg128");
    }
    test.prefill = name.starts_with("pp");
    tests.push_back(test);
  }
  return tests;
}

struct Contender {
  Plan plan;
  std::string source;  // "tuned", "single", ...
  std::vector<std::string> devices;
  std::vector<std::vector<double>> tok_per_s;  // by test
};

double run_test(const Test& test, Engine& engine, Timeline& timeline, const std::vector<TokenId>& tokens) {
  engine.reset();
  const auto count = static_cast<std::size_t>(test.tokens);
  const Nanos start = timeline.now();
  if (test.prefill) {
    engine.run(std::span(tokens).first(count), LogitsRows::kLast);
  } else {
    for (std::size_t i = 0; i < count; ++i) engine.run(std::span(tokens).subspan(i, 1), LogitsRows::kLast);
  }
  return static_cast<double>(test.tokens) / to_ns(timeline.now() - start) * 1e9;
}

nlohmann::ordered_json environment_json() {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  double load[1] = {0};
  getloadavg(load, 1);
  return {{"host", host},
          {"cpu", cpu_name()},
          {"cores", sysconf(_SC_NPROCESSORS_ONLN)},
          {"load_average", load[0]},
          {"date", utc_now()}};
}

std::int64_t peak_rss_bytes() {
  rusage usage = {};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<std::int64_t>(usage.ru_maxrss) * 1024;
}

// Multiplications and additions of the layers' matmuls for one token; the head works on a prompt's last one only.
double ops_per_token(const ModelShape& shape) {
  double ops = 0;
  for (int layer = 0; layer < shape.layers; ++layer) {
    for (const BlockKind kind :
         {BlockKind::kAttentionIn, BlockKind::kAttentionOut, BlockKind::kFfnIn, BlockKind::kFfnOut}) {
      for (const OpDesc& op : block_ops(shape, kind, layer, 1, 1)) {
        if (op.kind == OpKind::kMatmul) ops += flops(op);
      }
    }
  }
  return ops;
}

void print_table(const nlohmann::ordered_json& rows, bool emulated) {
  std::printf("%-8s %-28s %-7s %10s %8s\n", "test", "devices", "plan", "tok/s", "+- MAD");
  for (const auto& row : rows) {
    std::string devices;
    for (const auto& id : row["devices"]) devices += (devices.empty() ? "" : "+") + id.get<std::string>();
    std::printf("%-8s %-28s %-7s %10.1f %8.1f%s\n", row["test"].get<std::string>().c_str(), devices.c_str(),
                row["plan"].get<std::string>().c_str(), row["tok_per_s"]["median"].get<double>(),
                row["tok_per_s"]["mad"].get<double>(), emulated ? "  (emulated)" : "");
  }
}

}  // namespace

int run_bench(const InferFlags& flags) {
  const std::vector<Test> tests = parse_tests(flags.bench);
  std::int64_t longest = 0;
  std::int64_t longest_prefill = 1;
  for (const Test& test : tests) {
    longest = std::max(longest, test.tokens);
    if (test.prefill) longest_prefill = std::max(longest_prefill, test.tokens);
  }
  if (flags.context > 0 && longest > flags.context) {
    throw usage_error("the longest test has " + std::to_string(longest) + " tokens, --context is " +
                      std::to_string(flags.context));
  }
  std::optional<OutputFile> trace_file;  // opened before anything is measured: what cannot be written loses nothing
  if (!flags.trace.empty()) trace_file.emplace(flags.trace);
  InferSetup setup = set_up(flags, load_model(flags), std::max(longest, flags.context), 1,
                            std::min<std::int64_t>(longest_prefill, 1024));

  std::vector<Contender> contenders;
  contenders.push_back({setup.plan, std::string(name_of(setup.source)), setup.device_ids(), {}});
  if (flags.singles == InferFlags::Singles::kInterleaved && setup.devices.size() > 1) {
    for (const std::string& id : setup.device_ids()) {
      contenders.push_back({single_device_plan(id, "single"), "single", {id}, {}});
    }
  }
  for (const std::string& file : flags.against) {
    contenders.push_back({plan_from_json(read_file(file)), file, setup.device_ids(), {}});
  }
  Rng rng(1);
  std::vector<TokenId> tokens;
  const auto vocab = static_cast<std::uint64_t>(setup.model->graph().vocab);
  for (std::int64_t i = 0; i < longest; ++i) tokens.push_back(static_cast<TokenId>(rng.below(vocab)));

  Trace trace;
  trace.simulated = setup.emulated;
  trace.devices = setup.device_ids();
  Progress progress("bench");
  const int rounds = flags.repetitions + 1;  // the first is the warm-up: packing, compiling, caches
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t turn = 0; turn < contenders.size(); ++turn) {
      const std::size_t c = round % 2 == 0 ? turn : contenders.size() - 1 - turn;  // a drift hits all alike
      Contender& contender = contenders[c];
      contender.tok_per_s.resize(tests.size());
      setup.engine->set_plan(contender.plan);
      for (std::size_t t = 0; t < tests.size(); ++t) {
        const double done =
            (static_cast<double>(round) * static_cast<double>(contenders.size()) + static_cast<double>(turn)) /
            static_cast<double>(contenders.size()) / rounds;
        progress.update(done, tests[t].name + " on " + contender.devices[0], -1);
        setup.engine->warm_up(tests[t].prefill ? tests[t].tokens : 1, LogitsRows::kLast);
        const bool traced = !flags.trace.empty() && round == rounds - 1 && c == 0;
        setup.engine->set_trace(traced ? &trace : nullptr);
        const double rate = run_test(tests[t], *setup.engine, *setup.timeline, tokens);
        if (round > 0) contender.tok_per_s[t].push_back(rate);
      }
    }
  }
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (std::size_t t = 0; t < tests.size(); ++t) {
    for (const Contender& contender : contenders) {
      nlohmann::ordered_json row;
      row["test"] = tests[t].name;
      row["devices"] = contender.devices;
      row["plan"] = contender.source;
      row["emulated"] = setup.emulated;
      row["tok_per_s"] = {{"median", median_of(contender.tok_per_s[t])},
                          {"mad", mad_of(contender.tok_per_s[t])},
                          {"samples", contender.tok_per_s[t]}};
      row["peak_rss_bytes"] = peak_rss_bytes();
      row["model"] = {{"path", setup.model->path()},
                      {"params", setup.model->parameters()},
                      {"bytes", setup.model->file().file_bytes()},
                      {"ops_per_token", ops_per_token(setup.model->shape())}};
      row["environment"] = environment_json();
      rows.push_back(std::move(row));
    }
  }
  if (flags.output == InferFlags::Output::kJson) {
    std::cout << rows.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  } else {
    print_table(rows, setup.emulated);
  }
  if (trace_file) {
    trace_file->write(to_chrome_json(trace));
    trace_file->commit();
  }
  return 0;
}

}  // namespace hetero
