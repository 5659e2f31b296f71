// Recorded searches as files: T4 out and in again, Kernel Tuner's caches, and everything that is neither.
#include "tuner/search/recording.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/rng.h"
#include "tests/tuner/search/synthetic.h"

namespace hetero {
namespace {

void expect_refused(const std::string& text, const std::string& word) {
  try {
    recording_from_json(text, "file.json");
    FAIL() << "accepted: " << text.substr(0, 200);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::kUnusableInput);
    EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
  }
}

const std::string kRow =
    R"({"configuration": {"x": 16, "pad": true, "how": "row", "scale": 0.5}, "objectives": ["time"],
        "times": {"compilation_time": 661.5, "framework": 1, "runtimes": [12.26, 12.25, 12.28]},
        "invalidity": "correct", "correctness": 1,
        "measurements": [{"name": "GFLOP/s", "value": 9, "unit": ""}, {"name": "time", "value": 12.26, "unit": "ms"}]})";
const std::string kBadRow =
    R"({"configuration": {"x": 32, "pad": false, "how": "col", "scale": 2.0}, "objectives": ["time"], "times": {},
        "invalidity": "compile", "correctness": 0, "measurements": []})";

std::string t4(const std::string& rows) { return R"({"schema_version": "1.0.0", "results": [)" + rows + "]}"; }

TEST(Recording, ReadsT4) {
  const RecordedSearch r = recording_from_json(t4(kRow + "," + kBadRow), "x");
  ASSERT_EQ(r.space.size(), 2U);
  ASSERT_EQ(r.space.parameters().size(), 4U);
  EXPECT_EQ(r.space.parameters()[1].name, "pad");  // the file's order
  EXPECT_EQ(r.space.text(0), "x=16 pad=true how=row scale=0.5");
  EXPECT_EQ(r.rows[0].result.value, 12.26);
  EXPECT_EQ(r.rows[0].runtimes, (std::vector<double>{12.26, 12.25, 12.28}));
  EXPECT_EQ(r.rows[0].compile_ms, 661.5);
  EXPECT_EQ(r.unit, "ms");
  EXPECT_EQ(r.rows[1].result.status, SearchStatus::kCompileError);
}

TEST(Recording, WritesWhatItReads) {
  RecordedSearch r = testing_search::small_like();
  r.device = "opencl:0@1";
  r.driver = "PoCL";
  for (std::size_t i = 0; i < r.rows.size(); ++i) {
    r.rows[i].runtimes = {r.rows[i].result.value, 0.1 + static_cast<double>(i) / 3};
    r.rows[i].compile_ms = 1.0 / 7;
    r.rows[i].timestamp = "2026-01-01T00:00:00Z";
  }
  for (int s = 1; s <= 5; ++s) {
    RecordedRow& row = r.rows[static_cast<std::size_t>(10 * s)];
    row.result.status = static_cast<SearchStatus>(s);
    row.message = "because of \"quotes\" and \xff bytes";
  }
  const std::string text = t4_json(r);
  const RecordedSearch back = recording_from_json(text, "x");
  EXPECT_EQ(t4_json(back), text);
  EXPECT_EQ(back.kernel, r.kernel);
  EXPECT_EQ(back.device, r.device);
  EXPECT_EQ(back.driver, r.driver);
  ASSERT_EQ(back.rows.size(), r.rows.size());
  for (std::size_t i = 0; i < r.rows.size(); ++i) {
    EXPECT_EQ(back.space.text(back.rows[i].config), r.space.text(r.rows[i].config));
    EXPECT_EQ(back.rows[i].result.status, r.rows[i].result.status);
    if (r.rows[i].result.ok()) {
      EXPECT_EQ(back.rows[i].result.value, r.rows[i].result.value);
    }
    EXPECT_EQ(back.rows[i].runtimes, r.rows[i].runtimes);
  }
}

TEST(Recording, OrdersValuesBySize) {
  const auto row = [](const std::string& x, const std::string& value) {
    return R"({"configuration": {"x": )" + x + R"(}, "invalidity": "correct", "correctness": 1, "times": {},
               "measurements": [{"name": "time", "value": )" +
           value + "}]}";
  };
  const RecordedSearch r = recording_from_json(t4(row("100", "1") + "," + row("9.5", "2") + "," + row("9", "3")), "x");
  EXPECT_EQ(r.space.text(0), "x=100");
  const auto& values = r.space.parameters()[0].values;
  ASSERT_EQ(values.size(), 3U);
  EXPECT_EQ(text_of(values[0]) + " " + text_of(values[1]) + " " + text_of(values[2]), "9 9.5 100");
}

TEST(Recording, TheSameConfigurationTwiceCountsOnce) {
  std::string again = kRow;
  again.replace(again.find("12.26, \"unit\""), 5, "99.99");
  EXPECT_EQ(recording_from_json(t4(kRow + "," + again), "x").rows.size(), 1U);
  EXPECT_EQ(recording_from_json(t4(kRow + "," + again), "x").rows[0].result.value, 12.26);
}

TEST(Recording, ARateIsTurnedRound) {
  std::string rate = kRow;
  rate.replace(rate.find("[\"time\"]"), 8, "[\"GFLOP/s\"]");
  const RecordedSearch r = recording_from_json(t4(rate), "x");
  EXPECT_DOUBLE_EQ(r.rows[0].result.value, 1.0 / 9);
  EXPECT_DOUBLE_EQ(recording_from_json(t4_json(r), "x").rows[0].result.value, 1.0 / 9);
}

const std::string kCache = R"({"schema_version": "1.1.0", "device_name": "Some GPU", "kernel_name": "convolution",
  "problem_size": [4096, 4096], "tune_params_keys": ["bx", "by"], "tune_params": {"bx": [16, 32], "by": [1, 2]},
  "objective": "time", "cache": {
  "16,1": {"bx": 16, "by": 1, "time": 3.8, "times": [3.9, 3.8], "compile_time": 918.5},
  "16,2": {"bx": 16, "by": 2, "time": "RuntimeFailedConfig"},
  "32,1": {"bx": 32, "by": 1, "time": "CompilationFailedConfig"},
  "32,2": {"bx": 32, "by": 2, "time": "InvalidConfig"})";

TEST(Recording, ReadsKernelTunersCache) {
  const RecordedSearch r = recording_from_json(kCache + "}}", "x");
  EXPECT_EQ(r.device, "Some GPU");
  EXPECT_EQ(r.kernel, "convolution");
  ASSERT_EQ(r.rows.size(), 4U);
  EXPECT_EQ(r.rows[0].result.value, 3.8);
  EXPECT_EQ(r.rows[0].compile_ms, 918.5);
  EXPECT_EQ(r.rows[1].result.status, SearchStatus::kCrash);
  EXPECT_EQ(r.rows[2].result.status, SearchStatus::kCompileError);
  EXPECT_EQ(r.rows[3].result.status, SearchStatus::kDeviceLimit);
}

TEST(Recording, ReadsACacheThatWasLeftOpen) {
  EXPECT_EQ(recording_from_json(kCache, "x").rows.size(), 4U);
  EXPECT_EQ(recording_from_json(kCache + ",\n", "x").rows.size(), 4U);
}

TEST(Recording, RefusesWhatIsNoSearch) {
  expect_refused("", "JSON");
  expect_refused("neither here nor there", "JSON");
  expect_refused(std::string(1 << 20, '['), "JSON");
  expect_refused("[]", "object");
  expect_refused("{}", "results");
  expect_refused(R"({"results": 3})", "list");
  expect_refused(t4(""), "no rows");
  expect_refused(t4(kBadRow), "none of its configurations is valid");
  expect_refused(t4("7"), "row 1");
  expect_refused(t4(kRow + R"(, {"configuration": {"x": 1}, "invalidity": "correct"})"), "row 2");
  expect_refused(R"({"schema_version": "2.0.0", "results": []})", "2.0.0");
  const auto broken = [](const std::string& from, const std::string& to) {
    std::string row = kRow;
    row.replace(row.find(from), from.size(), to);
    return t4(row);
  };
  expect_refused(broken("\"correct\"", "\"fine\""), "fine");
  expect_refused(broken("12.26, \"unit\"", "-1, \"unit\""), "above zero");
  expect_refused(broken("12.26, \"unit\"", "\"fast\", \"unit\""), "no number");
  expect_refused(broken("{\"name\": \"time\"", "{\"name\": \"heat\""), "time");
  expect_refused(broken("16", "[16]"), "no number, text or truth");
  expect_refused(R"({"cache": {}, "tune_params_keys": ["x"]})", "no rows");
  expect_refused(R"({"cache": {"1": {"x": 1, "time": "Tired"}}, "tune_params_keys": ["x"]})", "row \"1\"");
  expect_refused(R"({"cache": {"1": {"time": 1}}, "tune_params_keys": ["x"]})", "\"x\"");
}

// Whatever is done to a file, it is read or refused.
TEST(Recording, SurvivesDamage) {
  for (const std::string& good : {t4(kRow + "," + kBadRow), kCache + "}}"}) {
    Rng rng(7);
    int refused = 0;
    for (int i = 0; i < 2000; ++i) {
      std::string text = good;
      if (i % 2 == 0) text.resize(rng.below(text.size()));
      for (std::uint64_t edits = rng.below(3) + i % 2; edits > 0 && !text.empty(); --edits) {
        text[rng.below(text.size())] = static_cast<char>(rng.below(256));
      }
      try {
        const RecordedSearch r = recording_from_json(text, "x");
        EXPECT_EQ(r.rows.size(), r.space.size());
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::kUnusableInput);
        ++refused;
      }
    }
    EXPECT_GT(refused, 500);
  }
}

TEST(Recording, ReadsTensOfThousandsOfRows) {
  std::string rows;
  for (int i = 0; i < 50000; ++i) {
    rows += std::string(i == 0 ? "" : ",") + R"({"configuration": {"x": )" + std::to_string(i % 250) + R"(, "y": )" +
            std::to_string(i / 250) + R"(}, "objectives": ["time"], "times": {"runtimes": [1, 2, 3, 4, 5, 6, 7]},
            "invalidity": "correct", "correctness": 1, "measurements": [{"name": "time", "value": )" +
            std::to_string(i + 1) + "}]}";
  }
  EXPECT_EQ(recording_from_json(t4(rows), "x").space.size(), 50000U);
}

}  // namespace
}  // namespace hetero
